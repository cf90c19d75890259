/* Does an address belong to an account? (Setting require_auth_match.) */
#include <stdio.h>

#include "frontend/submit/private.h"
#include "lib/mime/address.h"

/* Without the "+detail" of the local part, if such details are in use. */
static struct str
sender_without_detail(const struct frontend *f, struct str address, char out[DIRECTORY_ADDRESS_MAX])
{
	struct str domain = directory_domain_of(address), local, detail;

	if (!settings_mailbox(frontend_settings(f), domain)->plus_addressing ||
	    !str_cut(str_first(address, address.len - domain.len - 1), '+', &local, &detail) || local.len == 0)
		return address;
	snprintf(out, DIRECTORY_ADDRESS_MAX, "%.*s@%.*s", STR_ARG(local), STR_ARG(domain));
	return str_c(out);
}

bool
submit_address_matches(struct frontend *f, struct str account, struct str address)
{
	const struct settings_smtp_in *settings = settings_smtp_in(frontend_settings(f), STR_NONE);
	char canonical[DIRECTORY_ADDRESS_MAX], stripped[DIRECTORY_ADDRESS_MAX];

	if (!directory_canonical_address(address, canonical))
		return false;
	address = str_c(canonical);
	if (settings->require_auth_match == AUTH_MATCH_DOMAIN)
		return str_eq(directory_domain_of(address), directory_domain_of(account));
	return str_eq(address, account) || str_eq(sender_without_detail(f, address, stripped), account);
}

bool
submit_from_matches(struct submit *s)
{
	struct arena *arena = &s->op.arena;
	struct mime_address *address = mime_parse_addresses(buf_str(&s->watch.from), arena);
	struct str account = str_c(s->options.account);
	bool any = false;

	if (s->watch.from_too_long)
		return false;
	for (; address != NULL; address = address->next) {
		if (address->kind != MIME_MAILBOX)
			continue;
		const char *text = arena_printf(arena, "%.*s@%.*s", STR_ARG(address->mailbox), STR_ARG(address->host));
		if (!submit_address_matches(s->frontend, account, str_c(text)))
			return false;
		any = true;
	}
	return any;
}
