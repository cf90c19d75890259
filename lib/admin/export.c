/* Export: accounts are read some at a time, and written in their order. */
#include "lib/admin/csv.h"
#include "lib/admin/import.h"
#include "lib/admin/private.h"

#include <inttypes.h>

enum { EXPORT_BATCH = 200 };

struct export_one {
	struct export *export;
	struct buf text; /* empty: the account was deleted meanwhile */
};

struct export
{
	struct admin_call *call;
	enum people_format format;
	bool with_passwords;
	admin_on_export *on_piece;
	struct str *names; /* in the call's arena */
	uint64_t count, next, written, photos;
	struct export_one batch[EXPORT_BATCH];
	unsigned in_batch, waiting;
};

static void export_some(struct export *ex);

/* ---- A field as it is written ---- */
static struct str
export_own_field(struct arena *arena, const struct directory_user *u, const char *name)
{
	if (strcmp(name, "quota") == 0)
		return u->has_quota ? str_c(arena_printf(arena, "%" PRIu64, u->quota_bytes)) : STR_NONE;
	if (strcmp(name, "enabled") == 0)
		return u->is_disabled_itself ? STR("off") : STR("on");
	if (strcmp(name, "roles") == 0)
		return str_c(u->roles);
	return u->is_in_book ? STR("on") : STR("off");
}

/* ---- CSV ---- */
#define EXPORT_OWN_NAME(name, attribute)			 name,
#define EXPORT_PERSON_NAME(ident, number, name, attribute, what) name,
static const char *const export_own_names[] = {PEOPLE_OWN_FIELDS(EXPORT_OWN_NAME) NULL};
static const char *const export_person_names[] = {DIRECTORY_PERSON_FIELDS(EXPORT_PERSON_NAME) NULL};

static void
export_csv_head(const struct export *ex, struct buf *out)
{
	csv_add(out, STR("address"), true);
	if (ex->with_passwords) {
		csv_add(out, STR("password_hash"), false);
		csv_add(out, STR("scram_sha256"), false);
	}
	for (const char *const *name = export_own_names; *name != NULL; name++)
		csv_add(out, str_c(*name), false);
	for (const char *const *name = export_person_names; *name != NULL; name++)
		csv_add(out, str_c(*name), false);
	csv_end_row(out);
}

static void
export_csv(const struct export *ex, const struct directory_user *u, struct buf *out, struct arena *arena)
{
	csv_add(out, str_c(u->address), true);
	if (ex->with_passwords) {
		csv_add(out, str_c(u->password), false);
		csv_add(out, str_c(u->scram_sha256), false);
	}
	for (const char *const *name = export_own_names; *name != NULL; name++)
		csv_add(out, export_own_field(arena, u, *name), false);
	for (const char *const *name = export_person_names; *name != NULL; name++)
		csv_add(out, directory_user_field(u, book_field_of_name(str_c(*name))), false);
	csv_end_row(out);
}

/* ---- LDIF ---- */
static void
export_ldif_dn(struct buf *out, struct str address)
{
	struct buf dn = BUF_EMPTY;
	struct str domain = directory_domain_of(address), label;

	buf_add_c(&dn, "uid=");
	ldif_add_rdn(&dn, str_first(address, address.len - domain.len - 1));
	buf_add_c(&dn, ",ou=people");
	while (str_cut(domain, '.', &label, &domain) || label.len != 0) {
		buf_add_c(&dn, ",dc=");
		buf_add_str(&dn, label);
	}
	ldif_add(out, "dn", buf_str(&dn));
	buf_fini(&dn);
}

static void
export_ldif_some(struct buf *out, const char *name, struct str value)
{
	if (value.len != 0)
		ldif_add(out, name, value);
}

