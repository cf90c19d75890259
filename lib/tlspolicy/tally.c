#include "lib/tlspolicy/tally.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <uthash.h>

#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"

REDIS_SCRIPT(tally_add, "lib/tlspolicy/tally.lua");

enum {
	FLUSH_MS = 2000,
	ENTRIES_MAX = 10000,	   /* in memory; beyond: without details */
	PLAIN_ENTRIES_MAX = 20000, /* beyond: not counted */
	STORED_MAX = 1000,	   /* per domain and day in the store; beyond: without details */
	TEXT_MAX = 255,		   /* for text from others */
	STRING_MAX = 1000,	   /* per policy, of strings */
	FIRST_MS = 60000,	   /* after the day: late counts have arrived by then */
};

struct counter {
	char *entry; /* owner; the key */
	char *plain; /* owner; without details */
	uint64_t count;
	UT_hash_handle hh;
};

/* The counts for one domain's day. */
struct bucket {
	struct tally *tally;
	char *name; /* owner; the key: "<day> <domain>" */
	struct counter *fresh;
	struct counter *batch; /* being sent, or to be sent again unchanged */
	uint64_t batch_number;
	bool is_sent;
	UT_hash_handle hh;
};

struct tally {
	struct redis *redis; /* borrowed */
	struct event *timer;
	struct bucket *buckets; /* owner */
	unsigned entries;	/* in all buckets */
	unsigned sent;		/* batches being sent */
	uint64_t last_batch;
	char mark[20];
	char *reporter; /* owner */
	int64_t spread_ms;
	bool is_full, is_store_ill; /* already logged */
	void (*on_end)(void *arg);
	void *on_end_arg;
};

/* ---- Days ---- */
void
tally_day(int64_t unix_ms, char out[TALLY_DAY_MAX])
{
	char text[CLOCK_ISO8601_MAX];

	clock_iso8601(unix_ms, text, sizeof(text));
	snprintf(out, TALLY_DAY_MAX, "%.10s", text);
}

bool
tally_day_parse(struct str day, int64_t *unix_ms_out)
{
	char text[TALLY_DAY_MAX], again[TALLY_DAY_MAX];
	struct tm tm = {.tm_isdst = 0};

	if (day.len != TALLY_DAY_MAX - 1 || !str_copy(day, text, sizeof(text)) ||
	    strptime(text, "%Y-%m-%d", &tm) != text + day.len)
		return false;
	*unix_ms_out = (int64_t)timegm(&tm) * 1000;
	tally_day(*unix_ms_out, again);
	return strcmp(text, again) == 0;
}

int64_t
tally_due_ms(const char *day, struct str domain, struct str reporter, int64_t spread_ms)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	int64_t start = 0;
	uint64_t number;
	struct arena arena;
	char *text;

	CHECK(tally_day_parse(str_c(day), &start));
	arena_init(&arena);
	text = arena_printf(&arena, "%s %.*s %.*s", day, STR_ARG(domain), STR_ARG(reporter));
	SHA256((const unsigned char *)text, strlen(text), digest);
	arena_fini(&arena);
	memcpy(&number, digest, sizeof(number));
	return start + TALLY_DAY_MS + FIRST_MS + (spread_ms > 0 ? (int64_t)(number % (uint64_t)spread_ms) : 0);
}

/* ---- Entries ---- */
/* Text from others, as printable ASCII. */
static void
add_cleaned(cJSON *array, struct str text, size_t max)
{
	size_t len = text.len < max ? text.len : max;
	char *clean = mem_strndup(text.p != NULL ? text.p : "", len);

	for (size_t i = 0; i < len; i++)
		if (clean[i] < 0x20 || clean[i] >= 0x7f)
			clean[i] = '?';
	cJSON_AddItemToArray(array, cJSON_CreateString(clean));
	mem_free(clean);
}

static void
tally_add_text(cJSON *array, struct str text)
{
	add_cleaned(array, text, TEXT_MAX);
}

static void
add_array(cJSON *array, const struct str *items, unsigned count)
{
	cJSON *inner = cJSON_CreateArray();

	for (unsigned i = 0; i < count; i++)
		add_cleaned(inner, items[i], STRING_MAX);
	cJSON_AddItemToArray(array, inner);
}

