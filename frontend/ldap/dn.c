#include "frontend/ldap/dn.h"

#include <string.h>

/* ---- Reading ---- */

static int
dn_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t
dn_skip_spaces(struct str text, size_t at)
{
	while (at < text.len && text.p[at] == ' ')
		at++;
	return at;
}

/* One escape, from the byte behind the backslash. Its length; 0: malformed. */
static size_t
dn_escape(struct str rest, char *out)
{
	int high, low;

	if (rest.len == 0)
		return 0;
	if (memchr(" \"#+,;<=>\\", rest.p[0], 10) != NULL) {
		*out = rest.p[0];
		return 1;
	}
	if (rest.len < 2 || (high = dn_hex(rest.p[0])) < 0 || (low = dn_hex(rest.p[1])) < 0)
		return 0;
	*out = (char)(high * 16 + low);
	return 2;
}

/* A value up to the comma, plus or semicolon that ends it (RFC 2253 has semicolons and
 * quotation marks too). The place of its end; SIZE_MAX: malformed. */
static size_t
dn_take_value(struct str text, size_t at, struct arena *arena, struct ldap_rdn *rdn)
{
	bool quoted = at < text.len && text.p[at] == '"', closed = false;
	char *value = arena_alloc(arena, text.len - at + 1);
	size_t used = 0, kept = 0; /* kept: up to the last byte that is no bare space */

	rdn->is_hex = !quoted && at < text.len && text.p[at] == '#';
	for (at += quoted; at < text.len; at++) {
		char c = text.p[at];

		if (quoted && c == '"') {
			closed = true;
			at = dn_skip_spaces(text, at + 1);
			if (at < text.len && text.p[at] != ',' && text.p[at] != '+' && text.p[at] != ';')
				return SIZE_MAX;
			break;
		}
		if (!quoted && (c == ',' || c == '+' || c == ';'))
			break;
		if (c == '\0' || (!quoted && (c == '"' || c == '<' || c == '>')))
			return SIZE_MAX;
		if (c == '\\') {
			size_t len = dn_escape(str_from(text, at + 1), &value[used]);

			if (len == 0)
				return SIZE_MAX;
			at += len;
			kept = ++used;
			continue;
		}
		value[used++] = c;
		if (c != ' ' || quoted)
			kept = used;
	}
	rdn->value = str_of(value, kept);
	if (quoted != closed || !str_is_utf8(rdn->value))
		return SIZE_MAX;
	return at;
}

static size_t
dn_take_rdn(struct str text, size_t at, struct arena *arena, struct ldap_rdn *rdn)
{
	size_t begin = at = dn_skip_spaces(text, at);

	while (at < text.len && text.p[at] != '=')
		at++;
	if (at == text.len)
		return SIZE_MAX;
	rdn->type = str_trim(str_of(text.p + begin, at - begin));
	if (str_starts_ci(rdn->type, STR("oid.")))
		rdn->type = str_from(rdn->type, 4);
	if (!ldap_is_description(rdn->type))
		return SIZE_MAX;
	rdn->attribute = ldap_attribute_find(rdn->type);
	return dn_take_value(text, dn_skip_spaces(text, at + 1), arena, rdn);
}

bool
ldap_dn_parse(struct str text, struct arena *arena, struct ldap_dn *out)
{
	size_t at = dn_skip_spaces(text, 0);
	bool continues = false;

	out->count = 0;
	if (text.len > LDAP_DN_BYTES_MAX)
		return false;
	if (at == text.len)
		return true;
	for (;;) {
		struct ldap_rdn *rdn = &out->rdns[out->count];

		if (out->count == LDAP_RDNS_MAX)
			return false;
		at = dn_take_rdn(text, at, arena, rdn);
		if (at == SIZE_MAX)
			return false;
		rdn->is_multi = continues || (at < text.len && text.p[at] == '+');
		out->count++;
		if (at >= text.len)
			return true;
		continues = text.p[at] == '+';
		at++;
	}
}

/* ---- Comparing ---- */

