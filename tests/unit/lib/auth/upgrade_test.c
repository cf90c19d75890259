/* Hashes of other systems are replaced by our own after a login. */
#include "tests/unit/lib/auth/gate_fixture.h"

#define ALICE "alice@example.test"
#define SSHA  "{SSHA}1G904nLkTkGWjKNnQuB/hpWXC/hzYWx0c2FsdA==" /* of "secret" */

/* ---- What is stored ---- */
struct text {
	volatile bool done;
	char value[AUTH_VERIFIER_MAX];
};

static void
on_text(void *arg, const redisReply *reply, const struct err *err)
{
	struct text *t = arg;

	assert_null(err);
	str_copy(redis_str(reply), t->value, sizeof(t->value));
	t->done = true;
}

static const char *
stored(const char *address, const char *field)
{
	static struct text t;

	t = (struct text){.done = false};
	redis_callf(f->nodes[0].redis, on_text, &t, "HGET user:{%s} %s", address, field);
	auth_fixture_wait(f, &t.done);
	return t.value;
}

#define COMMAND(text) \
	do { \
		struct auth_reply r = {.done = false}; \
		redis_callf(f->nodes[0].redis, auth_on_reply, &r, text); \
		auth_fixture_wait(f, &r.done); \
	} while (0)

/* As an import does it. */
static void
set_hash(const char *address, const char *hash)
{
	struct auth_order o = {.done = false};

	directory_user_passwd(f->tool, str_c(address), str_c(hash), STR(""), auth_on_ordered, &o);
	auth_fixture_wait(f, &o.done);
	assert_int_equal(o.err.code, ERR_NONE);
	auth_fixture_turn(f, 30); /* the notice */
}

static bool
is_ours(const char *address)
{
	return strncmp(stored(address, "password"), "$argon2id$", 10) == 0;
}

static bool
becomes_ours(const char *address)
{
	for (int i = 0; i < 400 && !is_ours(address); i++)
		auth_fixture_turn(f, 5);
	return is_ours(address);
}

static bool
stays(const char *address, const char *hash)
{
	auth_fixture_turn(f, 100);
	return strcmp(stored(address, "password"), hash) == 0;
}

/* ---- Tests ---- */
static void
test_replaced(void **state)
{
	static const char *const hashes[] = {
		SSHA,
		"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
		"{CRYPT}$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
		"{CRYPT}$6$abcdefghijklmnop$J/AWykHqo2Tx5UtavGnFc3ytI33la50JpzLTarSWVhkIXK6wOjNwwZjsrIw2UgmrER2EKrSHCeQ"
		"yAINEEXAk1/",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		char id[AUTH_VERIFIER_MAX];

		set_hash(ALICE, hashes[i]);
		strcpy(id, stored(ALICE, "password_id"));
		assert_int_equal(strlen(id), 16);
		assert_int_equal(login(ALICE, "Secret"), AUTH_FAILED);
		assert_true(stays(ALICE, hashes[i]));
		assert_int_equal(login(ALICE, "secret"), AUTH_OK);
		assert_true(becomes_ours(ALICE));
		assert_true(auth_password_fits(stored(ALICE, "password"), STR("secret")));
		assert_true(auth_is_scram_sha256(str_c(stored(ALICE, "scram_sha256"))));
		assert_string_equal(stored(ALICE, "password_id"), id);
		auth_fixture_turn(f, 30);
		assert_int_equal(login_from(0, ALICE, "secret", "192.0.2.1"), AUTH_OK);
		assert_int_equal(login_from(1, ALICE, "secret", "192.0.2.1"), AUTH_OK);
		assert_int_equal(login(ALICE, "Secret"), AUTH_FAILED);
	}
}

static void
test_ours_stay(void **state)
{
	char before[AUTH_VERIFIER_MAX];

	(void)state;
	strcpy(before, stored(ALICE, "password"));
	assert_int_equal(login(ALICE, "wonderland"), AUTH_OK);
	assert_true(stays(ALICE, before));
	/* A SCRAM verifier that came with the hash stays too. */
	struct auth_order o = {.done = false};
	char scram[AUTH_VERIFIER_MAX];
	assert_int_equal(auth_make_scram_sha256(STR("secret"), scram, NULL), 0);
	directory_user_passwd(f->tool, STR(ALICE), STR(SSHA), str_c(scram), auth_on_ordered, &o);
	auth_fixture_wait(f, &o.done);
	auth_fixture_turn(f, 30);
	assert_int_equal(login(ALICE, "secret"), AUTH_OK);
	assert_true(becomes_ours(ALICE));
	assert_string_equal(stored(ALICE, "scram_sha256"), scram);
}

static void
test_disabled(void **state)
{
	(void)state;
	set_hash("carol@example.test", SSHA);
	assert_int_equal(login("carol@example.test", "secret"), AUTH_DISABLED);
	assert_true(stays("carol@example.test", SSHA));
}