static void
add_ip(cJSON *array, const struct ip *ip)
{
	char text[IP_TEXT_MAX] = "";

	if (ip->family != 0)
		ip_text(ip, text);
	tally_add_text(array, str_c(text));
}

static const char *const policy_names[TLS_POLICY_COUNT] = {
#define TLS_POLICY_NAME(name, text) text,
	TLS_POLICY_TYPES(TLS_POLICY_NAME)};

static char *
entry_of(const struct tls_session *s, bool details)
{
	cJSON *array = cJSON_CreateArray();
	struct tls_session none = {.result = TLS_RESULT_OK};
	const struct tls_session *d = details && s->result != TLS_RESULT_OK ? s : &none;
	char *printed, *entry;

	CHECK((unsigned)s->policy < TLS_POLICY_COUNT);
	tally_add_text(array, str_c(policy_names[s->policy]));
	tally_add_text(array, s->policy_domain.len > 0 ? s->policy_domain : s->domain);
	add_array(array, s->strings, s->string_count);
	add_array(array, s->mx_patterns, s->mx_pattern_count);
	tally_add_text(array, str_c(tls_result_name(s->result)));
	add_ip(array, &d->sending_ip);
	tally_add_text(array, d->mx_host);
	tally_add_text(array, d->mx_helo);
	add_ip(array, &d->receiving_ip);
	tally_add_text(array, d->reason);
	printed = cJSON_PrintUnformatted(array);
	CHECK(printed != NULL);
	entry = mem_strdup(printed);
	cJSON_free(printed);
	cJSON_Delete(array);
	return entry;
}

/* ---- Counting ---- */
static void
counters_free(struct tally *t, struct counter **all)
{
	struct counter *c, *tmp;

	HASH_ITER (hh, *all, c, tmp) {
		HASH_DEL(*all, c);
		mem_free(c->entry);
		mem_free(c->plain);
		mem_free(c);
		t->entries--;
	}
}

static void
bucket_free(struct bucket *b)
{
	HASH_DEL(b->tally->buckets, b);
	counters_free(b->tally, &b->fresh);
	counters_free(b->tally, &b->batch);
	mem_free(b->name);
	mem_free(b);
}

static struct bucket *
bucket_get(struct tally *t, int64_t unix_ms, struct str domain)
{
	char day[TALLY_DAY_MAX], name[TALLY_DAY_MAX + 256];
	struct bucket *b;

	tally_day(unix_ms, day);
	snprintf(name, sizeof(name), "%s %.*s", day, STR_ARG(domain));
	HASH_FIND_STR(t->buckets, name, b);
	if (b == NULL) {
		b = mem_new(struct bucket);
		b->tally = t;
		b->name = mem_strdup(name);
		HASH_ADD_KEYPTR(hh, t->buckets, b->name, strlen(b->name), b);
	}
	return b;
}

static void
tally_arm(struct tally *t)
{
	struct timeval tv = clock_timeval(FLUSH_MS);

	if (!event_pending(t->timer, EV_TIMEOUT, NULL))
		evtimer_add(t->timer, &tv);
}

static void
tally_complain(struct tally *t)
{
	if (!t->is_full)
		log_warning(NULL, "TLS sessions are no longer counted: too many wait for the store",
			    F_I64("entries", t->entries));
	t->is_full = true;
}

void
tally_count(struct tally *t, int64_t unix_ms, const struct tls_session *s)
{
	bool details = t->entries < ENTRIES_MAX;
	char *entry;
	struct bucket *b;
	struct counter *c;

	if (s->domain.len == 0 || s->domain.len > 255)
		return;
	if (t->entries >= PLAIN_ENTRIES_MAX) {
		tally_complain(t);
		return;
	}
	entry = entry_of(s, details);
	b = bucket_get(t, unix_ms, s->domain);
	HASH_FIND_STR(b->fresh, entry, c);
	if (c == NULL) {
		c = mem_new(struct counter);
		c->entry = entry;
		c->plain = entry_of(s, false);
		HASH_ADD_KEYPTR(hh, b->fresh, c->entry, strlen(c->entry), c);
		t->entries++;
	} else {
		mem_free(entry);
	}
	c->count++;
	tally_arm(t);
}

/* ---- To the store ---- */
static void
tell_end(struct tally *t)
{
	void (*on_end)(void *arg) = t->on_end;

	t->on_end = NULL;
	if (on_end != NULL)
		on_end(t->on_end_arg);
}

