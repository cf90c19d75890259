/* Search (RFC 4511, section 4.5): the request, and whether it may be made. */
#include <openssl/sha.h>

#include "frontend/ldap/ber.h"
#include "frontend/ldap/private.h"

enum {
	NAMES_MAX = 256, /* of attributes to be answered */
	/* Units of lib/base/slice.h: to read a search, and each byte of it (names of attributes
	 * are looked for one by one). */
	SEARCH_WORK = 500,
	SEARCH_BYTE_WORK = 8,
};

#define KIND(kind) (1U << (kind))

/* ---- The base ---- */

/* Which kinds of entries are within the scope, by base and scope. */
static const unsigned request_kinds[][LDAP_SCOPE_COUNT] = {
	/* base, one level, subtree, all below */
	[LDAP_DOMAIN] = {KIND(LDAP_DOMAIN), KIND(LDAP_PEOPLE) | KIND(LDAP_GROUPS),
			 KIND(LDAP_DOMAIN) | KIND(LDAP_PEOPLE) | KIND(LDAP_GROUPS) | KIND(LDAP_USER) | KIND(LDAP_GROUP),
			 KIND(LDAP_PEOPLE) | KIND(LDAP_GROUPS) | KIND(LDAP_USER) | KIND(LDAP_GROUP)},
	[LDAP_PEOPLE] = {KIND(LDAP_PEOPLE), KIND(LDAP_USER), KIND(LDAP_PEOPLE) | KIND(LDAP_USER), KIND(LDAP_USER)},
	[LDAP_GROUPS] = {KIND(LDAP_GROUPS), KIND(LDAP_GROUP), KIND(LDAP_GROUPS) | KIND(LDAP_GROUP), KIND(LDAP_GROUP)},
	[LDAP_USER] = {KIND(LDAP_USER), 0, KIND(LDAP_USER), 0},
	[LDAP_GROUP] = {KIND(LDAP_GROUP), 0, KIND(LDAP_GROUP), 0},
};

/* The empty base with a scope that goes below it means the client's own domain (what
 * macOS Contacts sends); with one level, the domain alone. */
static void
request_default_base(struct ldap_search *search)
{
	struct str account = str_c(search->session->account);

	if (search->base.kind != LDAP_ROOT || search->scope == LDAP_SCOPE_BASE || account.len == 0)
		return;
	if (search->scope == LDAP_SCOPE_ONE)
		search->scope = LDAP_SCOPE_BASE;
	else
		search->scope = LDAP_SCOPE_SUB;
	search->base.kind = LDAP_DOMAIN;
	search->base.domain = arena_str(&search->op.arena, directory_domain_of(account));
}

static bool
request_is_public(const struct ldap_search *search)
{
	return (search->base.kind == LDAP_ROOT && search->scope == LDAP_SCOPE_BASE) ||
	       search->base.kind == LDAP_SUBSCHEMA;
}

/* Those of the domain that is asked about; settings can change before the search ends. */
static void
request_take_posix(struct ldap_search *search)
{
	struct frontend *f = conn_frontend(search->session->conn);
	const struct settings_ldap *settings = settings_ldap(frontend_settings(f), search->base.domain);
	struct arena *arena = &search->op.arena;
	struct str *groups;

	search->with_posix = settings->posix_accounts;
	if (!search->with_posix)
		return;
	groups = arena_array(arena, struct str, settings->posix_groups.count + 1);
	for (unsigned i = 0; i < settings->posix_groups.count; i++)
		groups[i] = arena_str(arena, settings->posix_groups.items[i]);
	search->posix = (struct ldap_posix){
		.home = arena_str(arena, str_c(settings->posix_home)),
		.shell = arena_str(arena, str_c(settings->posix_shell)),
		.primary_group = settings->posix_primary_group,
		.groups = groups,
		.group_count = settings->posix_groups.count,
	};
}

