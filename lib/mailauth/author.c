#include "lib/mailauth/author.h"

#include "lib/mime/address.h"
#include "lib/mime/header.h"
#include "lib/smtp/address.h"

static enum author_kind
author_of_list(const struct mime_address *list, struct arena *arena, struct str *domain_out)
{
	enum author_kind nobody = AUTHOR_MISSING;
	struct str domain;

	for (; list != NULL; list = list->next) {
		if (list->kind != MIME_MAILBOX)
			nobody = AUTHOR_NONE;
		if (list->kind != MIME_MAILBOX || (list->host.len == 0 && list->mailbox.len == 0))
			continue;
		if (list->host.len == 0 || !smtp_domain_normalise(list->host, arena, &domain))
			return AUTHOR_BAD;
		if (domain_out->len > 0 && !str_eq(*domain_out, domain))
			return AUTHOR_SEVERAL;
		*domain_out = domain;
	}
	return domain_out->len > 0 ? AUTHOR_ONE : nobody;
}

enum author_kind
author_domain(struct str header, struct arena *arena, struct str *domain_out)
{
	struct str from = STR_NONE;
	struct mime_field field;
	unsigned fields = 0;
	enum author_kind kind;

	*domain_out = STR_NONE;
	while (mime_next_field(&header, &field)) {
		if (!str_eq_ci(str_trim(field.name), STR("From")))
			continue;
		from = field.value;
		fields++;
	}
	if (fields != 1)
		return fields == 0 ? AUTHOR_MISSING : AUTHOR_SEVERAL;
	kind = author_of_list(mime_parse_addresses(from, arena), arena, domain_out);
	if (kind != AUTHOR_ONE)
		*domain_out = STR_NONE;
	return kind;
}
