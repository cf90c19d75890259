#include "frontend/wellknown/wellknown.h"
#include "lib/tlspolicy/sts_own.h"

static void
mta_sts_answer(struct http_request *r, struct str domain)
{
	const struct settings_smtp_in *settings = settings_smtp_in(frontend_settings(http_frontend(r)), domain);
	struct buf text = BUF_EMPTY;

	if (sts_own_policy(settings, str_c(http_frontend(r)->service->hostname), &text))
		http_reply(r, 200, "text/plain", buf_str(&text));
	else
		http_refuse(r, 404);
	buf_fini(&text);
}

static void
mta_sts_on_local(void *arg, bool is, const struct err *err)
{
	struct http_request *r = arg;
	const struct str *domain = http_state(r);

	if (!http_back(r))
		return;
	if (err != NULL)
		http_unavailable(r);
	else if (!is)
		http_refuse(r, 404);
	else
		mta_sts_answer(r, *domain);
}

static void
mta_sts_on_begin(struct http_request *r)
{
	struct str *domain = arena_new(http_arena(r), struct str);
	char name[DIRECTORY_DOMAIN_MAX];
	bool is;

	if (!directory_canonical_domain(str_from(http_head(r)->host, sizeof("mta-sts.") - 1), name)) {
		http_refuse(r, 404);
		return;
	}
	*domain = arena_str(http_arena(r), str_c(name));
	http_set_state(r, domain);
	http_hold(r);
	if (directory_is_local_domain(http_frontend(r)->directory, *domain, &is, mta_sts_on_local, r))
		mta_sts_on_local(r, is, NULL);
}

const struct http_handler wellknown_mta_sts = {.on_begin = mta_sts_on_begin};