/* A password that was set while the old one was checked is not overwritten. */
static void
test_changed_meanwhile(void **state)
{
	const char *const other = "{SHA}Pmqf+NVlqtPyFVtwiHWqoIsvjwE=";
	struct gate gates[VERIFY_THREADS];
	struct login l;

	(void)state;
	set_hash(ALICE, SSHA);
	close_gates(gates);
	begin(0, &l, STR(ALICE), STR("secret"), "192.0.2.1");
	while (f->nodes[0].auth->queued < f->nodes[0].auth->thread_count + 1)
		auth_fixture_turn(f, 5);
	set_hash(ALICE, other);
	open_gates(gates);
	auth_fixture_wait(f, &l.done);
	assert_int_equal(l.result, AUTH_OK); /* it was right when it was asked for */
	assert_true(stays(ALICE, other));
}

/* The store is lost while the password is checked: the login succeeds. */
static void
test_without_the_store(void **state)
{
	struct gate gates[VERIFY_THREADS];
	struct login l;

	(void)state;
	set_hash(ALICE, SSHA);
	close_gates(gates);
	begin(0, &l, STR(ALICE), STR("secret"), "192.0.2.1");
	while (f->nodes[0].auth->queued < f->nodes[0].auth->thread_count + 1)
		auth_fixture_turn(f, 5);
	redis_fixture_kill(&f->server);
	while (redis_is_connected(f->nodes[0].redis))
		auth_fixture_turn(f, 5);
	open_gates(gates);
	auth_fixture_wait(f, &l.done);
	assert_int_equal(l.result, AUTH_OK);
	auth_fixture_turn(f, 50);
	assert_true(redis_fixture_run(&f->server, false));
}

static enum auth_result
login_at_the_page(const char *address, const char *password)
{
	struct ip ip = peer_of("192.0.2.1");
	struct login l = {.done = false};

	auth_check_main_password(f->nodes[0].auth, str_c(address), str_c(password), &ip, on_result, &l);
	auth_fixture_wait(f, &l.done);
	return l.result;
}

/* A password that is remembered is not checked again. */
static void
forget(void)
{
	memory_forget(f->nodes[0].auth, STR(ALICE));
}

/* Sessions know the password of a record of an older version by its hash: they do not end. */
static void
test_records_without_id(void **state)
{
	(void)state;
	set_hash(ALICE, SSHA);
	COMMAND("HDEL user:{" ALICE "} password_id");
	auth_fixture_turn(f, 30);
	assert_int_equal(login_at_the_page(ALICE, "secret"), AUTH_OK);
	assert_true(stays(ALICE, SSHA));
	COMMAND("ZADD web:sessions:{" ALICE "} 1 session");
	forget();
	assert_int_equal(login(ALICE, "secret"), AUTH_OK);
	assert_true(stays(ALICE, SSHA));
	COMMAND("DEL web:sessions:{" ALICE "}");
	forget();
	assert_int_equal(login(ALICE, "secret"), AUTH_OK);
	assert_true(becomes_ours(ALICE));
	assert_int_not_equal(strlen(stored(ALICE, "password_id")), 0);
}

/* The file that brought the hash is imported again: no new password. Another one is. */
static void
test_set_again(void **state)
{
	const char *const other = "{SHA}Pmqf+NVlqtPyFVtwiHWqoIsvjwE=";
	char id[AUTH_VERIFIER_MAX], password[AUTH_VERIFIER_MAX], scram[AUTH_VERIFIER_MAX];

	(void)state;
	set_hash(ALICE, SSHA);
	assert_int_equal(login(ALICE, "secret"), AUTH_OK);
	assert_true(becomes_ours(ALICE));
	strcpy(id, stored(ALICE, "password_id"));
	strcpy(password, stored(ALICE, "password"));
	strcpy(scram, stored(ALICE, "scram_sha256"));
	set_hash(ALICE, SSHA);
	assert_string_equal(stored(ALICE, "password_id"), id);
	assert_string_equal(stored(ALICE, "password"), password);
	assert_string_equal(stored(ALICE, "scram_sha256"), scram);
	set_hash(ALICE, other);
	assert_string_not_equal(stored(ALICE, "password_id"), id);
	assert_string_equal(stored(ALICE, "password"), other);
	assert_string_equal(stored(ALICE, "scram_sha256"), "");
	assert_string_equal(stored(ALICE, "password_from"), "");
	set_hash(ALICE, SSHA); /* and now it is new */
	assert_string_equal(stored(ALICE, "password"), SSHA);
	/* An older version has changed the password, and left the note. */
	auth_fixture_turn(f, 30);
	assert_int_equal(login(ALICE, "secret"), AUTH_OK);
	assert_true(becomes_ours(ALICE));
	COMMAND("HSET user:{" ALICE "} password {SHA}Pmqf+NVlqtPyFVtwiHWqoIsvjwE=");
	set_hash(ALICE, SSHA);
	assert_string_equal(stored(ALICE, "password"), SSHA);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		AUTH_TEST(test_replaced),	   AUTH_TEST(test_ours_stay),
		AUTH_TEST(test_disabled),	   AUTH_TEST(test_changed_meanwhile),
		AUTH_TEST(test_without_the_store), AUTH_TEST(test_records_without_id),
		AUTH_TEST(test_set_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
