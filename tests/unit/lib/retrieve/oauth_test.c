/* Access tokens and the device-code flow, against a token endpoint that is played here in
 * place of lib/net/web.c. */
#include "tests/unit/lib/retrieve/retrieve_fixture.h"

#include "lib/base/mem.h"
#include "lib/retrieve/device.h"
#include "lib/retrieve/oauth.h"

/* ---- The endpoint ---- */

struct script {
	int status;	  /* 0: it cannot be reached, -1: its certificate is bad */
	const char *body; /* NULL: the script ends */
};

struct web_request {
	struct event *timer;
	web_on_answer *cb;
	void *arg;
	const struct script *step;
};

static const struct script *script;
static char forms[10][600]; /* that were posted */
static unsigned posted;
static struct ip posted_to;
static int64_t delay_ms; /* until it answers */

static void
web_on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct web_request *r = arg;
	struct web_answer answer = {.status = r->step->status, .body = str_c(r->step->body)};
	struct err err;

	(void)fd, (void)what;
	err_set(&err, r->step->status < 0 ? ERR_DENIED : ERR_UNAVAILABLE,
		r->step->status < 0 ? "bad certificate" : "no route");
	r->cb(r->arg, r->step->status > 0 ? &answer : NULL, r->step->status > 0 ? NULL : &err);
	event_free(r->timer);
	mem_free(r);
}

struct web_request *
web_start(struct web_client *c, const struct web_options *o, web_on_answer *cb, void *arg)
{
	struct web_request *r = mem_new(struct web_request);
	struct timeval tv = clock_timeval(delay_ms);

	(void)c;
	assert_string_equal(o->method, "POST");
	assert_non_null(script->body);
	str_copy(o->body, forms[posted++ % 10], sizeof(forms[0]));
	posted_to = o->ip_count != 0 ? o->ips[0] : (struct ip){.family = 0};
	*r = (struct web_request){evtimer_new(base, web_on_turn, r), cb, arg, script++};
	evtimer_add(r->timer, &tv);
	return r;
}

void
web_cancel(struct web_request **r)
{
	if (*r != NULL) {
		event_free((*r)->timer);
		mem_free(*r);
	}
	*r = NULL;
}

bool
web_url_host(struct str url, struct str *host_out, uint16_t *port_out)
{
	struct str rest;

	*port_out = 443;
	return str_starts(url, STR("https://")) && (str_cut(str_from(url, 8), '/', host_out, &rest) || true);
}

static void
play(const struct script *steps)
{
	script = steps;
	posted = 0;
	memset(forms, 0, sizeof(forms));
}

#define PLAY(...) play((const struct script[]){__VA_ARGS__, {0, NULL}})

/* ---- Access tokens ---- */

static bool
ip_is_allowed(void *arg, const struct ip *ip)
{
	(void)arg;
	return !ip_is_loopback(ip);
}

static struct retrieve_oauth oauth;

struct token {
	bool done;
	char text[200];
	struct err err;
};

static void
on_token(void *arg, struct str token, const struct err *err)
{
	struct token *t = arg;

	assert_false(t->done);
	assert_true((token.len == 0) == (err != NULL));
	t->done = true;
	str_copy(token, t->text, sizeof(t->text));
	t->err = err != NULL ? *err : (struct err){.code = ERR_NONE};
}

static struct token
token_of(const struct retrieve_account *a, bool fresh)
{
	struct token t = {.done = false};

	retrieve_token_start(&oauth, a, fresh, on_token, &t);
	assert_false(t.done);
	assert_true(redis_fixture_wait(base, &t.done, 40000));
	return t;
}

static struct retrieve_account
oauth_account(const char *url)
{
	struct retrieve_account a = account_new((const char *const[]){"auth", "oauth2", "token_url", url, "client_id",
								      "my client", "scope", "mail offline", NULL});
	struct err err;

	assert_non_null(retrieve_seal(keys, &a, RETRIEVE_SECRET, STR("refresh/1"), &arena, &err));
	assert_non_null(retrieve_seal(keys, &a, RETRIEVE_CLIENT_SECRET, STR("s&=ret"), &arena, &err));
	assert_int_equal(add(&a), ERR_NONE);
	return a;
}

