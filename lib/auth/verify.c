/* Slow work (argon2id) on threads, so that no loop waits for it. */
#include <argon2.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/auth/private.h"
#include "lib/base/check.h"

/* OWASP's parameters for argon2id. */
enum { MEMORY_KIB = 19456, PASSES = 2, LANES = 1, SALT_BYTES = 16, HASH_BYTES = 32 };

static struct verify_task *
verify_take(struct auth *a)
{
	struct verify_task *t;

	pthread_mutex_lock(&a->lock);
	while (a->first == NULL && !a->stop)
		pthread_cond_wait(&a->wake, &a->lock);
	t = a->stop ? NULL : a->first;
	if (t != NULL) {
		a->first = t->next;
		if (a->first == NULL)
			a->last = NULL;
	}
	pthread_mutex_unlock(&a->lock);
	return t;
}

static void *
thread_main(void *arg)
{
	struct auth *a = arg;
	struct verify_task *t;

	while ((t = verify_take(a)) != NULL) {
		t->run(t);
		t->next = NULL;
		pthread_mutex_lock(&a->lock);
		if (a->done_last != NULL)
			a->done_last->next = t;
		else
			a->done_first = t;
		a->done_last = t;
		pthread_mutex_unlock(&a->lock);
		event_active(a->done_event, EV_READ, 0);
	}
	return NULL;
}

static void
verify_run_done(struct auth *a)
{
	struct verify_task *list;

	pthread_mutex_lock(&a->lock);
	list = a->done_first;
	a->done_first = a->done_last = NULL;
	pthread_mutex_unlock(&a->lock);
	while (list != NULL) {
		struct verify_task *t = list;
		list = t->next;
		a->queued--;
		t->done(t);
	}
}

static void
verify_on_done(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	verify_run_done(arg);
}

void
verify_start(struct auth *a)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	a->thread_count = processors < 2 ? 2 : processors < VERIFY_THREADS ? (unsigned)processors : VERIFY_THREADS;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->wake, NULL);
	a->done_event = event_new(a->base, -1, 0, verify_on_done, a);
}

bool
verify_give(struct auth *a, struct verify_task *t)
{
	if (a->queued >= VERIFY_QUEUE_MAX)
		return false;
	a->queued++;
	t->next = NULL;
	pthread_mutex_lock(&a->lock);
	for (unsigned i = 0; !a->started && i < a->thread_count; i++)
		CHECK(pthread_create(&a->threads[i], NULL, thread_main, a) == 0);
	a->started = true;
	if (a->last != NULL)
		a->last->next = t;
	else
		a->first = t;
	a->last = t;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
	return true;
}

void
verify_stop(struct auth *a)
{
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_broadcast(&a->wake);
	pthread_mutex_unlock(&a->lock);
	for (unsigned i = 0; a->started && i < a->thread_count; i++)
		pthread_join(a->threads[i], NULL);
	verify_run_done(a);
	/* What no thread has begun ends without having run. */
	a->done_first = a->first;
	a->first = a->last = NULL;
	verify_run_done(a);
	event_free(a->done_event);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->wake);
}

bool
auth_password_fits(const char *verifier, struct str password)
{
	if (verifier[0] == '{')
		return scheme_fits(str_c(verifier), password);
	/* The record may have been written by other means than an import, which checks it. */
	if (!scheme_argon2_is_readable(verifier))
		return false;
	return argon2id_verify(verifier, password.p != NULL ? password.p : "", password.len) == ARGON2_OK;
}

int
auth_make_argon2id(struct str password, char out[AUTH_VERIFIER_MAX], struct err *err)
{
	unsigned char salt[SALT_BYTES];
	int result;

	CHECK(RAND_bytes(salt, sizeof(salt)) == 1);
	result = argon2id_hash_encoded(PASSES, MEMORY_KIB, LANES, password.p != NULL ? password.p : "", password.len,
				       salt, sizeof(salt), HASH_BYTES, out, AUTH_VERIFIER_MAX);
	return result == ARGON2_OK
		       ? 0
		       : err_set(err, ERR_INVALID, "hashing the password: %s", argon2_error_message(result));
}
