/* Basic login (RFC 7617). An unavailable store is never reported as a wrong password,
 * because a 401 makes phones ask users for their password. */
#include "frontend/http/private.h"
#include "lib/base/base64.h"
#include "lib/service/metrics.h"

static void
login_ask(struct http_request *r)
{
	static const char text[] = "401 Unauthorized\n";

	http_begin(r, 401, "text/plain; charset=utf-8", sizeof(text) - 1);
	http_add_header(r, "WWW-Authenticate", STR("Basic realm=\"Stagepost\", charset=\"UTF-8\""));
	http_write(r, str_c(text));
	http_finish(r);
}

static void
login_on_result(void *arg, enum auth_result result, const struct auth_identity *identity)
{
	struct http_request *r = arg;

	r->login = NULL;
	if (result == AUTH_OK || result == AUTH_FAILED)
		metrics_add(result == AUTH_OK ? M_AUTH_OK : M_AUTH_FAILED, 1);
	switch (result) {
	case AUTH_OK:
		r->account = arena_new(&r->op.arena, struct auth_identity);
		*r->account = *identity;
		http_request_run(r);
		return;
	case AUTH_UNAVAILABLE: http_unavailable(r); return;
	case AUTH_DISABLED: http_refuse(r, 403); return;
	case AUTH_FAILED:
	case AUTH_MALFORMED:
	case AUTH_ABORTED: break;
	}
	log_info(http_log(r), "login refused");
	login_ask(r);
}

/* "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" */
bool
http_basic(struct http_request *r, struct str *address_out, struct str *password_out)
{
	struct str scheme, value = STR_NONE;
	struct buf plain = BUF_EMPTY;
	bool ok = str_cut(http_field(r, STR("Authorization")), ' ', &scheme, &value) &&
		  str_eq_ci(scheme, STR("Basic")) && base64_decode(str_trim(value), &plain);
	struct str text = arena_str(&r->op.arena, buf_str(&plain));

	buf_fini(&plain);
	return ok && str_cut(text, ':', address_out, password_out) && str_is_utf8(text) && address_out->len != 0 &&
	       memchr(text.p, '\0', text.len) == NULL;
}

void
http_login(struct http_request *r)
{
	struct str address, password;

	if (http_basic(r, &address, &password))
		r->login = auth_check_password(r->frontend->auth, address, password, &r->client, login_on_result, r);
	else
		login_ask(r);
}