static void
assert_secret(const char *id, const char *expected)
{
	struct answer got = get(id);
	struct buf plain = BUF_EMPTY;

	assert_int_equal(
		retrieve_open(keys, &got.accounts[0], RETRIEVE_SECRET, str_c(got.accounts[0].secret), &plain, NULL), 0);
	assert_string_equal(plain.data, expected);
	buf_fini(&plain);
}

static void
test_refresh(void **state)
{
	struct retrieve_account a = oauth_account("https://8.8.8.8/token");
	struct token t;

	(void)state;
	PLAY({200, "{\"access_token\":\"A1\",\"expires_in\":3600,\"token_type\":\"Bearer\"}"},
	     {200, "{\"access_token\":\"A2\"}"});
	t = token_of(&a, false);
	assert_string_equal(t.text, "A1");
	assert_string_equal(forms[0], "grant_type=refresh_token&client_id=my%20client&scope=mail%20offline"
				      "&refresh_token=refresh%2F1&client_secret=s%26%3Dret");
	assert_int_equal(posted_to.family, 4);
	/* It is kept, sealed, until it ends; or until the remote refuses it. */
	assert_string_equal(token_of(&a, false).text, "A1");
	assert_null(strstr(get(a.id).access, "A1"));
	assert_int_equal(posted, 1);
	assert_string_equal(token_of(&a, true).text, "A2");
	assert_int_equal(posted, 2);
	assert_secret(a.id, "refresh/1");
}

static void
test_expiry(void **state)
{
	struct retrieve_account a = oauth_account("https://8.8.8.8/token");

	(void)state;
	PLAY({200, "{\"access_token\":\"A1\",\"expires_in\":30}"},
	     {200, "{\"access_token\":\"A2\",\"expires_in\":\"3600\"}"});
	assert_string_equal(token_of(&a, false).text, "A1");
	assert_string_equal(token_of(&a, false).text, "A2");
	assert_string_equal(token_of(&a, false).text, "A2");
	assert_int_equal(posted, 2);
}

static void
test_rotation(void **state)
{
	struct retrieve_account a = oauth_account("https://8.8.8.8/token");

	(void)state;
	PLAY({200, "{\"access_token\":\"A1\",\"refresh_token\":\"refresh/2\"}"}, {200, "{\"access_token\":\"A2\"}"});
	assert_string_equal(token_of(&a, false).text, "A1");
	assert_secret(a.id, "refresh/2");
	token_of(&a, true);
	assert_non_null(strstr(forms[1], "refresh_token=refresh%2F2"));
}

static int
edit_secret(void *arg, struct retrieve_account *a, struct arena *edit_arena, struct err *err)
{
	return retrieve_seal(keys, a, RETRIEVE_SECRET, str_c(arg), edit_arena, err) != NULL ? 0 : -1;
}

/* A user sets up another token while the endpoint answers: his stays. */
static void
meddle(struct retrieve_account *a, const char *secret, struct token *t)
{
	struct answer done = {.done = false};

	retrieve_token_start(&oauth, a, true, on_token, t);
	while (posted == 0)
		event_base_loop(base, EVLOOP_ONCE);
	retrieve_change(redis, STR(FIXTURE_ADDRESS), str_c(a->id), edit_secret, (void *)(uintptr_t)secret, -1, on_done,
			&done);
	assert_int_equal(wait_for(&done), ERR_NONE);
	assert_true(redis_fixture_wait(base, &t->done, 20000));
}

static void
test_changed_meanwhile(void **state)
{
	struct retrieve_account a = oauth_account("https://8.8.8.8/token");
	struct token t = {.done = false};

	(void)state;
	PLAY({200, "{\"access_token\":\"A1\",\"refresh_token\":\"refresh/2\"}"});
	delay_ms = 300;
	meddle(&a, "of the user", &t);
	assert_string_equal(t.text, "A1");
	assert_secret(a.id, "of the user");
	/* What came of the grant before is not kept. */
	assert_string_equal(get(a.id).access, "");
	PLAY({400, "{\"error\":\"invalid_grant\"}"});
	t = (struct token){.done = false};
	meddle(&a, "of the user again", &t);
	delay_ms = 0;
	assert_int_equal(t.err.code, ERR_UNAVAILABLE);
	assert_true(get(a.id).accounts[0].enabled);
}