/* The name that an entry of a person must have. */
static struct str
export_common_name(const struct directory_user *u, struct arena *arena)
{
	struct str shown = str_c(u->display_name), given = directory_user_field(u, BOOK_GIVEN_NAME);
	struct str surname = directory_user_field(u, BOOK_SURNAME), address = str_c(u->address);

	if (shown.len != 0)
		return shown;
	if (given.len == 0 && surname.len == 0)
		return str_first(address, address.len - directory_domain_of(address).len - 1);
	if (given.len == 0 || surname.len == 0)
		return given.len != 0 ? given : surname;
	return str_c(arena_printf(arena, "%.*s %.*s", STR_ARG(given), STR_ARG(surname)));
}

#define EXPORT_PERSON_ATTRIBUTE(ident, number, name, attribute, what) {BOOK_##ident, attribute},
static const struct {
	enum book_field field;
	const char *attribute;
} export_attributes[] = {DIRECTORY_PERSON_FIELDS(EXPORT_PERSON_ATTRIBUTE)};

/* Own attributes are only there where they are not what everybody has. */
static void
export_ldif_own(const struct directory_user *u, struct buf *out, struct arena *arena)
{
	if (u->has_quota)
		ldif_add(out, "stagepostQuota", export_own_field(arena, u, "quota"));
	if (u->is_disabled_itself)
		ldif_add(out, "stagepostEnabled", STR("off"));
	export_ldif_some(out, "stagepostRoles", str_c(u->roles));
	if (!u->is_in_book)
		ldif_add(out, "stagepostBook", STR("off"));
}

static void
export_ldif_passwords(const struct directory_user *u, struct buf *out, struct arena *arena)
{
	if (u->password[0] == '$')
		ldif_add(out, "userPassword", str_c(arena_printf(arena, "{ARGON2}%s", u->password)));
	else
		export_ldif_some(out, "userPassword", str_c(u->password));
	export_ldif_some(out, PEOPLE_SCRAM_ATTRIBUTE, str_c(u->scram_sha256));
}

static void
export_ldif(const struct export *ex, const struct directory_user *u, struct buf *out, struct arena *arena)
{
	struct str address = str_c(u->address), domain = directory_domain_of(address);

	export_ldif_dn(out, address);
	for (unsigned i = 0; i < 4; i++)
		ldif_add(out, "objectClass",
			 str_c((const char *const[]){"top", "person", "organizationalPerson", "inetOrgPerson"}[i]));
	ldif_add(out, "uid", str_first(address, address.len - domain.len - 1));
	ldif_add(out, "cn", export_common_name(u, arena));
	ldif_add(out, "mail", address);
	for (size_t i = 0; i < sizeof(export_attributes) / sizeof(export_attributes[0]); i++) {
		struct str value = directory_user_field(u, export_attributes[i].field);
		if (export_attributes[i].field == BOOK_SURNAME && value.len == 0)
			value = STR("-"); /* it must have one; import knows this for none */
		export_ldif_some(out, export_attributes[i].attribute, value);
	}
	export_ldif_own(u, out, arena);
	if (ex->with_passwords)
		export_ldif_passwords(u, out, arena);
}

/* ---- Batch by batch ---- */
static void
export_piece(struct export *ex, struct str piece)
{
	ex->on_piece(ex->call->arg, piece, ex->written, ex->count);
}

static void
export_batch_done(struct export *ex)
{
	for (unsigned i = 0; i < ex->in_batch; i++) {
		struct buf *text = &ex->batch[i].text;
		ex->written += text->len != 0;
		if (text->len != 0)
			export_piece(ex, buf_str(text));
		buf_fini(text);
	}
	ex->in_batch = 0;
	if (ex->call->failure.code != ERR_NONE) {
		admin_call_end(ex->call, &ex->call->failure);
		return;
	}
	if (ex->next < ex->count) {
		export_some(ex);
		return;
	}
	cJSON_AddNumberToObject(ex->call->result, "accounts", (double)ex->written);
	cJSON_AddNumberToObject(ex->call->result, "photos", (double)ex->photos);
	admin_call_end(ex->call, NULL);
}

