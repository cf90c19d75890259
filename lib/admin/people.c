#include "lib/admin/people.h"

#include <string.h>

#include "lib/admin/csv.h"
#include "lib/auth/auth.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

#define uthash_fatal(message) CHECKF(false, "%s", message)
#include <uthash.h>

enum { PEOPLE_FIELDS_MAX = 40, PEOPLE_PASSWORD_MAX = 1000, PEOPLE_SHOWN_MAX = 60 };

/* What a column or an attribute is for. */
enum people_use { PEOPLE_IGNORED, PEOPLE_ADDRESS, PEOPLE_PLAIN, PEOPLE_HASH, PEOPLE_SCRAM, PEOPLE_PHOTO, PEOPLE_FIELD };

struct people_column {
	const char *name;      /* in CSV; of a field: its own name */
	const char *attribute; /* in LDIF, and another name in CSV; NULL: none */
	enum people_use use;
};

#define PEOPLE_PERSON_COLUMN(ident, number, name, attribute, what) {name, attribute, PEOPLE_FIELD},
#define PEOPLE_OWN_COLUMN(name, attribute)			   {name, attribute, PEOPLE_FIELD},
static const struct people_column people_columns[] = {
	{"address", "mail", PEOPLE_ADDRESS},
	{"email", NULL, PEOPLE_ADDRESS},
	{"password", NULL, PEOPLE_PLAIN},
	{"password_hash", "userPassword", PEOPLE_HASH},
	{"scram_sha256", PEOPLE_SCRAM_ATTRIBUTE, PEOPLE_SCRAM},
	{"photo", PEOPLE_PHOTO_ATTRIBUTE, PEOPLE_PHOTO}, /* not in CSV */
	PEOPLE_OWN_FIELDS(PEOPLE_OWN_COLUMN) DIRECTORY_PERSON_FIELDS(PEOPLE_PERSON_COLUMN){NULL, NULL, PEOPLE_IGNORED},
};

/* Other names that directories give the same attribute. */
static const struct {
	const char *name, *attribute;
} people_synonyms[] = {
	{"surname", "sn"},
	{"organizationName", "o"},
	{"company", "o"},
	{"localityName", "l"},
	{"ou", "departmentNumber"},
	{"stateOrProvinceName", "st"},
	{"streetAddress", "street"},
	{"mobileTelephoneNumber", "mobile"},
	{"homeTelephoneNumber", "homePhone"},
	{"fax", "facsimileTelephoneNumber"},
	{"pagerTelephoneNumber", "pager"},
	{"friendlyCountryName", "co"},
	{"c", "co"},
	{"rfc822Mailbox", "mail"},
	{"gn", "givenName"},
	{"department", "departmentNumber"},
	{"url", "labeledURI"},
};

/* ---- Life ---- */
void
people_init(struct people *p)
{
	*p = (struct people){.accounts = BUF_EMPTY, .complaints = BUF_EMPTY};
	arena_init(&p->arena);
}

void
people_fini(struct people *p)
{
	/* Passwords of lines that are refused are in it too. */
	arena_wipe(&p->arena);
	arena_fini(&p->arena);
	buf_fini(&p->accounts);
	buf_fini(&p->complaints);
}

struct people_account *
people_account(const struct people *p, size_t i)
{
	return (struct people_account *)(void *)p->accounts.data + i;
}

size_t
people_count(const struct people *p)
{
	return p->accounts.len / sizeof(struct people_account);
}

/* ---- One account ---- */
struct people_draft {
	struct people *people;
	struct people_account account;
	struct directory_field fields[PEOPLE_FIELDS_MAX];
	bool is_bad, has_address;
};

static void
people_begin(struct people_draft *d, struct people *p, uint64_t line)
{
	*d = (struct people_draft){.people = p, .account.line = line};
}

static void
people_take_address(struct people_draft *d, uint64_t line, struct str value)
{
	char address[DIRECTORY_ADDRESS_MAX];

	if (d->has_address) {
		/* The first one is the account's. */
		return;
	}
	d->has_address = true;
	if (directory_canonical_address(str_trim(value), address) && address[0] != '"' &&
	    strpbrk(address, "{}[") == NULL) {
		d->account.address = arena_str(&d->people->arena, str_c(address));
		return;
	}
	d->is_bad = true;
	people_complain(d->people, line, "\"%.*s\" is not an address that an account can have here",
			STR_ARG(str_first_utf8(value, PEOPLE_SHOWN_MAX)));
}

