#include "frontend/ldap/entry.h"

#include <openssl/sha.h>
#include <time.h>

#include "lib/base/check.h"

/* The fields of the book that are shown as they are. */
static const enum book_field entry_fields[LDAP_AT_COUNT] = {
	[LDAP_AT_CN] = BOOK_DISPLAY_NAME,
	[LDAP_AT_SN] = BOOK_SURNAME,
	[LDAP_AT_GIVEN_NAME] = BOOK_GIVEN_NAME,
	[LDAP_AT_DISPLAY_NAME] = BOOK_DISPLAY_NAME,
	[LDAP_AT_MAIL] = BOOK_ADDRESS,
	[LDAP_AT_TITLE] = BOOK_TITLE,
	[LDAP_AT_OU] = BOOK_DEPARTMENT,
	[LDAP_AT_DEPARTMENT_NUMBER] = BOOK_DEPARTMENT,
	[LDAP_AT_O] = BOOK_COMPANY,
	[LDAP_AT_TELEPHONE] = BOOK_PHONE,
	[LDAP_AT_MOBILE] = BOOK_MOBILE,
	[LDAP_AT_HOME_PHONE] = BOOK_HOME_PHONE,
	[LDAP_AT_FAX] = BOOK_FAX,
	[LDAP_AT_PAGER] = BOOK_PAGER,
	[LDAP_AT_STREET] = BOOK_STREET,
	[LDAP_AT_L] = BOOK_CITY,
	[LDAP_AT_ST] = BOOK_STATE,
	[LDAP_AT_POSTAL_CODE] = BOOK_POSTAL_CODE,
	[LDAP_AT_CO] = BOOK_COUNTRY,
	[LDAP_AT_URI] = BOOK_URL,
	[LDAP_AT_DESCRIPTION] = BOOK_NOTES,
};

/* Of each kind, most general first, auxiliary ones last. */
static const struct str entry_domain_classes[] = {STR("top"), STR("organization"), STR("dcObject")};
static const struct str entry_unit_classes[] = {STR("top"), STR("organizationalUnit")};
static const struct str entry_user_classes[] = {STR("top"), STR("person"), STR("organizationalPerson"),
						STR("inetOrgPerson"), STR("posixAccount")};
static const struct str entry_group_classes[] = {STR("top"), STR("groupOfNames"), STR("posixGroup")};
static const struct str entry_root_classes[] = {STR("top")};

#define VALUES(array) ((struct ldap_values){(array), sizeof(array) / sizeof((array)[0])})
#define NO_VALUES     ((struct ldap_values){NULL, 0})

/* All but the last, unless the entry is of a Linux machine. */
static struct ldap_values
entry_posix_classes(struct ldap_values classes, bool is_posix)
{
	classes.count -= is_posix ? 0 : 1;
	return classes;
}

static struct ldap_values
entry_classes(const struct ldap_entry *e)
{
	switch (e->kind) {
	case LDAP_DOMAIN: return VALUES(entry_domain_classes);
	case LDAP_PEOPLE:
	case LDAP_GROUPS: return VALUES(entry_unit_classes);
	case LDAP_USER: return entry_posix_classes(VALUES(entry_user_classes), ldap_posix_is(e));
	case LDAP_GROUP: return entry_posix_classes(VALUES(entry_group_classes), ldap_posix_is(e));
	default: return VALUES(entry_root_classes);
	}
}

static struct ldap_values
entry_one(struct str value, struct arena *arena)
{
	struct str *items;

	if (value.len == 0)
		return NO_VALUES;
	items = arena_new(arena, struct str);
	*items = value;
	return (struct ldap_values){items, 1};
}

struct str
ldap_entry_local_part(const struct ldap_entry *e)
{
	return str_first(e->person->address, (size_t)str_rindex(e->person->address, '@'));
}

struct str
ldap_entry_dn(const struct ldap_entry *e, struct arena *arena)
{
	return ldap_dn_of(e->kind, e->domain, e->person != NULL ? ldap_entry_local_part(e) : STR_NONE, arena);
}

/* Stable as long as the address is: a name-based UUID (RFC 9562, version 8) of the DN. */
static struct str
entry_uuid(const struct ldap_entry *e, struct arena *arena)
{
	unsigned char d[SHA256_DIGEST_LENGTH];
	struct str dn = ldap_entry_dn(e, arena);

	SHA256((const unsigned char *)dn.p, dn.len, d);
	d[6] = (unsigned char)((d[6] & 0x0f) | 0x80);
	d[8] = (unsigned char)((d[8] & 0x3f) | 0x80);
	return str_c(arena_printf(arena, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", d[0],
				  d[1], d[2], d[3], d[4], d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[12], d[13],
				  d[14], d[15]));
}

