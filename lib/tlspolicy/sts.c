/* One refresh at a time per domain: the store, the TXT record and, if that has
 * changed, the policy by https. Requests that arrive meanwhile wait for its
 * end. */
#include "lib/tlspolicy/sts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"

enum {
	FRESH_MS = 60000,	 /* before the record is checked again */
	DOUBT_MS = 2000,	 /* the same, if the store could not be reached */
	FETCH_AGAIN_MS = 300000, /* after a failed fetch (RFC 8461, 3.3) */
	FETCH_TIMEOUT_MS = 20000,
	RENEW_MS = 24 * 3600000, /* an unchanged policy is fetched again after this, or half its lifetime */
	UNUSED_MS = 600000,
	TIDY_MS = 60000,
	STORE_KEY_MAX = 300,
};

struct sts {
	struct sts_options options;
	struct entry *entries; /* owner: hash */
	struct event *tidy;
};

/* A call to the store in progress; it outlives the entry. */
struct store_call {
	struct entry *entry; /* borrowed; NULL: gone */
};

struct entry {
	UT_hash_handle hh; /* by name */
	struct sts *sts;   /* borrowed */
	char *policy;	   /* owner; NULL: none is known */
	char id[STS_ID_MAX];
	int64_t fetched_ms, expires_ms; /* unix */
	bool in_store;			/* for certain: if it later is not, an operator wants it forgotten */
	bool store_told;		/* at the last check: a policy known to others would be known here */
	enum tls_result problem;
	char reason[ERR_TEXT_MAX];
	int64_t fresh_until_ms, fetch_after_ms, used_ms; /* monotonic */

	/* The refresh in progress. */
	bool busy;
	struct sts_lookup *lookups; /* owner */
	struct store_call *call;    /* the one that reads */
	struct store_call *saving;  /* possibly in parallel with a refresh */
	struct dns_query *query;
	struct web_request *request;
	char new_id[STS_ID_MAX];
	char name[];
};

struct sts_lookup {
	struct entry *entry; /* borrowed */
	sts_on_answer *cb;
	void *arg;
	struct sts_lookup *prev, *next;
};

/* ---- Answers ---- */
static bool
has_policy(const struct entry *e)
{
	return e->policy != NULL && clock_unix_ms() < e->expires_ms;
}

static struct sts_answer
answer_of(const struct entry *e)
{
	struct sts_answer a = {.problem = e->problem, .reason = e->reason};

	if (has_policy(e)) {
		a.state = STS_FOUND;
		a.policy = str_c(e->policy);
	} else
		a.state = e->store_told ? STS_NONE : STS_UNKNOWN;
	return a;
}

static void
answer_all(struct entry *e)
{
	struct sts_answer a = answer_of(e);
	struct sts_lookup *l;

	e->fresh_until_ms = clock_monotonic_ms() + (a.state == STS_UNKNOWN ? DOUBT_MS : FRESH_MS);
	while ((l = e->lookups) != NULL) {
		DL_DELETE(e->lookups, l);
		l->cb(l->arg, &a);
		mem_free(l);
	}
}

static void
end_refresh(struct entry *e)
{
	e->busy = false;
	answer_all(e);
}

/* ---- The store ---- */
static struct store_call *
sts_call_new(struct entry *e)
{
	struct store_call *call = mem_new(struct store_call);

	call->entry = e;
	return call;
}

/* Its answer does not matter any more. */
static void
call_drop(struct store_call **call)
{
	if (*call != NULL)
		(*call)->entry = NULL;
	*call = NULL;
}

/* Frees it. NULL: it was dropped. */
static struct entry *
sts_call_end(struct store_call *call)
{
	struct entry *e = call->entry;

	mem_free(call);
	return e;
}

/* Is the text a policy? */
static int
sts_judge(struct str text, enum sts_mode *mode_out, int64_t *max_age_ms_out, struct err *err)
{
	struct sts_policy policy;
	struct arena arena;
	int rc;

	*mode_out = STS_MODE_NONE;
	*max_age_ms_out = 0;
	if (text.len > 0 && memchr(text.p, '\0', text.len) != NULL)
		return err_set(err, ERR_INVALID, "it contains a zero byte");
	arena_init(&arena);
	rc = sts_policy_parse(text, &arena, &policy, err);
	*mode_out = policy.mode;
	*max_age_ms_out = policy.max_age_ms;
	arena_fini(&arena);
	return rc;
}