static void
people_take_plain(struct people_draft *d, uint64_t line, struct str value)
{
	if (value.len == 0)
		return;
	if (value.len > PEOPLE_PASSWORD_MAX || !str_is_utf8(value) || str_index(value, '\0') >= 0) {
		d->is_bad = true;
		people_complain(d->people, line, "the password is not UTF-8 text of up to %d bytes",
				PEOPLE_PASSWORD_MAX);
		return;
	}
	d->account.plain = arena_str(&d->people->arena, value);
}

static bool
people_cut_plain_scheme(struct str *value)
{
	static const char *const words[] = {"{PLAIN}", "{CLEAR}", "{CLEARTEXT}"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_starts_ci(*value, str_c(words[i]))) {
			*value = str_from(*value, strlen(words[i]));
			return true;
		}
	return false;
}

static void
people_take_hash(struct people_draft *d, uint64_t line, struct str value)
{
	char verifier[AUTH_VERIFIER_MAX];

	if (value.len == 0)
		return;
	if (people_cut_plain_scheme(&value)) {
		people_take_plain(d, line, value);
	} else if (auth_read_hash(value, verifier)) {
		d->account.hash = arena_str(&d->people->arena, str_c(verifier));
	} else {
		/* It may be a plain password: it is not shown. */
		d->is_bad = true;
		people_complain(d->people, line,
				"this password hash is not supported, or would take too long to check");
	}
}

static void
people_take_scram(struct people_draft *d, uint64_t line, struct str value)
{
	if (value.len == 0)
		return;
	if (auth_is_scram_sha256(value)) {
		d->account.scram = arena_str(&d->people->arena, value);
		return;
	}
	d->is_bad = true;
	people_complain(d->people, line, "not a SCRAM-SHA-256 verifier");
}

/* Of several photos the first; an empty one removes what there is. */
static void
people_take_photo(struct people_draft *d, uint64_t line, struct str value)
{
	struct err err;

	if (d->account.has_photo)
		return;
	d->account.has_photo = true;
	d->account.photo = value;
	if (value.len == 0 || directory_photo_check(value, &err) == 0)
		return;
	d->is_bad = true;
	people_complain(d->people, line, "%s: %s", PEOPLE_PHOTO_ATTRIBUTE, err.text);
}

static void
people_take_field(struct people_draft *d, uint64_t line, const char *name, struct str value)
{
	struct directory_field f = {str_c(name), value};
	struct err err;

	if (value.len == 0 && (strcmp(name, "enabled") == 0 || strcmp(name, "book") == 0))
		return;
	for (unsigned i = 0; i < d->account.count; i++)
		if (str_eq(d->fields[i].name, f.name))
			return; /* of several values the first */
	if (strcmp(name, "roles") == 0 && !d->people->with_roles) {
		if (value.len == 0)
			return;
		d->is_bad = true;
		people_complain(d->people, line, "roles are only imported with --with-roles");
		return;
	}
	if (directory_check_user_field(&f, &err) != 0) {
		d->is_bad = true;
		people_complain(d->people, line, "%s: %s", name, err.text);
		return;
	}
	CHECK(d->account.count < PEOPLE_FIELDS_MAX);
	f.value = arena_str(&d->people->arena, value);
	d->fields[d->account.count++] = f;
}

static void
people_take(struct people_draft *d, const struct people_column *column, uint64_t line, struct str value)
{
	switch (column->use) {
	case PEOPLE_IGNORED: break;
	case PEOPLE_ADDRESS: people_take_address(d, line, value); break;
	case PEOPLE_PLAIN: people_take_plain(d, line, value); break;
	case PEOPLE_HASH: people_take_hash(d, line, value); break;
	case PEOPLE_SCRAM: people_take_scram(d, line, value); break;
	case PEOPLE_PHOTO: people_take_photo(d, line, value); break;
	case PEOPLE_FIELD: people_take_field(d, line, column->name, value); break;
	}
}

