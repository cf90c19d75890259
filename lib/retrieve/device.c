#include "lib/retrieve/device.h"

#include <openssl/crypto.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/retrieve/oauth_post.h"

enum { DEVICE_INTERVAL_S = 5, DEVICE_SLOWER_S = 5, DEVICE_INTERVAL_MAX_S = 300, DEVICE_LIFE_S = 900 };

static const struct retrieve_provider providers[] = {
	/* Google's device flow has no scope for mail. */
	{"google",
	 "https://oauth2.googleapis.com/token",
	 NULL,
	 {"https://mail.google.com/", "https://mail.google.com/"}},
	{"microsoft",
	 "https://login.microsoftonline.com/common/oauth2/v2.0/token",
	 "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode",
	 {"https://outlook.office.com/POP.AccessAsUser.All offline_access",
	  "https://outlook.office.com/IMAP.AccessAsUser.All offline_access"}},
};

const struct retrieve_provider *
retrieve_provider_find(struct str name)
{
	for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++)
		if (str_eq(name, str_c(providers[i].name)))
			return &providers[i];
	return NULL;
}

struct retrieve_device {
	struct retrieve_web web;
	struct arena arena; /* wiped */
	const char *token_url;
	struct buf form; /* owner, wiped: of the polls */
	retrieve_on_code *on_code;
	retrieve_on_token *on_end;
	retrieve_on_trouble *on_trouble;
	bool is_troubled; /* it was told */
	void *arg;
	struct oauth_post *post;
	struct event *timer; /* owner: until the next poll */
	int64_t interval_s;  /* between polls */
	int64_t until_ms;    /* monotonic: the code ends */
	struct err err;
};

static void
device_free(struct retrieve_device *d)
{
	oauth_post_cancel(&d->post);
	event_free(d->timer);
	oauth_form_wipe(&d->form);
	arena_wipe(&d->arena);
	arena_fini(&d->arena);
	mem_free(d);
}

static void
device_end(struct retrieve_device *d, struct str token, const struct err *err)
{
	d->on_end(d->arg, token, err);
	device_free(d);
}

/* ---- Polling ---- */

static void
device_wait(struct retrieve_device *d)
{
	struct timeval wait = clock_timeval(d->interval_s * 1000);

	evtimer_add(d->timer, &wait);
}

static void
device_slower(struct retrieve_device *d, int64_t interval_s)
{
	d->interval_s = interval_s < DEVICE_INTERVAL_MAX_S ? interval_s : DEVICE_INTERVAL_MAX_S;
	device_wait(d);
}

static void
device_fail(struct retrieve_device *d, const char *error, const struct err *err)
{
	d->err = *err;
	if (strcmp(error, "access_denied") == 0)
		err_set(&d->err, ERR_DENIED, "access was refused in the browser");
	else if (strcmp(error, "expired_token") == 0)
		err_set(&d->err, ERR_TIMEOUT, "the code has expired");
	device_end(d, STR_NONE, &d->err);
}

/* The endpoint was not reached: it is asked less often (RFC 8628, 3.5). */
static void
device_on_trouble(struct retrieve_device *d, const struct err *err)
{
	if (d->on_trouble != NULL && !d->is_troubled)
		d->on_trouble(d->arg, err->text);
	d->is_troubled = true;
	device_slower(d, d->interval_s * 2);
}

static void
device_on_poll(void *arg, const struct oauth_answer *answer, const struct err *err)
{
	struct retrieve_device *d = arg;
	const char *refresh;

	d->post = NULL;
	if (err != NULL && strcmp(answer->error, "authorization_pending") == 0)
		device_wait(d);
	else if (err != NULL && strcmp(answer->error, "slow_down") == 0)
		device_slower(d, d->interval_s + DEVICE_SLOWER_S);
	else if (err != NULL && answer->json == NULL)
		device_on_trouble(d, err);
	else if (err != NULL)
		device_fail(d, answer->error, err);
	else if ((refresh = oauth_text(answer->json, "refresh_token"))[0] == '\0') {
		err_set(&d->err, ERR_INVALID,
			"the token endpoint gives no refresh token: the scope may lack offline access");
		device_end(d, STR_NONE, &d->err);
	} else
		device_end(d, str_c(refresh), NULL);
}