/* The settings of the client's own domain decide whom it may see. False: not this domain. */
static bool
request_open_view(struct ldap_search *search)
{
	struct ldap_session *s = search->session;
	struct str own = directory_domain_of(str_c(s->account));
	int visibility = settings_ldap(frontend_settings(conn_frontend(s->conn)), own)->visibility;

	search->view.own = arena_str(&search->op.arena, str_c(s->account));
	search->view.only_own = visibility == LDAP_VISIBLE_SELF;
	search->view.is_foreign = !str_eq(search->base.domain, own);
	request_take_posix(search);
	return search->base.domain.len != 0 && (!search->view.is_foreign || visibility == LDAP_VISIBLE_ALL_DOMAINS);
}

bool
ldap_request_base(struct ldap_search *search, struct str dn)
{
	if (!ldap_name_parse(arena_str(&search->op.arena, dn), &search->op.arena, &search->base)) {
		ldap_search_end(search, LDAP_BAD_DN);
		return false;
	}
	request_default_base(search);
	if (request_is_public(search))
		return true;
	if (search->session->account == NULL) {
		ldap_search_end(search, LDAP_NEEDS_LOGIN);
		return false;
	}
	if (!request_open_view(search)) {
		search->base = (struct ldap_name){.kind = LDAP_NOTHING, .above = LDAP_NOTHING};
		ldap_search_end(search, LDAP_NO_SUCH_OBJECT);
		return false;
	}
	if (search->base.kind >= LDAP_DOMAIN)
		search->kinds = request_kinds[search->base.kind][search->scope];
	return true;
}

/* ---- What the client wants of each entry ---- */

/* None, or "*": all that are not operational; "+": all that are; "1.1": none. */
static bool
request_take_selection(struct str list, struct ldap_selection *out)
{
	struct str name;
	bool is_empty = list.len == 0;
	uint64_t named = 0;
	unsigned count = 0;

	while (ldap_ber_take(&list, LBER_OCTETSTRING, &name)) {
		if (count++ == NAMES_MAX)
			return false;
		if (str_eq(name, STR("*")))
			out->attributes |= ldap_attribute_all(false);
		else if (str_eq(name, STR("+")))
			out->attributes |= ldap_attribute_all(true);
		else
			named |= ldap_attribute_mask(ldap_attribute_find(name));
	}
	out->attributes |= named;
	out->names_photo = (named >> LDAP_AT_JPEG_PHOTO & 1) != 0;
	if (is_empty)
		out->attributes = ldap_attribute_all(false);
	return list.len == 0;
}

static void
request_digest(struct ldap_search *search, struct str base, struct str filter)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	const char *account = search->session->account;
	struct buf text = BUF_EMPTY;

	buf_printf(&text, "%s\n%d\n%zu\n", account != NULL ? account : "", (int)search->scope, base.len);
	buf_add_str(&text, base);
	buf_add_str(&text, filter);
	for (unsigned i = 0; i < search->controls.key_count; i++)
		buf_printf(&text, "\n%d %d %d", (int)search->controls.keys[i].attribute,
			   (int)search->controls.keys[i].form, (int)search->controls.keys[i].reverse);
	SHA256((const unsigned char *)text.data, text.len, digest);
	memcpy(search->digest, digest, sizeof(search->digest));
	buf_fini(&text);
}

static void
request_limits(struct ldap_search *search, int32_t size_limit, int32_t time_limit)
{
	const struct settings_ldap *settings = ldap_settings(search->session);

	search->time_ms = settings->command_timeout;
	if (time_limit > 0 && time_limit * INT64_C(1000) < search->time_ms)
		search->time_ms = time_limit * INT64_C(1000);
	search->most = settings->size_limit != 0 ? (uint64_t)settings->size_limit : UINT64_MAX;
	if (size_limit > 0 && (uint64_t)size_limit < search->most)
		search->most = (uint64_t)size_limit;
	/* What fits into one page anyway needs no pages (RFC 2696, section 3). */
	if (search->controls.has_page && size_limit > 0 && search->controls.page_size >= size_limit)
		search->controls.has_page = false;
	if (search->controls.has_page && (uint64_t)search->controls.page_size < search->most)
		search->most = (uint64_t)search->controls.page_size;
	if (search->controls.key_count != 0 && search->controls.sort_result == 0 && search->most > LDAP_SORTED_MAX)
		search->most = LDAP_SORTED_MAX;
}