/* It may have been removed meanwhile. */
static void
export_on_photo(void *arg, struct str photo, const struct err *err)
{
	struct export_one *one = arg;
	struct export *ex = one->export;

	if (!op_back(&ex->call->op))
		return;
	admin_call_note(ex->call, err);
	if (photo.len != 0) {
		ldif_add(&one->text, PEOPLE_PHOTO_ATTRIBUTE, photo);
		ex->photos++;
	}
	buf_add_byte(&one->text, '\n');
	if (--ex->waiting == 0)
		export_batch_done(ex);
}

/* The last attribute is the photo, which has to be asked for. */
static void
export_take_ldif(struct export_one *one, const struct directory_user *u, struct arena *arena)
{
	struct export *ex = one->export;

	export_ldif(ex, u, &one->text, arena);
	if (directory_user_field(u, BOOK_PHOTO).len == 0) {
		buf_add_byte(&one->text, '\n');
		return;
	}
	ex->waiting++;
	op_hold(&ex->call->op);
	directory_photo_read(ex->call->admin->redis, str_c(u->address), export_on_photo, one);
}

static void
export_take(struct export_one *one, const struct directory_user *u)
{
	struct export *ex = one->export;
	struct arena scratch;

	arena_init(&scratch);
	if (ex->format == PEOPLE_LDIF)
		export_take_ldif(one, u, &scratch);
	else {
		export_csv(ex, u, &one->text, &scratch);
		ex->photos += directory_user_field(u, BOOK_PHOTO).len != 0;
	}
	arena_fini(&scratch);
}

static void
export_on_user(void *arg, const struct directory_user *u, const struct err *err)
{
	struct export_one *one = arg;
	struct export *ex = one->export;

	if (!op_back(&ex->call->op))
		return;
	admin_call_note(ex->call, err);
	if (u != NULL)
		export_take(one, u);
	if (--ex->waiting == 0)
		export_batch_done(ex);
}

static void
export_some(struct export *ex)
{
	struct directory_user user;
	bool found;

	ex->waiting = 1; /* this function */
	op_hold(&ex->call->op);
	while (ex->in_batch < EXPORT_BATCH && ex->next < ex->count) {
		struct export_one *one = &ex->batch[ex->in_batch++];
		*one = (struct export_one){.export = ex};
		ex->waiting++;
		op_hold(&ex->call->op);
		if (!directory_get_user(ex->call->admin->directory, ex->names[ex->next++], &user, &found,
					export_on_user, one))
			continue;
		(void)op_back(&ex->call->op); /* answered at once */
		ex->waiting--;
		if (found)
			export_take(one, &user);
	}
	(void)op_back(&ex->call->op);
	if (--ex->waiting == 0)
		export_batch_done(ex);
}

static void
export_on_names(void *arg, const struct str *names, unsigned count, const struct err *err)
{
	struct admin_call *call = arg;
	struct export *ex = call->state;
	struct buf head = BUF_EMPTY;

	if (!op_back(&call->op))
		return;
	if (err != NULL) {
		admin_call_end(call, err);
		return;
	}
	ex->names = arena_array(&call->op.arena, struct str, count + 1);
	for (unsigned i = 0; i < count; i++)
		ex->names[i] = arena_str(&call->op.arena, names[i]);
	ex->count = count;
	if (ex->format == PEOPLE_CSV)
		export_csv_head(ex, &head);
	else
		buf_add_c(&head, "version: 1\n\n");
	export_piece(ex, buf_str(&head));
	buf_fini(&head);
	export_some(ex);
}

static void
export_cancelled(struct admin_call *call)
{
	struct export *ex = call->state;

	for (unsigned i = 0; i < ex->in_batch; i++)
		buf_fini(&ex->batch[i].text);
}

struct admin_call *
admin_export(struct admin *a, struct str domain, enum people_format format, bool with_passwords,
	     admin_on_export *on_piece, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct export *ex = arena_new(&call->op.arena, struct export);

	ex->call = call;
	ex->format = format;
	ex->with_passwords = with_passwords;
	ex->on_piece = on_piece;
	call->state = ex;
	call->on_cancel = export_cancelled;
	call->result = cJSON_CreateObject();
	op_hold(&call->op);
	directory_user_list(a->directory, domain, export_on_names, call);
	return call;
}