static struct str
entry_created(const struct ldap_entry *e, struct arena *arena)
{
	time_t at;
	struct tm tm;

	if (e->person == NULL || e->person->created_ms == 0)
		return STR_NONE;
	at = (time_t)(e->person->created_ms / 1000);
	if (gmtime_r(&at, &tm) == NULL)
		return STR_NONE;
	return str_c(arena_printf(arena, "%04d%02d%02d%02d%02d%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
				  tm.tm_hour, tm.tm_min, tm.tm_sec));
}

/* ---- Root DSE ---- */

static struct ldap_values
entry_words(struct str words, struct arena *arena)
{
	struct ldap_values values = NO_VALUES;
	struct str *items = arena_array(arena, struct str, words.len / 2 + 1), word;

	while (str_next_word(&words, " ", &word))
		items[values.count++] = word;
	values.items = items;
	return values;
}

static struct ldap_values
entry_root_values(const struct ldap_entry *e, enum ldap_attribute a, struct arena *arena)
{
	switch (a) {
	case LDAP_AT_NAMING_CONTEXTS:
	case LDAP_AT_DEFAULT_CONTEXT: return entry_one(e->root->context, arena);
	case LDAP_AT_SUPPORTED_VERSION: return entry_one(STR("3"), arena);
	case LDAP_AT_SUPPORTED_CONTROL: return entry_words(STR(LDAP_CONTROLS_OFFERED), arena);
	case LDAP_AT_SUPPORTED_EXTENSION:
		return entry_words(e->root->offers_tls ? STR(LDAP_OID_START_TLS " " LDAP_EXTENSIONS_OFFERED)
						       : STR(LDAP_EXTENSIONS_OFFERED),
				   arena);
	case LDAP_AT_SUPPORTED_FEATURES: return entry_words(STR(LDAP_FEATURES_OFFERED), arena);
	case LDAP_AT_SUPPORTED_SASL: return entry_words(e->root->mechanisms, arena);
	case LDAP_AT_VENDOR_NAME: return entry_one(STR("Stagepost"), arena);
	default: return NO_VALUES;
	}
}

/* ---- Entries of the tree ---- */

static struct ldap_values
entry_container_values(const struct ldap_entry *e, enum ldap_attribute a, struct arena *arena)
{
	if (e->kind == LDAP_DOMAIN && a == LDAP_AT_O)
		return entry_one(e->domain, arena);
	if (e->kind == LDAP_DOMAIN && a == LDAP_AT_DC)
		return entry_one(str_first(e->domain, strcspn(e->domain.p, ".")), arena);
	if (a == LDAP_AT_OU && e->kind == LDAP_PEOPLE)
		return entry_one(STR("people"), arena);
	if (a == LDAP_AT_OU && e->kind == LDAP_GROUPS)
		return entry_one(STR("groups"), arena);
	return NO_VALUES;
}

bool
ldap_entry_shows_member(const struct ldap_entry *e, struct str address, struct book_entry *entry_out, bool *found_out)
{
	*found_out = e->book != NULL && book_find(e->book, address, BOOK_WITH_HIDDEN, entry_out);
	return !*found_out || (!entry_out->is_hidden && !entry_out->is_disabled) || e->with_hidden ||
	       str_eq(address, e->viewer);
}

/* The DN of a member elsewhere names no entry here: groupOfNames knows DNs alone. Empty:
 * the member is hidden. */
static struct str
entry_member(const struct ldap_entry *e, struct str address, struct arena *arena)
{
	size_t at = (size_t)str_rindex(address, '@');
	struct book_entry found;
	bool is_there;

	if (!ldap_entry_shows_member(e, address, &found, &is_there))
		return STR_NONE;
	return ldap_dn_of(is_there && found.is_group ? LDAP_GROUP : LDAP_USER, str_from(address, at + 1),
			  str_first(address, at), arena);
}

static struct ldap_values
entry_members(const struct ldap_entry *e, struct arena *arena)
{
	struct ldap_values values = NO_VALUES;
	enum book_field field;
	struct str value, *items;
	size_t at = 0, count = 0;

	while (book_entry_next(e->person, &at, &field, &value))
		count += field == BOOK_MEMBER;
	items = arena_array(arena, struct str, count + 1);
	at = 0;
	while (book_entry_next(e->person, &at, &field, &value)) {
		if (field != BOOK_MEMBER || str_rindex(value, '@') <= 0)
			continue;
		items[values.count] = entry_member(e, value, arena);
		values.count += items[values.count].len != 0;
	}
	values.items = items;
	return values;
}

