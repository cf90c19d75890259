/* Logins on the two nodes of auth_fixture.h, and how often they failed. */
#ifndef SP_TESTS_UNIT_LOGIN_FIXTURE_H
#define SP_TESTS_UNIT_LOGIN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/lib/auth/auth_fixture.h"

static struct auth_fixture fixture, *f = &fixture;

static inline int
setup(void **state)
{
	(void)state;
	memset(f, 0, sizeof(*f));
	return auth_fixture_start(f);
}

static inline int
teardown(void **state)
{
	(void)state;
	auth_fixture_stop(f);
	return 0;
}

struct login {
	volatile bool done;
	enum auth_result result;
	char address[AUTH_ADDRESS_MAX];
};

static inline void
on_result(void *arg, enum auth_result result, const struct auth_identity *identity)
{
	struct login *l = arg;

	assert_false(l->done); /* exactly once */
	assert_true((identity != NULL) == (result == AUTH_OK));
	l->done = true;
	l->result = result;
	if (identity != NULL)
		strcpy(l->address, identity->address);
}

static inline struct ip
peer_of(const char *text)
{
	struct ip ip;

	assert_true(ip_parse(str_c(text), &ip));
	return ip;
}

static inline struct auth_request *
begin(unsigned node, struct login *l, struct str address, struct str password, const char *peer)
{
	struct ip ip = peer_of(peer);

	*l = (struct login){.done = false};
	return auth_check_password(f->nodes[node].auth, address, password, &ip, on_result, l);
}

static inline enum auth_result
login_from(unsigned node, const char *address, const char *password, const char *peer)
{
	struct login l;

	assert_non_null(begin(node, &l, str_c(address), str_c(password), peer));
	assert_false(l.done); /* never from within the call */
	auth_fixture_wait(f, &l.done);
	return l.result;
}

static inline enum auth_result
login(const char *address, const char *password)
{
	return login_from(0, address, password, "192.0.2.1");
}

static inline int64_t
failures_of(const char *name)
{
	char key[200];

	snprintf(key, sizeof(key), "auth:fail:{%s}", name);
	return auth_fixture_number(f, "GET", key);
}

/* ---- What is logged meanwhile ---- */
struct log_capture {
	FILE *file;
	int real;
};

static inline struct log_capture
log_capture_begin(void)
{
	struct log_capture c = {tmpfile(), dup(STDERR_FILENO)};

	dup2(fileno(c.file), STDERR_FILENO);
	return c;
}

/* The lines with both texts. */
static inline unsigned
log_capture_end(struct log_capture *c, const char *text, const char *other)
{
	char line[1000];
	unsigned count = 0;

	dup2(c->real, STDERR_FILENO);
	close(c->real);
	rewind(c->file);
	while (fgets(line, sizeof(line), c->file) != NULL)
		count += strstr(line, text) != NULL && strstr(line, other) != NULL;
	fclose(c->file);
	return count;
}

#define AUTH_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
