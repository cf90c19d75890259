/* Removals of whole domains. A domain may have 100,000 users, so the client gets his
 * answer as soon as the domain is closed, and the users go one after the other behind
 * it. How far it is can be seen on any frontend: the domain is "deleting", and has
 * fewer and fewer users. If this process dies, the domain stays closed; the same order
 * to any frontend goes on with it. */
#include "frontend/web/private.h"
#include "lib/admin/accounts.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#include <utlist.h>

struct web_removal {
	struct web *web; /* borrowed */
	struct admin_call *call;
	char domain[DIRECTORY_DOMAIN_MAX];
	struct web_identity who;
	char from[IP_TEXT_MAX];
	struct web_removal *prev, *next;
};

static void
removal_free(struct web_removal *removal)
{
	DL_DELETE(removal->web->removals, removal);
	admin_cancel(&removal->call);
	mem_free(removal);
}

static void
removal_on_done(void *arg, const struct err *err)
{
	struct web_removal *removal = arg;

	removal->call = NULL;
	if (err == NULL || err->code == ERR_NOT_FOUND)
		web_audit_as(removal->web, &removal->who, removal->from, "domain removed", removal->domain, NULL);
	else
		log_warning(NULL, "removing a domain failed: repeat the request", F_C("domain", removal->domain),
			    F_C("reason", err->text));
	removal_free(removal);
}

void
web_removal_start(struct web_request *w)
{
	struct web *web = w->web;
	struct web_removal *removal;

	DL_FOREACH (web->removals, removal)
		if (str_eq(str_c(removal->domain), str_c(w->domain)))
			return; /* it is on its way */
	removal = mem_new(struct web_removal);
	removal->web = web;
	str_copy(str_c(w->domain), removal->domain, sizeof(removal->domain));
	removal->who = w->who;
	ip_text(http_client(w->r), removal->from);
	DL_APPEND(web->removals, removal);
	removal->call = admin_domain_delete(&web->admin, str_c(removal->domain), true, removal_on_done, removal);
}

void
web_removals_fini(struct web *web)
{
	while (web->removals != NULL)
		removal_free(web->removals);
}