static void
dn_add_escaped(struct buf *out, struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];
		bool is_edge = (c == ' ' && (i == 0 || i + 1 == value.len)) || (c == '#' && i == 0);

		if (c == '\0') {
			buf_add_c(out, "\\00");
			continue;
		}
		if (is_edge || strchr("\"+,;<>=\\", c) != NULL)
			buf_add_byte(out, '\\');
		buf_add_byte(out, c);
	}
}

static struct str
dn_keep(struct buf *text, struct arena *arena)
{
	struct str kept = arena_str(arena, buf_str(text));

	buf_fini(text);
	return kept;
}

/* Most DNs are ours, of plain letters; a list can have thousands. Those need not be taken
 * apart. The normal form; empty: it is not such a DN. */
struct str
ldap_dn_normal_plain(struct str text, struct arena *arena)
{
	static const struct str types[] = {STR("uid="), STR("cn="), STR("ou="), STR("dc=")};
	char *normal = arena_alloc(arena, text.len + 1);
	unsigned count = 0;

	for (size_t at = 0, begin; at < text.len; at++) {
		struct str rest = str_from(text, at);
		unsigned i = 0;

		while (i < 4 && !str_starts(rest, types[i]))
			i++;
		if (i == 4 || count++ == LDAP_RDNS_MAX)
			return STR_NONE;
		memcpy(normal + at, types[i].p, types[i].len);
		at += types[i].len;
		for (begin = at; at < text.len && text.p[at] != ','; at++) {
			char c = text.p[at];

			if (c >= 'a' && c <= 'z')
				c = (char)(c - 'a' + 'A');
			else if ((c < '0' || c > '9') && (c < 'A' || c > 'Z') && c != '-' && c != '.' && c != '_')
				return STR_NONE;
			normal[at] = c;
		}
		if (at == begin || at + 1 == text.len)
			return STR_NONE;
		if (at < text.len)
			normal[at] = ',';
	}
	return text.len <= LDAP_DN_BYTES_MAX ? str_of(normal, text.len) : STR_NONE;
}

struct str
ldap_dn_normal(const struct ldap_dn *dn, struct arena *arena)
{
	struct buf out = BUF_EMPTY;

	for (unsigned i = 0; i < dn->count; i++) {
		const struct ldap_rdn *rdn = &dn->rdns[i];
		struct str value, type = rdn->type;

		if (rdn->attribute != LDAP_AT_NONE)
			type = str_c(ldap_attribute_types[rdn->attribute].name);
		if (i != 0)
			buf_add_byte(&out, rdn->is_multi && dn->rdns[i - 1].is_multi ? '+' : ',');
		for (size_t k = 0; k < type.len; k++)
			buf_add_byte(&out, (char)(type.p[k] >= 'A' && type.p[k] <= 'Z' ? type.p[k] | 0x20 : type.p[k]));
		buf_add_byte(&out, '=');
		if (!ldap_normalize(LDAP_FOLDED, LDAP_WHOLE, rdn->value, arena, &value))
			value = rdn->value;
		dn_add_escaped(&out, value);
	}
	return dn_keep(&out, arena);
}

/* ---- Names ---- */

static bool
dn_is(const struct ldap_rdn *rdn, enum ldap_attribute attribute, struct str value)
{
	return rdn->attribute == attribute && !rdn->is_multi && !rdn->is_hex && str_eq_ci(rdn->value, value);
}

/* The domain of the trailing dc=...: how many RDNs come before it. */
static unsigned
dn_domain(const struct ldap_dn *dn, struct arena *arena, struct str *domain_out)
{
	struct buf text = BUF_EMPTY;
	char domain[DIRECTORY_DOMAIN_MAX];
	unsigned first = dn->count;

	while (first > 0 && dn->rdns[first - 1].attribute == LDAP_AT_DC && !dn->rdns[first - 1].is_multi &&
	       !dn->rdns[first - 1].is_hex && str_index(dn->rdns[first - 1].value, '.') < 0)
		first--;
	for (unsigned i = first; i < dn->count; i++) {
		if (i != first)
			buf_add_byte(&text, '.');
		buf_add_str(&text, dn->rdns[i].value);
	}
	*domain_out = STR_NONE;
	if (text.len != 0 && directory_canonical_domain(buf_str(&text), domain))
		*domain_out = arena_str(arena, str_c(domain));
	buf_fini(&text);
	return first;
}