/* "<id> <fetched, unix ms> <expires, unix ms>\n<policy>" */
static void
sts_keep(struct entry *e, const char *id, int64_t fetched_ms, int64_t expires_ms, struct str policy)
{
	call_drop(&e->saving);
	mem_free(e->policy);
	e->policy = str_dup(policy);
	str_copy(str_c(id), e->id, sizeof(e->id));
	e->fetched_ms = fetched_ms;
	e->expires_ms = expires_ms;
	e->in_store = false;
}

static int
take_stored(struct entry *e, struct str value, struct err *err)
{
	struct str head, policy, word, fetched, expires;
	int64_t fetched_ms, expires_ms, max_age_ms;
	char id[STS_ID_MAX];
	enum sts_mode mode;

	if (!str_cut(value, '\n', &head, &policy) || !str_cut(head, ' ', &word, &head) || word.len == 0 ||
	    !str_copy(word, id, sizeof(id)) || !str_cut(head, ' ', &fetched, &expires) ||
	    !str_to_i64(fetched, &fetched_ms) || !str_to_i64(expires, &expires_ms))
		return err_set(err, ERR_CORRUPT, "it does not match what was written");
	if (sts_judge(policy, &mode, &max_age_ms, err) != 0)
		return -1;
	if (e->policy != NULL && fetched_ms < e->fetched_ms)
		return 0;
	sts_keep(e, id, fetched_ms, expires_ms, policy);
	e->in_store = true;
	return 0;
}

static struct str
store_key(const struct entry *e, char out[STORE_KEY_MAX])
{
	return redis_key_print(out, STORE_KEY_MAX, KEY_STS_POLICY, str_c(e->name));
}

static void
sts_forget(struct entry *e)
{
	mem_free(e->policy);
	e->policy = NULL;
	e->in_store = false;
}

static void
on_saved(void *arg, const redisReply *reply, const struct err *err)
{
	struct entry *e = sts_call_end(arg);

	(void)reply;
	if (e == NULL)
		return;
	e->saving = NULL;
	e->in_store = err == NULL;
	if (err == NULL)
		return;
	log_warning(NULL, "MTA-STS policy not stored for now", F_C("domain", e->name), F_ERR(err));
	e->fresh_until_ms = clock_monotonic_ms() + DOUBT_MS;
}

/* If the store does not accept it, it is kept here and offered again. */
static void
sts_store(struct entry *e)
{
	char key[STORE_KEY_MAX], head[100], left[24];
	struct buf value = BUF_EMPTY;
	int64_t left_ms = e->expires_ms - clock_unix_ms();

	if (left_ms <= 0 || e->saving != NULL)
		return;
	snprintf(head, sizeof(head), "%s %" PRId64 " %" PRId64 "\n", e->id, e->fetched_ms, e->expires_ms);
	buf_add(&value, head, strlen(head));
	buf_add(&value, e->policy, strlen(e->policy));
	e->saving = sts_call_new(e);
	snprintf(left, sizeof(left), "%" PRId64, left_ms);
	redis_call_key(e->sts->options.redis, on_saved, e->saving, "SET", store_key(e, key), 3,
		       (const struct str[]){buf_str(&value), STR("PX"), str_c(left)});
	buf_fini(&value);
}

/* ---- The policy, by https ---- */
static void
set_problem(struct entry *e, enum tls_result problem, const char *what, const struct err *err)
{
	e->problem = problem;
	snprintf(e->reason, sizeof(e->reason), "%s%s%.150s", what, err != NULL ? ": " : "",
		 err != NULL ? err->text : "");
	e->fetch_after_ms = clock_monotonic_ms() + FETCH_AGAIN_MS;
	log_info(NULL, "MTA-STS policy not fetched", F_C("domain", e->name), F_C("reason", e->reason));
	end_refresh(e);
}

static bool
is_plain_text(struct str type)
{
	struct str name, rest;

	str_cut(type, ';', &name, &rest);
	return str_eq_ci(str_trim(name), STR("text/plain"));
}