static void
people_end(struct people_draft *d)
{
	struct people *p = d->people;
	struct people_account *a = &d->account;

	if (!d->has_address)
		people_complain(p, a->line, "there is no address");
	else if (a->plain.len != 0 && a->hash.len != 0)
		people_complain(p, a->line, "there is both a password and a hash");
	else if (a->scram.len != 0 && a->hash.len == 0)
		people_complain(p, a->line, "there is a SCRAM verifier, but no hash");
	else if (!d->is_bad) {
		a->fields = arena_array(&p->arena, struct directory_field, a->count + 1);
		memcpy(a->fields, d->fields, a->count * sizeof(*a->fields));
		buf_add(&p->accounts, a, sizeof(*a));
	}
}

/* ---- CSV ---- */
static const struct people_column *
people_find_column(struct str name, bool with_own_names)
{
	const struct people_column *c;

	for (c = people_columns; c->name != NULL; c++)
		if ((with_own_names && str_eq_ci(name, str_c(c->name))) ||
		    (c->attribute != NULL && str_eq_ci(name, str_c(c->attribute))))
			return c;
	for (size_t i = 0; !with_own_names && i < sizeof(people_synonyms) / sizeof(people_synonyms[0]); i++)
		if (str_eq_ci(name, str_c(people_synonyms[i].name)))
			return people_find_column(str_c(people_synonyms[i].attribute), false);
	return NULL;
}

static bool
people_read_head(struct people *p, const struct csv_row *row, const struct people_column **columns)
{
	bool has_address = false, ok = true;

	for (unsigned i = 0; i < row->count; i++) {
		columns[i] = people_find_column(str_trim(row->values[i]), true);
		if (columns[i] == NULL) {
			people_complain(p, row->line, "there is no field \"%.*s\"",
					STR_ARG(str_first_utf8(row->values[i], PEOPLE_SHOWN_MAX)));
			ok = false;
			continue;
		}
		if (columns[i]->use == PEOPLE_PHOTO) {
			people_complain(p, row->line, "CSV has no photos: import them from LDIF");
			ok = false;
		}
		has_address = has_address || columns[i]->use == PEOPLE_ADDRESS;
		for (unsigned k = 0; k < i; k++)
			if (columns[k] == columns[i]) {
				people_complain(p, row->line, "the column %s is there twice", columns[i]->name);
				ok = false;
			}
	}
	if (!has_address)
		people_complain(p, row->line, "the first row must name the columns, and \"address\" among them");
	return ok && has_address;
}

static void
people_read_csv(struct people *p, struct str text, void (*on_progress)(void *arg, size_t bytes), void *arg)
{
	const struct people_column *columns[CSV_COLUMNS_MAX];
	struct people_draft d;
	struct csv_row row;
	struct err err;
	unsigned width;
	struct csv c;
	int rc;

	csv_open(&c, text);
	rc = csv_next(&c, &row, &p->arena, &err);
	if (rc <= 0) {
		people_complain(p, row.line, "%s", rc == 0 ? "the file is empty" : err.text);
		return;
	}
	width = row.count;
	if (!people_read_head(p, &row, columns))
		return;
	while (!p->has_more && (rc = csv_next(&c, &row, &p->arena, &err)) != 0) {
		if (rc < 0) {
			people_complain(p, row.line, "%s", err.text);
			continue;
		}
		if (row.count != width) {
			people_complain(p, row.line, "%u values, but there are %u columns", row.count, width);
			continue;
		}
		people_begin(&d, p, row.line);
		for (unsigned i = 0; i < width; i++)
			people_take(&d, columns[i], row.line, row.values[i]);
		people_end(&d);
		if (on_progress != NULL)
			on_progress(arg, text.len - c.rest.len);
	}
}