static bool
dn_address(const struct ldap_rdn *rdn, struct str domain, char out[DIRECTORY_ADDRESS_MAX])
{
	struct buf text = BUF_EMPTY;
	bool is_one;

	buf_add_str(&text, rdn->value);
	buf_add_byte(&text, '@');
	buf_add_str(&text, domain);
	is_one = !rdn->is_multi && !rdn->is_hex && str_index(rdn->value, '@') < 0 &&
		 directory_canonical_address(buf_str(&text), out);
	buf_fini(&text);
	return is_one;
}

/* What the RDNs before the domain name. */
static enum ldap_kind
dn_kind(const struct ldap_dn *dn, unsigned count, struct ldap_name *out)
{
	static const struct {
		struct str container;
		enum ldap_kind kind, entry;
		enum ldap_attribute naming;
	} containers[] = {
		{STR("people"), LDAP_PEOPLE, LDAP_USER, LDAP_AT_UID},
		{STR("groups"), LDAP_GROUPS, LDAP_GROUP, LDAP_AT_CN},
	};

	out->above = LDAP_DOMAIN;
	if (count == 0)
		return LDAP_DOMAIN;
	for (unsigned i = 0; i < 2; i++) {
		if (!dn_is(&dn->rdns[count - 1], LDAP_AT_OU, containers[i].container))
			continue;
		if (count == 1)
			return containers[i].kind;
		out->above = containers[i].kind;
		if (count == 2 && dn->rdns[0].attribute == containers[i].naming &&
		    dn_address(&dn->rdns[0], out->domain, out->address))
			return containers[i].entry;
	}
	return LDAP_NOTHING;
}

bool
ldap_name_parse(struct str text, struct arena *arena, struct ldap_name *out)
{
	struct ldap_dn *dn = arena_new(arena, struct ldap_dn);
	unsigned before;

	*out = (struct ldap_name){.kind = LDAP_NOTHING, .above = LDAP_NOTHING};
	if (!ldap_dn_parse(text, arena, dn))
		return false;
	before = dn_domain(dn, arena, &out->domain);
	if (dn->count == 0)
		out->kind = LDAP_ROOT;
	else if (dn->count == 1 && dn_is(&dn->rdns[0], LDAP_AT_CN, STR("subschema")))
		out->kind = LDAP_SUBSCHEMA;
	else if (out->domain.len != 0)
		out->kind = dn_kind(dn, before, out);
	return true;
}

struct str
ldap_dn_of(enum ldap_kind kind, struct str domain, struct str local_part, struct arena *arena)
{
	static const char *const heads[] = {
		[LDAP_PEOPLE] = "ou=people", [LDAP_GROUPS] = "ou=groups", [LDAP_USER] = "uid=", [LDAP_GROUP] = "cn="};
	struct buf out = BUF_EMPTY;
	struct str label;

	if (kind == LDAP_SUBSCHEMA)
		return STR(LDAP_SUBSCHEMA_DN);
	if (kind == LDAP_USER || kind == LDAP_GROUP) {
		buf_add_c(&out, heads[kind]);
		dn_add_escaped(&out, local_part);
		buf_add_c(&out, kind == LDAP_USER ? ",ou=people" : ",ou=groups");
	} else if (kind == LDAP_PEOPLE || kind == LDAP_GROUPS) {
		buf_add_c(&out, heads[kind]);
	}
	while (kind >= LDAP_DOMAIN && str_next_word(&domain, ".", &label)) {
		buf_add_c(&out, out.len != 0 ? ",dc=" : "dc=");
		buf_add_str(&out, label);
	}
	return dn_keep(&out, arena);
}