static void
take_fetched(struct entry *e, struct str body)
{
	int64_t now_ms = clock_unix_ms(), max_age_ms;
	enum sts_mode mode;
	struct err err;

	if (sts_judge(body, &mode, &max_age_ms, &err) != 0) {
		set_problem(e, TLS_RESULT_STS_POLICY_INVALID, "the policy is not valid", &err);
		return;
	}
	sts_keep(e, e->new_id, now_ms, now_ms + max_age_ms, body);
	log_info(NULL, "MTA-STS policy fetched", F_C("domain", e->name), F_C("id", e->id),
		 F_C("mode", sts_mode_name(mode)));
	e->problem = TLS_RESULT_OK;
	e->reason[0] = '\0';
	sts_store(e);
	end_refresh(e);
}

static void
sts_on_fetched(void *arg, const struct web_answer *answer, const struct err *err)
{
	struct entry *e = arg;
	char status[60];

	e->request = NULL;
	if (err != NULL)
		set_problem(e,
			    err->code == ERR_DENIED ? TLS_RESULT_STS_WEBPKI_INVALID : TLS_RESULT_STS_POLICY_FETCH_ERROR,
			    "the policy cannot be fetched", err);
	else if (answer->status != 200) {
		snprintf(status, sizeof(status), "the policy cannot be fetched: HTTP status %d", answer->status);
		set_problem(e, TLS_RESULT_STS_POLICY_FETCH_ERROR, status, NULL);
	} else if (!is_plain_text(answer->content_type))
		set_problem(e, TLS_RESULT_STS_POLICY_FETCH_ERROR, "the policy is not plain text", NULL);
	else
		take_fetched(e, answer->body);
}

static void
on_addresses(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct entry *e = arg;
	const struct sts_options *o = &e->sts->options;
	char url[400];
	struct web_options request = {.method = "GET",
				      .url = url,
				      .ca_file = o->ca_file,
				      .max_bytes = STS_POLICY_BYTES,
				      .timeout_ms = FETCH_TIMEOUT_MS};

	e->query = NULL;
	if (err != NULL || answer->ip_count == 0) {
		set_problem(e, TLS_RESULT_STS_POLICY_FETCH_ERROR, "the policy's host has no address", err);
		return;
	}
	snprintf(url, sizeof(url), "https://mta-sts.%s:%u/.well-known/mta-sts.txt", e->name, (unsigned)o->https_port);
	request.ips = answer->ips;
	request.ip_count = answer->ip_count;
	e->request = web_start(o->http, &request, sts_on_fetched, e);
}

static void
sts_fetch(struct entry *e)
{
	char host[300];

	snprintf(host, sizeof(host), "mta-sts.%s", e->name);
	e->query = dns_query_ips(e->sts->options.dns, str_c(host), true, true, on_addresses, e);
}

/* ---- The record ---- */
static bool
is_due(const struct entry *e)
{
	int64_t life_ms = (e->expires_ms - e->fetched_ms) / 2;
	return clock_unix_ms() - e->fetched_ms > (life_ms < RENEW_MS ? life_ms : RENEW_MS);
}

static void
on_record(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct entry *e = arg;
	bool may_fetch = clock_monotonic_ms() >= e->fetch_after_ms;

	e->query = NULL;
	if (err != NULL || !sts_record_parse(answer->texts, answer->text_count, e->new_id)) {
		/* Nothing new; the known policy stays (5.1). */
		if (!has_policy(e) && e->store_told)
			e->problem = TLS_RESULT_OK;
		end_refresh(e);
	} else if (!has_policy(e) || strcmp(e->id, e->new_id) != 0) {
		may_fetch ? sts_fetch(e) : end_refresh(e);
	} else if (is_due(e) && may_fetch) {
		answer_all(e);
		sts_fetch(e);
	} else
		end_refresh(e);
}

