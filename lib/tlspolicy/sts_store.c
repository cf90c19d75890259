/* A policy as it is kept in the store, so that all processes know it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"
#include "lib/tlspolicy/sts_private.h"

struct sts_call *
sts_call_new(struct sts_entry *e)
{
	struct sts_call *call = mem_new(struct sts_call);

	call->entry = e;
	return call;
}

void
sts_call_drop(struct sts_call **call)
{
	if (*call != NULL)
		(*call)->entry = NULL;
	*call = NULL;
}

struct sts_entry *
sts_call_end(struct sts_call *call)
{
	struct sts_entry *e = call->entry;

	mem_free(call);
	return e;
}

int
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
void
sts_keep(struct sts_entry *e, const char *id, int64_t fetched_ms, int64_t expires_ms, struct str policy)
{
	sts_call_drop(&e->saving);
	mem_free(e->policy);
	e->policy = str_dup(policy);
	str_copy(str_c(id), e->id, sizeof(e->id));
	e->fetched_ms = fetched_ms;
	e->expires_ms = expires_ms;
	e->in_store = false;
}

int
sts_take_stored(struct sts_entry *e, struct str value, struct err *err)
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

struct str
sts_store_key(const struct sts_entry *e, char out[STS_KEY_MAX])
{
	return redis_key_print(out, STS_KEY_MAX, KEY_STS_POLICY, str_c(e->name));
}

void
sts_forget(struct sts_entry *e)
{
	mem_free(e->policy);
	e->policy = NULL;
	e->in_store = false;
}

static void
store_on_saved(void *arg, const redisReply *reply, const struct err *err)
{
	struct sts_entry *e = sts_call_end(arg);

	(void)reply;
	if (e == NULL)
		return;
	e->saving = NULL;
	e->in_store = err == NULL;
	if (err == NULL)
		return;
	log_warning(NULL, "MTA-STS policy not stored for now", F_C("domain", e->name), F_ERR(err));
	e->fresh_until_ms = clock_monotonic_ms() + STS_DOUBT_MS;
}

void
sts_store(struct sts_entry *e)
{
	char key[STS_KEY_MAX], head[100], left[24];
	struct buf value = BUF_EMPTY;
	int64_t left_ms = e->expires_ms - clock_unix_ms();

	if (left_ms <= 0 || e->saving != NULL)
		return;
	snprintf(head, sizeof(head), "%s %" PRId64 " %" PRId64 "\n", e->id, e->fetched_ms, e->expires_ms);
	buf_add(&value, head, strlen(head));
	buf_add(&value, e->policy, strlen(e->policy));
	e->saving = sts_call_new(e);
	snprintf(left, sizeof(left), "%" PRId64, left_ms);
	redis_call_key(e->sts->options.redis, store_on_saved, e->saving, "SET", sts_store_key(e, key), 3,
		       (const struct str[]){buf_str(&value), STR("PX"), str_c(left)});
	buf_fini(&value);
}
