#include "lib/mailauth/org_domain.h"

#include <libpsl.h>

#include "lib/base/mem.h"

#define DOMAIN_MAX 255

struct org_domains {
	psl_ctx_t *list; /* owner */
};

struct org_domains *
org_domains_new(struct err *err)
{
	struct org_domains *o;
	psl_ctx_t *list = psl_latest(NULL);

	if (list == NULL) {
		err_set(err, ERR_NOT_FOUND, "there is no public suffix list");
		return NULL;
	}
	o = mem_new(struct org_domains);
	o->list = list;
	return o;
}

void
org_domains_free(struct org_domains **o)
{
	if (*o == NULL)
		return;
	psl_free((*o)->list);
	mem_free(*o);
	*o = NULL;
}

/* libpsl answers with a part of its argument: the same part of the domain. */
static struct str
org_ask(const struct org_domains *o, struct str domain, const char *(*ask)(const psl_ctx_t *, const char *))
{
	char text[DOMAIN_MAX + 1];
	const char *part;

	if (domain.len == 0 || memchr(domain.p, '\0', domain.len) != NULL || !str_copy(domain, text, sizeof(text)))
		return STR_NONE;
	part = ask(o->list, text);
	return part != NULL ? str_from(domain, (size_t)(part - text)) : STR_NONE;
}

struct str
org_domain(const struct org_domains *o, struct str domain)
{
	struct str part = org_ask(o, domain, psl_registrable_domain);

	return part.len > 0 ? part : domain;
}

bool
org_domain_is_same(const struct org_domains *o, struct str a, struct str b)
{
	return str_eq_ci(org_domain(o, a), org_domain(o, b));
}

struct str
org_domain_suffix(const struct org_domains *o, struct str domain)
{
	struct str part = org_ask(o, domain, psl_unregistrable_domain);

	return part.len < domain.len ? part : STR_NONE;
}