static void
on_added(void *arg, const redisReply *reply, const struct err *err)
{
	struct bucket *b = arg;
	struct tally *t = b->tally;

	(void)reply;
	b->is_sent = false;
	t->sent--;
	if (err != NULL) {
		if (!t->is_store_ill)
			log_warning(NULL, "counts of TLS sessions are not stored for now", F_ERR(err));
		t->is_store_ill = true;
		tally_arm(t);
	} else {
		t->is_store_ill = t->is_full = false;
		counters_free(t, &b->batch);
		if (b->fresh == NULL)
			bucket_free(b);
		else
			tally_arm(t);
	}
	if (t->sent == 0)
		tell_end(t);
}

static void
send_batch(struct bucket *b)
{
	struct tally *t = b->tally;
	struct str day, domain;
	unsigned count = HASH_COUNT(b->batch), at = 6;
	struct arena arena;
	struct counter *c, *tmp;
	struct str keys[3], *args;
	int64_t start = 0;
	char *day_text;

	arena_init(&arena);
	str_cut(str_c(b->name), ' ', &day, &domain);
	day_text = arena_dup(&arena, day.p, day.len);
	CHECK(tally_day_parse(day, &start));
	keys[0] = redis_key(&arena, KEY_TLSRPT_DUE, day);
	keys[1] = redis_key(&arena, KEY_TLSRPT_DONE, day);
	keys[2] = redis_key(&arena, KEY_TLSRPT_COUNTS, day, domain);
	args = arena_array(&arena, struct str, at + 3 * count);
	args[0] = domain;
	args[1] = str_c(
		arena_printf(&arena, "%" PRId64, tally_due_ms(day_text, domain, str_c(t->reporter), t->spread_ms)));
	args[2] = str_c(t->mark);
	args[3] = str_c(arena_printf(&arena, "%" PRIu64, b->batch_number));
	args[4] = str_c(arena_printf(&arena, "%" PRId64, (start + TALLY_KEPT_DAYS * TALLY_DAY_MS) / 1000));
	args[5] = str_c(arena_printf(&arena, "%d", STORED_MAX));
	HASH_ITER (hh, b->batch, c, tmp) {
		args[at++] = str_c(c->entry);
		args[at++] = str_c(c->plain);
		args[at++] = str_c(arena_printf(&arena, "%" PRIu64, c->count));
	}
	b->is_sent = true;
	t->sent++;
	redis_eval(t->redis, on_added, b, &tally_add, 3, keys, at, args);
	arena_fini(&arena);
}

static void
tally_flush(struct tally *t)
{
	struct bucket *b, *tmp;

	HASH_ITER (hh, t->buckets, b, tmp) {
		if (b->is_sent)
			continue;
		if (b->batch == NULL) {
			b->batch = b->fresh;
			b->fresh = NULL;
			b->batch_number = ++t->last_batch;
		}
		send_batch(b);
	}
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	tally_flush(arg);
}

void
tally_drain(struct tally *t, void (*on_end)(void *arg), void *arg)
{
	t->on_end = on_end;
	t->on_end_arg = arg;
	tally_flush(t);
	if (t->sent == 0)
		tell_end(t);
}

/* ---- Life ---- */
void
tally_set_spread(struct tally *t, int64_t spread_ms, struct str reporter)
{
	mem_free(t->reporter);
	t->reporter = str_dup(reporter);
	t->spread_ms = spread_ms;
}

struct tally *
tally_new(struct event_base *base, struct redis *r)
{
	struct tally *t = mem_new(struct tally);
	uint64_t number;

	CHECK(getrandom(&number, sizeof(number), 0) == (ssize_t)sizeof(number));
	snprintf(t->mark, sizeof(t->mark), "#%016" PRIx64, number);
	t->redis = r;
	t->timer = evtimer_new(base, on_timer, t);
	t->reporter = mem_strdup("");
	return t;
}

void
tally_free(struct tally **t)
{
	struct bucket *b, *tmp;

	if (*t == NULL)
		return;
	CHECK((*t)->sent == 0);
	HASH_ITER (hh, (*t)->buckets, b, tmp)
		bucket_free(b);
	event_free((*t)->timer);
	mem_free((*t)->reporter);
	mem_free(*t);
	*t = NULL;
}