static bool
request_is_in_range(int32_t scope, int32_t deref, int32_t size_limit, int32_t time_limit)
{
	return scope >= 0 && scope < LDAP_SCOPE_COUNT && deref >= 0 && deref <= 3 && size_limit >= 0 && time_limit >= 0;
}

/* The request up to its filter. False: malformed. */
static bool
request_take_head(struct ldap_search *search, struct str *body, struct str *base_out)
{
	int32_t scope, deref, size_limit, time_limit;

	if (!ldap_ber_take(body, LBER_OCTETSTRING, base_out) || !ldap_ber_take_int(body, LBER_ENUMERATED, &scope) ||
	    !ldap_ber_take_int(body, LBER_ENUMERATED, &deref) || !ldap_ber_take_int(body, LBER_INTEGER, &size_limit) ||
	    !ldap_ber_take_int(body, LBER_INTEGER, &time_limit) ||
	    !request_is_in_range(scope, deref, size_limit, time_limit) ||
	    !ldap_ber_take_bool(body, LBER_BOOLEAN, &search->selection.types_only))
		return false;
	search->scope = (enum ldap_scope)scope;
	request_limits(search, size_limit, time_limit);
	return true;
}

/* Filter and attributes, which may be long. LDAP_SUCCESS: well-formed. */
static enum ldap_reply_name
request_take_filter(struct ldap_search *search, struct str body, struct str base)
{
	struct str filter = body, list;
	enum ldap_filter_result result = ldap_filter_take(&body, &search->op.arena, &search->filter);

	if (result != LDAP_FILTER_GOOD)
		return result == LDAP_FILTER_TOO_COMPLEX ? LDAP_TOO_COMPLEX : LDAP_MALFORMED;
	filter.len -= body.len;
	if (!ldap_ber_take(&body, LBER_SEQUENCE, &list) || body.len != 0 ||
	    !request_take_selection(list, &search->selection))
		return LDAP_MALFORMED;
	if (search->controls.has_page)
		request_digest(search, base, filter);
	return LDAP_SUCCESS;
}

/* RFC 2891, section 2: a key that cannot be used ends the search if the control is
 * critical, else the entries come unsorted. */
static bool
request_sorts(struct ldap_search *search)
{
	struct ldap_controls *c = &search->controls;

	if (!c->has_sort || c->sort_result == 0)
		return true;
	c->key_count = 0;
	return !c->sort_is_critical;
}

enum cmd_status
ldap_cmd_search(struct ldap_session *s, const struct ldap_request *r)
{
	struct ldap_search *search = ldap_search_new(s, r);
	struct str body = r->body, base = STR_NONE;
	enum ldap_reply_name result;

	metrics_add(M_LDAP_SEARCHES, 1);
	if (!request_take_head(search, &body, &base)) {
		ldap_search_end(search, LDAP_MALFORMED);
		return CMD_DONE;
	}
	/* Before the rest is read: who may not search has no work done. */
	if (!ldap_request_base(search, base))
		return CMD_DONE;
	(void)slice_spend(&s->command.slice, (uint32_t)(SEARCH_WORK + body.len * SEARCH_BYTE_WORK));
	result = request_take_filter(search, body, base);
	if (result == LDAP_SUCCESS && !request_sorts(search))
		result = LDAP_UNKNOWN_CONTROL;
	if (result != LDAP_SUCCESS)
		ldap_search_end(search, result);
	else
		ldap_search_start(search);
	return CMD_DONE;
}
