#include "lib/acme/names.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/ip.h"

enum {
	NAMES_OF_DOMAIN = 2, /* at least, whatever its settings are */
	NAMES_OF_DOMAIN_MOST = 6,
};

bool
acme_name_is_public(struct str name)
{
	static const char *const private_zones[] = {".local",	  ".localhost", ".internal",
						    ".home.arpa", ".invalid",	".onion"};
	struct str rest = name, label;
	unsigned labels = 0;
	struct ip ip;

	if (name.len == 0 || name.len >= ACME_NAME_MAX || ip_parse(name, &ip))
		return false;
	for (size_t i = 0; i < sizeof(private_zones) / sizeof(private_zones[0]); i++)
		if (str_ends_ci(name, str_c(private_zones[i])))
			return false;
	for (bool more = true; more; labels++) {
		more = str_cut(rest, '.', &label, &rest);
		if (label.len == 0 || label.len > 63 || label.p[0] == '-' || label.p[label.len - 1] == '-')
			return false;
		for (size_t i = 0; i < label.len; i++)
			if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", label.p[i]) ==
				    NULL ||
			    label.p[i] == '\0')
				return false;
	}
	return labels > 1;
}

/* ---- Collecting ---- */

/* Many domains name the same host: not each of them counts. */
static bool
names_has_just(const struct acme_names *n, struct str name)
{
	for (unsigned i = 0; i < n->count && i < NAMES_OF_DOMAIN_MOST; i++)
		if (str_eq_ci(n->items[n->count - 1 - i].name, name))
			return true;
	return false;
}

static void
names_add(struct acme_names *n, struct str name, bool is_own)
{
	struct acme_name *items = n->items;
	char *text;

	if (!acme_name_is_public(name) || (!is_own && names_has_just(n, name)))
		return;
	/* The server's own come first, so they are never left out. */
	if (n->count == ACME_NAMES_MAX) {
		n->left_out++;
		return;
	}
	if (n->count == n->capacity) {
		n->capacity = n->capacity != 0 ? 2 * n->capacity : 64;
		n->items = arena_array(n->arena, struct acme_name, n->capacity);
		if (n->count != 0)
			memcpy(n->items, items, n->count * sizeof(*items));
	}
	text = arena_dup(n->arena, name.p, name.len);
	str_lower(text, name.len);
	n->items[n->count++] = (struct acme_name){str_of(text, name.len), is_own};
}

static void
names_add_domain(struct acme_names *n, const struct settings *s, struct str domain)
{
	static const char *const prefixes[] = {"autoconfig", "autodiscover"};

	if (settings_smtp_in(s, domain)->mta_sts != MTA_STS_OFF)
		names_add(n, str_c(arena_printf(n->arena, "mta-sts.%.*s", STR_ARG(domain))), false);
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		names_add(n, str_c(arena_printf(n->arena, "%s.%.*s", prefixes[i], STR_ARG(domain))), false);
}

/* What autodiscover tells clients; of a domain only what is its own. */
static void
names_add_hosts(struct acme_names *n, const struct settings *s, struct str domain)
{
	const char *hosts[] = {settings_pop(s, domain)->autodiscover_host, settings_imap(s, domain)->autodiscover_host,
			       settings_smtp_in(s, domain)->autodiscover_host};
	const char *of_all[] = {settings_pop(s, STR_NONE)->autodiscover_host,
				settings_imap(s, STR_NONE)->autodiscover_host,
				settings_smtp_in(s, STR_NONE)->autodiscover_host};

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		if (domain.len == 0 || strcmp(hosts[i], of_all[i]) != 0)
			names_add(n, str_c(hosts[i]), false);
}

/* The same names next to each other, the server's own first. */
static int
names_compare(const void *a, const void *b)
{
	const struct acme_name *x = a, *y = b;
	size_t len = x->name.len < y->name.len ? x->name.len : y->name.len;
	int order = memcmp(x->name.p, y->name.p, len);

	if (order == 0)
		order = (x->name.len > y->name.len) - (x->name.len < y->name.len);
	return order != 0 ? order : (int)y->is_own - (int)x->is_own;
}

static void
names_sort(struct acme_names *n)
{
	unsigned kept = 0;

	if (n->count == 0)
		return;
	qsort(n->items, n->count, sizeof(n->items[0]), names_compare);
	for (unsigned i = 1; i < n->count; i++)
		if (!str_eq(n->items[kept].name, n->items[i].name))
			n->items[++kept] = n->items[i];
	n->count = kept + 1;
}

void
acme_names_make(struct acme_names *n, struct arena *arena, const struct settings *s, struct str hostname,
		const struct str *domains, unsigned domain_count)
{
	const struct settings_list *more = &settings_acme(s, STR_NONE)->names;

	*n = (struct acme_names){.arena = arena};
	names_add(n, hostname, true);
	for (unsigned i = 0; i < more->count; i++)
		names_add(n, more->items[i], true);
	names_add_hosts(n, s, STR_NONE);
	for (unsigned i = 0; i < domain_count; i++) {
		/* To make the names of a hundred thousand domains would hold the loop. */
		if (n->count == ACME_NAMES_MAX) {
			n->left_out += NAMES_OF_DOMAIN * (domain_count - i);
			break;
		}
		names_add_domain(n, s, domains[i]);
		names_add_hosts(n, s, domains[i]);
	}
	names_sort(n);
}

const struct acme_name *
acme_names_find(const struct acme_names *n, struct str name)
{
	unsigned low = 0, high = n->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		const struct acme_name wanted = {name, n->items[middle].is_own};
		int order = names_compare(&wanted, &n->items[middle]);

		if (order == 0)
			return &n->items[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}