static void
on_stored(void *arg, const redisReply *reply, const struct err *err)
{
	struct entry *e = sts_call_end(arg);
	struct err damage;
	char name[300];

	if (e == NULL)
		return;
	e->call = NULL;
	if (err == NULL && reply->type == REDIS_REPLY_STRING && take_stored(e, redis_str(reply), &damage) != 0) {
		err = &damage;
		e->in_store = false;
	}
	e->store_told = err == NULL;
	if (err != NULL)
		snprintf(e->reason, sizeof(e->reason), "the store cannot be queried for the policy: %.100s", err->text);
	else if (reply->type != REDIS_REPLY_STRING && e->in_store)
		sts_forget(e);
	if (has_policy(e) && !e->in_store)
		sts_store(e);
	snprintf(name, sizeof(name), "_mta-sts.%s", e->name);
	e->query = dns_query_txt(e->sts->options.dns, str_c(name), on_record, e);
}

static void
sts_refresh(struct entry *e)
{
	char key[STORE_KEY_MAX];

	e->busy = true;
	e->call = sts_call_new(e);
	redis_call_key(e->sts->options.redis, on_stored, e->call, "GET", store_key(e, key), 0, NULL);
}

/* ---- Entries ---- */
static struct entry *
sts_find_entry(struct sts *s, struct str domain)
{
	struct entry *e = NULL;

	HASH_FIND(hh, s->entries, domain.p, domain.len, e);
	if (e != NULL)
		e->used_ms = clock_monotonic_ms();
	return e;
}

static struct entry *
new_entry(struct sts *s, struct str domain)
{
	struct entry *e = mem_zalloc(sizeof(*e) + domain.len + 1);

	memcpy(e->name, domain.p, domain.len);
	e->sts = s;
	e->used_ms = clock_monotonic_ms();
	HASH_ADD_KEYPTR(hh, s->entries, e->name, domain.len, e);
	return e;
}

static void
free_entry(struct sts *s, struct entry *e)
{
	struct sts_lookup *l, *next;

	DL_FOREACH_SAFE (e->lookups, l, next)
		mem_free(l);
	call_drop(&e->call);
	call_drop(&e->saving);
	if (e->query != NULL)
		dns_cancel(&e->query);
	web_cancel(&e->request);
	HASH_DEL(s->entries, e);
	mem_free(e->policy);
	mem_free(e);
}

static void
on_tidy(evutil_socket_t fd, short what, void *arg)
{
	struct sts *s = arg;
	struct entry *e, *next;
	int64_t now_ms = clock_monotonic_ms();

	(void)fd, (void)what;
	HASH_ITER (hh, s->entries, e, next) {
		if (e->busy)
			continue;
		if (has_policy(e) && !e->in_store)
			sts_store(e);
		else if (now_ms - e->used_ms > UNUSED_MS)
			free_entry(s, e);
	}
}

struct sts *
sts_new(const struct sts_options *options)
{
	struct sts *s = mem_new(struct sts);
	struct timeval tv = clock_timeval(TIDY_MS);

	s->options = *options;
	s->tidy = event_new(options->base, -1, EV_PERSIST, on_tidy, s);
	event_add(s->tidy, &tv);
	return s;
}

void
sts_free(struct sts **sts)
{
	struct sts *s = *sts;
	struct entry *e, *next;

	*sts = NULL;
	if (s == NULL)
		return;
	HASH_ITER (hh, s->entries, e, next)
		free_entry(s, e);
	event_free(s->tidy);
	mem_free(s);
}

/* ---- For the callers ---- */
bool
sts_known(struct sts *s, struct str domain, struct sts_answer *answer_out)
{
	const struct entry *e = sts_find_entry(s, domain);

	if (e == NULL || clock_monotonic_ms() >= e->fresh_until_ms)
		return false;
	*answer_out = answer_of(e);
	return true;
}

struct sts_lookup *
sts_find(struct sts *s, struct str domain, sts_on_answer *cb, void *arg)
{
	struct sts_lookup *l = mem_new(struct sts_lookup);
	struct entry *e = sts_find_entry(s, domain);

	if (e == NULL)
		e = new_entry(s, domain);
	*l = (struct sts_lookup){.entry = e, .cb = cb, .arg = arg};
	DL_APPEND(e->lookups, l);
	if (!e->busy)
		sts_refresh(e);
	return l;
}

void
sts_cancel(struct sts_lookup **l)
{
	if (*l == NULL)
		return;
	DL_DELETE((*l)->entry->lookups, *l);
	mem_free(*l);
	*l = NULL;
}