static struct ldap_values
entry_group_values(const struct ldap_entry *e, enum ldap_attribute a, struct arena *arena)
{
	switch (a) {
	case LDAP_AT_CN: return entry_one(ldap_entry_local_part(e), arena);
	case LDAP_AT_MAIL: return entry_one(e->person->address, arena);
	case LDAP_AT_MEMBER: return entry_members(e, arena);
	default: return ldap_posix_values(e, a, arena);
	}
}

static struct ldap_values
entry_user_values(const struct ldap_entry *e, enum ldap_attribute a, struct arena *arena)
{
	struct str value, full;

	if (a == LDAP_AT_UID)
		return entry_one(ldap_entry_local_part(e), arena);
	/* Until it is read, its fingerprint says that there is one. */
	if (a == LDAP_AT_JPEG_PHOTO)
		return entry_one(e->photo.len != 0 ? e->photo : book_entry_get(e->person, BOOK_PHOTO), arena);
	if (entry_fields[a] == 0)
		return ldap_posix_values(e, a, arena);
	value = book_entry_get(e->person, entry_fields[a]);
	/* A person must have one (RFC 4519, section 3.12). */
	if (a == LDAP_AT_SN && value.len == 0) {
		full = book_entry_get(e->person, BOOK_DISPLAY_NAME);
		value = str_from(full, (size_t)(str_rindex(full, ' ') + 1));
		if (value.len == 0)
			value = full;
	}
	return entry_one(value, arena);
}

uint32_t
ldap_attribute_fields(enum ldap_attribute a)
{
	switch (a) {
	case LDAP_AT_UID: return BOOK_FIELD_BIT(BOOK_ADDRESS);
	case LDAP_AT_CN: return BOOK_FIELD_BIT(BOOK_DISPLAY_NAME) | BOOK_FIELD_BIT(BOOK_ADDRESS); /* of a group */
	case LDAP_AT_SN: return BOOK_FIELD_BIT(BOOK_SURNAME) | BOOK_FIELD_BIT(BOOK_DISPLAY_NAME);
	case LDAP_AT_UID_NUMBER: return BOOK_FIELD_BIT(BOOK_NUMBER);
	case LDAP_AT_MEMBER_UID: return BOOK_FIELD_BIT(BOOK_MEMBER);
	default: return entry_fields[a] != 0 ? BOOK_FIELD_BIT(entry_fields[a]) : 0;
	}
}

static struct str
entry_structural_class(const struct ldap_entry *e)
{
	switch (e->kind) {
	case LDAP_DOMAIN: return STR("organization");
	case LDAP_PEOPLE:
	case LDAP_GROUPS: return STR("organizationalUnit");
	case LDAP_USER: return STR("inetOrgPerson");
	default: return STR("groupOfNames");
	}
}

static struct ldap_values
entry_operational(const struct ldap_entry *e, enum ldap_attribute a, struct arena *arena)
{
	switch (a) {
	case LDAP_AT_ENTRY_DN: return entry_one(ldap_entry_dn(e, arena), arena);
	case LDAP_AT_ENTRY_UUID: return entry_one(entry_uuid(e, arena), arena);
	case LDAP_AT_CREATED: return entry_one(entry_created(e, arena), arena);
	case LDAP_AT_STRUCTURAL: return entry_one(entry_structural_class(e), arena);
	case LDAP_AT_HAS_SUBORDINATES:
		if (e->kind == LDAP_GROUPS) /* not known: there may be none */
			return NO_VALUES;
		return entry_one(e->person != NULL ? STR("FALSE") : STR("TRUE"), arena);
	default: return NO_VALUES;
	}
}

struct ldap_values
ldap_entry_values(const struct ldap_entry *e, enum ldap_attribute a, struct arena *arena)
{
	if (a == LDAP_AT_OBJECT_CLASS && e->kind != LDAP_SUBSCHEMA)
		return entry_classes(e);
	if (a == LDAP_AT_SUBSCHEMA_ENTRY)
		return entry_one(STR(LDAP_SUBSCHEMA_DN), arena);
	if (e->kind == LDAP_ROOT)
		return entry_root_values(e, a, arena);
	if (e->kind == LDAP_SUBSCHEMA)
		return ldap_subschema_values(a);
	if ((ldap_attribute_types[a].flags & LDAP_IS_OPERATIONAL) != 0)
		return entry_operational(e, a, arena);
	if (e->kind == LDAP_USER)
		return entry_user_values(e, a, arena);
	return e->kind == LDAP_GROUP ? entry_group_values(e, a, arena) : entry_container_values(e, a, arena);
}
