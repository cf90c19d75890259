/* The cluster's secret. */
#include "lib/secret/secret.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"
#include "lib/secret/hkdf.h"

#define SECRET_SALT "stagepost secret 1"

enum { MADE_BYTES = 32, LEAST_BYTES = 16, AGAIN_MS = 50 };

struct secret {
	struct redis *redis; /* borrowed */
	struct event *again; /* owner: reads it when due */
	char *bytes;	     /* owner, cleansed; NULL: not known */
	size_t len;
	bool given, complained;
	/* A store answer is outstanding; freed when it has come. */
	bool asking, gone;
};

static void
secret_take(struct secret *s, struct str bytes)
{
	s->bytes = mem_strndup(bytes.p, bytes.len);
	s->len = bytes.len;
}

static void
secret_destroy(struct secret *s)
{
	if (s->bytes != NULL)
		OPENSSL_cleanse(s->bytes, s->len);
	mem_free(s->bytes);
	mem_free(s);
}

static void
secret_on_read(void *arg, const redisReply *reply, const struct err *err)
{
	struct secret *s = arg;
	struct str bytes = redis_str(reply);
	struct timeval wait = clock_timeval(AGAIN_MS);

	s->asking = false;
	if (s->gone) {
		secret_destroy(s);
		return;
	}
	if (err == NULL && bytes.len >= LEAST_BYTES) {
		secret_take(s, bytes);
		return;
	}
	/* An unreachable store reports that itself. */
	if (err == NULL && !s->complained) {
		log_error(NULL, "the cluster secret is damaged", F_C("key", redis_key_pattern(KEY_CLUSTER_SECRET)),
			  F_I64("bytes", bytes.len));
		s->complained = true;
	}
	event_add(s->again, &wait);
}

/* The first process creates it; all read the stored value. */
static void
secret_on_again(evutil_socket_t fd, short what, void *arg)
{
	struct str key = str_c(redis_key_pattern(KEY_CLUSTER_SECRET));
	struct secret *s = arg;
	unsigned char made[MADE_BYTES];

	(void)fd, (void)what;
	CHECK(RAND_bytes(made, sizeof(made)) == 1);
	s->asking = true;
	redis_call_key(s->redis, NULL, NULL, "SET", key, 2,
		       (const struct str[]){str_of((const char *)made, sizeof(made)), STR("NX")});
	redis_call_key(s->redis, secret_on_read, s, "GET", key, 0, NULL);
	OPENSSL_cleanse(made, sizeof(made));
}

struct secret *
secret_new(struct event_base *base, struct redis *r, struct str cluster_key)
{
	struct secret *s = mem_new(struct secret);

	s->redis = r;
	s->again = evtimer_new(base, secret_on_again, s);
	s->given = cluster_key.len != 0;
	if (s->given)
		secret_take(s, cluster_key);
	else
		event_active(s->again, EV_TIMEOUT, 0);
	return s;
}

void
secret_free(struct secret **sp)
{
	struct secret *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	event_free(s->again);
	s->again = NULL;
	s->gone = true;
	if (!s->asking)
		secret_destroy(s);
}

bool
secret_is_known(const struct secret *s)
{
	return s->bytes != NULL;
}

bool
secret_is_given(const struct secret *s)
{
	return s->given;
}

void
secret_derive(const struct secret *s, const char *label, struct str context, void *out, size_t len)
{
	struct buf info = BUF_EMPTY;

	CHECK(secret_is_known(s));
	/* The NUL: no label with its context is a prefix of another. */
	buf_add(&info, label, strlen(label) + 1);
	buf_add_str(&info, context);
	hkdf_sha256(STR(SECRET_SALT), str_of(s->bytes, s->len), buf_str(&info), out, len);
	buf_fini(&info);
}

void
secret_mac(const struct secret *s, const char *label, struct str data, unsigned char out[SECRET_MAC_BYTES])
{
	unsigned char key[SECRET_MAC_BYTES];
	unsigned len = SECRET_MAC_BYTES;

	secret_derive(s, label, STR_NONE, key, sizeof(key));
	CHECK(HMAC(EVP_sha256(), key, sizeof(key), (const unsigned char *)(data.p != NULL ? data.p : ""), data.len, out,
		   &len) != NULL);
	OPENSSL_cleanse(key, sizeof(key));
}