/* The same token, but sealed anew: as by `secret rotate`. */
static void
test_sealed_anew_meanwhile(void **state)
{
	struct retrieve_account a = oauth_account("https://8.8.8.8/token");
	struct token t = {.done = false};

	(void)state;
	PLAY({200, "{\"access_token\":\"A1\",\"refresh_token\":\"refresh/2\"}"});
	delay_ms = 300;
	meddle(&a, "refresh/1", &t);
	assert_string_equal(t.text, "A1");
	assert_secret(a.id, "refresh/2");
	PLAY({400, "{\"error\":\"invalid_grant\"}"});
	t = (struct token){.done = false};
	meddle(&a, "refresh/2", &t);
	delay_ms = 0;
	assert_int_equal(t.err.code, ERR_DENIED);
	assert_false(get(a.id).accounts[0].enabled);
}

static void
test_invalid_grant(void **state)
{
	struct retrieve_account a = oauth_account("https://8.8.8.8/token");
	struct token t;
	struct answer got;

	(void)state;
	PLAY({400,
	      "{\"error\":\"invalid_grant\",\"error_description\":\"Token has been\\nexpired\\u202eor revoked.\"}"});
	t = token_of(&a, false);
	assert_int_equal(t.err.code, ERR_DENIED);
	assert_string_equal(t.err.text,
			    "the token endpoint answers 400 invalid_grant: Token has been expired   or revoked.");
	got = get(a.id);
	assert_false(got.accounts[0].enabled);
	assert_string_equal(got.last_error, t.err.text);
	/* The worker that claims it next makes it rest. */
	assert_true(due_of(a.id) < RETRIEVE_NEVER_MS);
}

static void
test_other_troubles(void **state)
{
	struct retrieve_account a = oauth_account("https://8.8.8.8/token");
	struct retrieve_account inside = oauth_account("https://127.0.0.1/token"),
				gone = oauth_account("https://8.8.8.8/t");
	struct answer done = {.done = false};

	(void)state;
	PLAY({0, ""}, {-1, ""}, {503, "busy"}, {401, "{\"error\":\"invalid_client\"}"}, {200, "{}"}, {200, "[1,"},
	     {200, "{\"access_token\":7}"});
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(token_of(&a, false).err.code, ERR_UNAVAILABLE);
	assert_true(get(a.id).accounts[0].enabled);
	/* No look-around in the operator's network. */
	posted = 0;
	assert_int_equal(token_of(&inside, false).err.code, ERR_UNAVAILABLE);
	assert_int_equal(posted, 0);
	retrieve_delete(redis, STR(FIXTURE_ADDRESS), str_c(gone.id), on_done, &done);
	wait_for(&done);
	assert_int_equal(token_of(&gone, false).err.code, ERR_NOT_FOUND);
	oauth.keys = NULL;
	assert_int_equal(token_of(&a, false).err.code, ERR_NOT_FOUND);
	oauth.keys = keys;
}

/* Nobody waits any more, and what was asked with is gone: the new refresh token must not be lost. */
static void
test_cancelled(void **state)
{
	struct retrieve_account a = oauth_account("https://8.8.8.8/token");
	struct token t = {.done = false};
	struct retrieve_oauth *own = mem_new(struct retrieve_oauth);
	struct retrieve_token *request;

	(void)state;
	*own = oauth;
	delay_ms = 100;
	PLAY({200, "{\"access_token\":\"A1\",\"refresh_token\":\"refresh/2\"}"});
	/* Before the endpoint is asked: it is not. */
	request = retrieve_token_start(own, &a, false, on_token, &t);
	retrieve_token_cancel(&request);
	assert_null(request);
	get(a.id);
	assert_int_equal(posted, 0);
	request = retrieve_token_start(own, &a, false, on_token, &t);
	mem_free(own);
	while (posted == 0)
		event_base_loop(base, EVLOOP_ONCE);
	retrieve_token_cancel(&request);
	delay_ms = 0;
	for (int64_t until = clock_monotonic_ms() + 10000; get(a.id).access[0] == '\0';)
		assert_true(clock_monotonic_ms() < until);
	assert_secret(a.id, "refresh/2");
	assert_false(t.done);
}

/* ---- The device-code flow ---- */

static char shown[200];

static void
on_code(void *arg, const char *url, const char *complete_url, const char *code, int64_t seconds)
{
	(void)arg;
	snprintf(shown, sizeof(shown), "%s %s %s %d", url, complete_url, code, (int)seconds);
}

static unsigned troubles;