/* ---- LDIF ---- */
/* Persons are of one of these classes; an entry without a class is one if it has `mail`. */
static bool
people_is_person(const struct ldif_record *r)
{
	static const char *const classes[] = {
		"person", "inetOrgPerson", "organizationalPerson", "mozillaAbPersonAlpha", "posixAccount", "user"};
	bool has_class = false, has_mail = false;

	for (unsigned i = 0; i < r->count; i++) {
		const struct ldif_value *v = &r->values[i];
		has_mail = has_mail || str_eq_ci(v->name, STR("mail"));
		if (!str_eq_ci(v->name, STR("objectClass")))
			continue;
		has_class = true;
		for (size_t k = 0; k < sizeof(classes) / sizeof(classes[0]); k++)
			if (str_eq_ci(v->value, str_c(classes[k])))
				return true;
	}
	return !has_class && has_mail;
}

/* userPassword is plain unless a scheme is in front (RFC 2307). */
static void
people_take_user_password(struct people_draft *d, const struct ldif_value *v)
{
	if (v->value.len != 0 && v->value.p[0] == '{')
		people_take_hash(d, v->line, v->value);
	else
		people_take_plain(d, v->line, v->value);
}

static void
people_take_record(struct people *p, const struct ldif_record *r)
{
	struct people_draft d;

	if (!people_is_person(r))
		return;
	people_begin(&d, p, r->line);
	for (unsigned i = 0; i < r->count; i++) {
		const struct ldif_value *v = &r->values[i];
		const struct people_column *c = people_find_column(v->name, false);
		/* A person must have a surname there; this stands for none. */
		if (c == NULL || (str_eq(v->value, STR("-")) && str_eq_ci(v->name, STR("sn"))))
			continue;
		if (c->use == PEOPLE_HASH)
			people_take_user_password(&d, v);
		else
			people_take(&d, c, v->line, v->value);
	}
	people_end(&d);
}

static void
people_read_ldif(struct people *p, struct str text, void (*on_progress)(void *arg, size_t bytes), void *arg)
{
	struct ldif_record *r = mem_new(struct ldif_record);
	struct err err;
	struct ldif l;
	int rc;

	ldif_open(&l, text);
	while (!p->has_more && (rc = ldif_next(&l, r, &p->arena, &err)) != 0) {
		if (rc < 0)
			people_complain(p, r->line, "%s", err.text);
		else
			people_take_record(p, r);
		if (on_progress != NULL)
			on_progress(arg, text.len - l.rest.len);
	}
	if (people_count(p) == 0 && people_complaint_count(p) == 0)
		people_complain(p, 1, "the file contains no accounts");
	mem_free(r);
}

/* ---- The file as a whole ---- */
struct people_seen {
	uint64_t line;
	UT_hash_handle hh;
};

/* An account that is there twice would end as one of the two. */
static void
people_find_doubles(struct people *p)
{
	struct people_seen *seen = NULL, *one, *next;

	for (size_t i = 0; i < people_count(p); i++) {
		struct people_account *a = people_account(p, i);
		HASH_FIND(hh, seen, a->address.p, a->address.len, one);
		if (one != NULL) {
			people_complain(p, a->line, "%.*s is on line %llu already", STR_ARG(a->address),
					(unsigned long long)one->line);
			continue;
		}
		one = mem_new(struct people_seen);
		one->line = a->line;
		HASH_ADD_KEYPTR(hh, seen, a->address.p, a->address.len, one);
	}
	HASH_ITER (hh, seen, one, next) {
		HASH_DEL(seen, one);
		mem_free(one);
	}
}

enum people_format
people_guess_format(struct str text)
{
	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = str_from(text, 3);
	for (;;) {
		struct str line;
		str_cut(text, '\n', &line, &text);
		line = str_trim(line);
		if (line.len != 0 && line.p[0] != '#')
			return str_starts_ci(line, STR("version:")) || str_starts_ci(line, STR("dn:")) ? PEOPLE_LDIF
												       : PEOPLE_CSV;
		if (text.len == 0)
			return PEOPLE_CSV;
	}
}

void
people_read(struct people *p, enum people_format format, struct str text, void (*on_progress)(void *arg, size_t bytes),
	    void *arg)
{
	if (format == PEOPLE_CSV)
		people_read_csv(p, text, on_progress, arg);
	else
		people_read_ldif(p, text, on_progress, arg);
	people_find_doubles(p);
}