static void
device_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct retrieve_device *d = arg;

	(void)fd, (void)what;
	if (clock_monotonic_ms() < d->until_ms) {
		d->post = oauth_post_start(&d->web, "the token endpoint", d->token_url, buf_str(&d->form),
					   device_on_poll, d);
		return;
	}
	err_set(&d->err, ERR_TIMEOUT, "the code has expired");
	device_end(d, STR_NONE, &d->err);
}

/* ---- The code ---- */

/* verification_url: as Google names it. */
static const char *
device_url_of(const cJSON *json)
{
	const char *url = oauth_text(json, "verification_uri");

	return url[0] != '\0' ? url : oauth_text(json, "verification_url");
}

static void
device_on_code(void *arg, const struct oauth_answer *answer, const struct err *err)
{
	struct retrieve_device *d = arg;
	const cJSON *json = answer->json;
	const char *device_code = oauth_text(json, "device_code"), *code = oauth_text(json, "user_code");
	const char *url = device_url_of(json), *complete = oauth_text(json, "verification_uri_complete");
	int64_t life_s = oauth_seconds(json, "expires_in", DEVICE_LIFE_S);

	d->post = NULL;
	/* They go to a terminal. */
	if (err == NULL && !(str_is_printable_ascii(str_c(url)) && str_is_printable_ascii(str_c(code)) &&
			     str_is_printable_ascii(str_c(complete))))
		err_set(&d->err, ERR_INVALID, "the device endpoint gives rubbish");
	else if (err == NULL && (device_code[0] == '\0' || code[0] == '\0' || url[0] == '\0'))
		err_set(&d->err, ERR_INVALID, "the device endpoint gives no code");
	if (err != NULL || d->err.code != ERR_NONE) {
		device_end(d, STR_NONE, err != NULL ? err : &d->err);
		return;
	}
	d->interval_s = oauth_seconds(json, "interval", DEVICE_INTERVAL_S);
	d->until_ms = clock_monotonic_ms() + life_s * 1000;
	oauth_form_add(&d->form, "grant_type", STR("urn:ietf:params:oauth:grant-type:device_code"));
	oauth_form_add(&d->form, "device_code", str_c(device_code));
	d->on_code(d->arg, url, complete, code, life_s);
	device_slower(d, d->interval_s);
}

struct retrieve_device *
retrieve_device_start(const struct retrieve_device_options *o, retrieve_on_code *on_code, retrieve_on_token *on_end,
		      void *arg)
{
	struct retrieve_device *d = mem_new(struct retrieve_device);
	struct buf form = BUF_EMPTY;

	arena_init(&d->arena);
	d->web = o->web;
	d->token_url = arena_strdup(&d->arena, o->token_url);
	d->on_code = on_code;
	d->on_end = on_end;
	d->on_trouble = o->on_trouble;
	d->arg = arg;
	d->timer = evtimer_new(o->web.base, device_on_timer, d);
	oauth_form_add(&form, "client_id", str_c(o->client_id));
	oauth_form_add(&form, "scope", str_c(o->scope));
	oauth_form_add(&d->form, "client_id", str_c(o->client_id));
	oauth_form_add(&d->form, "client_secret", o->client_secret);
	d->post = oauth_post_start(&d->web, "the device endpoint", o->device_url, buf_str(&form), device_on_code, d);
	oauth_form_wipe(&form);
	return d;
}

void
retrieve_device_cancel(struct retrieve_device **d)
{
	if (*d != NULL)
		device_free(*d);
	*d = NULL;
}
