/* Mechanisms that ask DNS for addresses and names: a, mx, ptr, exists (RFC 7208, 5.3 to 5.7). */
#include "lib/base/check.h"
#include "lib/mailauth/spf_check.h"

static const struct spf_term *
lookup_term(const struct spf_check *c)
{
	const struct spf_frame *frame = &c->frames[c->depth - 1];

	return &frame->record.terms[frame->at];
}

/* Asks for addresses of the client's family. */
static void
lookup_ask_addresses(struct spf_check *c, struct str host, dns_on_answer *cb)
{
	bool is_4 = c->values.client.family == 4;

	c->query = dns_query_ips(c->dns, host, is_4, !is_4, cb, c);
}

static bool
lookup_has_client(const struct spf_check *c, const struct dns_answer *answer, const struct spf_term *term)
{
	struct ip_block block = {.ip = c->values.client};

	block.prefix = c->values.client.family == 4 ? term->prefix4 : term->prefix6;
	for (unsigned i = 0; i < answer->ip_count; i++)
		if (ip_block_has(&block, &answer->ips[i]))
			return true;
	return false;
}

/* False: the check has ended. */
static bool
lookup_is_good(struct spf_check *c, const struct err *err, bool is_void)
{
	c->query = NULL;
	if (err != NULL) {
		spf_check_end(c, SPF_TEMPERROR, arena_strdup(&c->arena, err->text));
		return false;
	}
	return !is_void || spf_check_count_void(c);
}

/* ---- a, exists ---- */
static void
lookup_on_a(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct spf_check *c = arg;

	if (lookup_is_good(c, err, err == NULL && answer->ip_count == 0))
		spf_check_matched(c, lookup_has_client(c, answer, lookup_term(c)));
}

void
spf_lookup_a(struct spf_check *c)
{
	lookup_ask_addresses(c, c->target, lookup_on_a);
}

static void
lookup_on_exists(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct spf_check *c = arg;

	if (lookup_is_good(c, err, err == NULL && answer->ip_count == 0))
		spf_check_matched(c, answer->ip_count > 0);
}

void
spf_lookup_exists(struct spf_check *c)
{
	c->query = dns_query_ips(c->dns, c->target, true, false, lookup_on_exists, c);
}

/* ---- mx ---- */
static void lookup_next_mx(struct spf_check *c);

static void
lookup_on_mx_address(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct spf_check *c = arg;

	if (!lookup_is_good(c, err, err == NULL && answer->ip_count == 0))
		return;
	if (lookup_has_client(c, answer, lookup_term(c)))
		spf_check_matched(c, true);
	else
		lookup_next_mx(c);
}

static void
lookup_next_mx(struct spf_check *c)
{
	if (c->name_at == c->name_count)
		spf_check_matched(c, false);
	else
		lookup_ask_addresses(c, c->names[c->name_at++], lookup_on_mx_address);
}

static void
lookup_on_mx(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct spf_check *c = arg;

	if (!lookup_is_good(c, err, err == NULL && answer->mx_count == 0))
		return;
	if (answer->mx_count > SPF_NAMES_MAX) {
		spf_check_end(c, SPF_PERMERROR, "more than 10 MX records");
		return;
	}
	c->name_at = c->name_count = 0;
	for (unsigned i = 0; i < answer->mx_count; i++)
		if (answer->mx[i].host.len > 0) /* not the null MX */
			c->names[c->name_count++] = arena_str(&c->arena, answer->mx[i].host);
	lookup_next_mx(c);
}

void
spf_lookup_mx(struct spf_check *c)
{
	c->query = dns_query_mx_any(c->dns, c->target, lookup_on_mx, c);
}

/* ---- ptr ---- */
static void lookup_next_client_name(struct spf_check *c);

/* A name is validated if the client's address is among its addresses. Whoever
 * publishes the record controls neither these names nor their servers, so
 * nothing that goes wrong here counts (5.5). */
static void
lookup_on_client_address(void *arg, const struct dns_answer *answer, const struct err *err)
{
	static const struct spf_term whole = {.prefix4 = 32, .prefix6 = 128};
	struct spf_check *c = arg;

	c->query = NULL;
	if (err == NULL && lookup_has_client(c, answer, &whole))
		c->client_names[c->client_name_count++] = c->names[c->name_at - 1];
	lookup_next_client_name(c);
}

static void
lookup_next_client_name(struct spf_check *c)
{
	if (c->name_at == c->name_count) {
		c->is_named = true;
		spf_check_step(c);
		return;
	}
	lookup_ask_addresses(c, c->names[c->name_at++], lookup_on_client_address);
}

static void
lookup_on_names(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct spf_check *c = arg;

	c->query = NULL;
	c->name_at = c->name_count = 0;
	for (unsigned i = 0; err == NULL && i < answer->name_count && c->name_count < SPF_NAMES_MAX; i++)
		c->names[c->name_count++] = arena_str(&c->arena, answer->names[i]);
	lookup_next_client_name(c);
}

void
spf_lookup_client_names(struct spf_check *c)
{
	CHECK(!c->is_named);
	c->query = dns_query_ptr(c->dns, &c->values.client, lookup_on_names, c);
}

static bool
lookup_is_below(struct str name, struct str domain)
{
	return name.len > domain.len && str_ends_ci(name, domain) && name.p[name.len - domain.len - 1] == '.';
}

void
spf_lookup_ptr(struct spf_check *c)
{
	bool matches = false;

	for (unsigned i = 0; i < c->client_name_count && !matches; i++)
		matches = str_eq_ci(c->client_names[i], c->target) || lookup_is_below(c->client_names[i], c->target);
	spf_check_matched(c, matches);
}

struct str
spf_lookup_client_name(const struct spf_check *c, struct str domain)
{
	for (unsigned i = 0; i < c->client_name_count; i++)
		if (str_eq_ci(c->client_names[i], domain))
			return c->client_names[i];
	for (unsigned i = 0; i < c->client_name_count; i++)
		if (lookup_is_below(c->client_names[i], domain))
			return c->client_names[i];
	return c->client_name_count > 0 ? c->client_names[0] : STR("unknown");
}