static void
on_trouble(void *arg, const char *words)
{
	(void)arg;
	troubles++;
	assert_string_equal(words, "the token endpoint: bad certificate");
}

static struct token
device_run(void)
{
	static struct token t;
	const struct retrieve_device_options o = {
		.web = {.base = base},
		.device_url = "https://login.test/device",
		.token_url = "https://login.test/token",
		.client_id = "c",
		.client_secret = STR("s"),
		.scope = "mail",
		.on_trouble = on_trouble,
	};

	t = (struct token){.done = false};
	shown[0] = '\0';
	retrieve_device_start(&o, on_code, on_token, &t);
	assert_true(redis_fixture_wait(base, &t.done, 40000));
	return t;
}

#define DEVICE_CODE \
	"{\"device_code\":\"D\",\"user_code\":\"WX-YZ\",\"verification_uri\":\"https://login.test/d\"," \
	"\"expires_in\":600,\"interval\":1}"

static void
test_device(void **state)
{
	struct token t;
	int64_t begun = clock_monotonic_ms();

	(void)state;
	PLAY({200, DEVICE_CODE}, {400, "{\"error\":\"authorization_pending\"}"}, {400, "{\"error\":\"slow_down\"}"},
	     {200, "{\"access_token\":\"A\",\"refresh_token\":\"R\"}"});
	t = device_run();
	assert_string_equal(t.text, "R");
	assert_string_equal(shown, "https://login.test/d  WX-YZ 600");
	assert_string_equal(forms[0], "client_id=c&scope=mail");
	assert_string_equal(forms[1],
			    "client_id=c&client_secret=s"
			    "&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=D");
	/* A second, a second, and six after it was told to slow down. */
	assert_true(clock_monotonic_ms() - begun >= 7500);
}

static void
test_device_ends(void **state)
{
	struct token t;

	(void)state;
	PLAY({200, DEVICE_CODE}, {400, "{\"error\":\"access_denied\"}"});
	t = device_run();
	assert_int_equal(t.err.code, ERR_DENIED);
	PLAY({200, DEVICE_CODE}, {400, "{\"error\":\"expired_token\"}"});
	assert_int_equal(device_run().err.code, ERR_TIMEOUT);
	PLAY({200,
	      "{\"device_code\":\"D\",\"user_code\":\"W\",\"verification_url\":\"https://x.test\",\"expires_in\":1,"
	      "\"interval\":2}"});
	assert_int_equal(device_run().err.code, ERR_TIMEOUT);
	PLAY({200, DEVICE_CODE}, {200, "{\"access_token\":\"A\"}"});
	assert_int_equal(device_run().err.code, ERR_INVALID);
	/* Not reached: told once. */
	PLAY({200, DEVICE_CODE}, {-1, ""}, {-1, ""}, {200, "{\"refresh_token\":\"R\"}"});
	assert_string_equal(device_run().text, "R");
	assert_int_equal(troubles, 1);
	PLAY({-1, ""});
	assert_string_equal(device_run().err.text, "the device endpoint: bad certificate");
	PLAY({400, "{\"error\":\"invalid_scope\",\"error_description\":\"no mail\"}"});
	t = device_run();
	assert_string_equal(t.err.text, "the device endpoint answers 400 invalid_scope: no mail");
	/* Nothing that drives a terminal is shown. */
	PLAY({200, "{\"device_code\":\"D\",\"user_code\":\"\\u001b[2J\",\"verification_uri\":\"https://x.test\"}"});
	assert_int_equal(device_run().err.code, ERR_INVALID);
	assert_string_equal(shown, "");
}

static int
set_up(void **state)
{
	int result = fixture_set_up(state);

	/* No name is asked for: the accounts have addresses. */
	oauth = (struct retrieve_oauth){
		.web = {.base = base, .dns = (struct dns *)(void *)&oauth, .ip_is_allowed = ip_is_allowed},
		.redis = redis,
		.keys = keys};
	return result;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refresh),	      cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_rotation),      cmocka_unit_test(test_changed_meanwhile),
		cmocka_unit_test(test_invalid_grant), cmocka_unit_test(test_other_troubles),
		cmocka_unit_test(test_cancelled),     cmocka_unit_test(test_device),
		cmocka_unit_test(test_device_ends),   cmocka_unit_test(test_sealed_anew_meanwhile),
	};

	return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
