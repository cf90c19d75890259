#include "lib/admin/secrets_place.h"

#include <stdio.h>

#include "lib/acme/store.h"
#include "lib/admin/secrets_table.h"
#include "lib/auth/auth.h"
#include "lib/base/mem.h"
#include "lib/retrieve/account.h"

/* ---- Contexts ---- */

static void
secrets_totp_context(const struct str *parts, struct str field, struct buf *out)
{
	char context[AUTH_TOTP_CONTEXT_MAX];

	(void)field;
	auth_totp_context(parts[0], context);
	buf_add_c(out, context);
}

static void
secrets_account_context(const struct str *parts, struct str field, struct buf *out)
{
	(void)parts;
	acme_key_context("account", field, out);
}

static void
secrets_certificate_context(const struct str *parts, struct str field, struct buf *out)
{
	(void)field;
	acme_key_context("certificate", parts[0], out);
}

static void
secrets_remote_context(const struct str *parts, struct str field, struct buf *out)
{
	retrieve_secret_context(parts[0], field, RETRIEVE_SECRET, out);
}

static void
secrets_client_context(const struct str *parts, struct str field, struct buf *out)
{
	retrieve_secret_context(parts[0], field, RETRIEVE_CLIENT_SECRET, out);
}

static void
secrets_access_context(const struct str *parts, struct str field, struct buf *out)
{
	(void)field;
	retrieve_secret_context(parts[0], parts[1], RETRIEVE_ACCESS_TOKEN, out);
}

#define SECRETS_ROW(key, form, member, context, what, sealers) {KEY_##key, SECRETS_##form, member, context, what},
const struct secrets_place secrets_places[] = {SECRET_PLACES(SECRETS_ROW)};
const unsigned secrets_place_count = sizeof(secrets_places) / sizeof(secrets_places[0]);

/* ---- Keys ---- */

bool
secrets_place_is_many(const struct secrets_place *p)
{
	return p->form == SECRETS_JSON || p->form == SECRETS_ACCOUNT;
}

void
secrets_place_glob(const struct secrets_place *p, char out[SECRETS_GLOB_MAX])
{
	struct str rest = str_c(redis_key_pattern(p->key)), piece, name;
	size_t len = 0;

	while (str_cut(rest, '<', &piece, &rest)) {
		str_cut(rest, '>', &name, &rest);
		len += (size_t)snprintf(out + len, SECRETS_GLOB_MAX - len, "%.*s*", STR_ARG(piece));
	}
	snprintf(out + len, SECRETS_GLOB_MAX - len, "%.*s", STR_ARG(piece));
}

/* Where `text` begins last; 0: nowhere else. */
static size_t
secrets_last(struct str key, struct str text)
{
	for (size_t at = key.len - text.len; at > 0 && key.len >= text.len; at--)
		if (str_starts(str_from(key, at), text))
			return at;
	return 0;
}

/* From the right: only the first part may be any text. */
static void
secrets_cut_key(const char *pattern, struct str key, struct str parts[SECRETS_PARTS_MAX])
{
	struct str rest = str_c(pattern), before;
	unsigned count = 0;

	for (size_t i = 0; i < rest.len; i++)
		count += rest.p[i] == '<';
	while (count-- > 0) {
		key = str_first(key, key.len - (rest.len - (size_t)str_rindex(rest, '>') - 1));
		rest = str_first(rest, (size_t)str_rindex(rest, '<'));
		before = str_from(rest, (size_t)(str_rindex(rest, '>') + 1));
		rest = str_first(rest, rest.len - before.len);
		parts[count] = str_from(key, (count == 0 ? 0 : secrets_last(key, before)) + before.len);
		key = str_first(key, key.len - parts[count].len - before.len);
	}
}

void
secrets_place_context(const struct secrets_place *p, struct str key, struct str field, struct buf *out)
{
	struct str parts[SECRETS_PARTS_MAX] = {STR_NONE, STR_NONE};

	secrets_cut_key(redis_key_pattern(p->key), key, parts);
	p->context(parts, field, out);
}

/* ---- Values ---- */

/* The member of a remote account. */
static const char **
secrets_member(const struct secrets_place *p, struct retrieve_account *a)
{
	return strcmp(p->member, "secret") == 0 ? &a->secret : &a->client_secret;
}

static bool
secrets_take_account(const struct secrets_place *p, struct str value, struct buf *out)
{
	struct retrieve_account account;
	struct arena arena;
	bool is_whole;

	arena_init(&arena);
	is_whole = retrieve_account_unpack(value, &arena, &account, NULL) == 0;
	if (is_whole)
		buf_add_c(out, *secrets_member(p, &account));
	arena_fini(&arena);
	return is_whole;
}

static void
secrets_put_account(const struct secrets_place *p, struct str value, struct str sealed, struct buf *out)
{
	struct retrieve_account account;
	struct arena arena;

	arena_init(&arena);
	if (retrieve_account_unpack(value, &arena, &account, NULL) == 0) {
		*secrets_member(p, &account) = arena_dup(&arena, sealed.p, sealed.len);
		retrieve_account_pack(&account, out);
	}
	arena_fini(&arena);
}

static bool
secrets_take_json(const struct secrets_place *p, struct str value, struct buf *out)
{
	cJSON *object = cJSON_ParseWithLength(value.p != NULL ? value.p : "", value.len);
	bool is_whole = cJSON_IsObject(object);

	if (is_whole)
		buf_add_c(out, acme_text_of(object, p->member));
	cJSON_Delete(object);
	return is_whole;
}

static void
secrets_put_json(const struct secrets_place *p, struct str value, struct str sealed, struct buf *out)
{
	cJSON *object = cJSON_ParseWithLength(value.p, value.len);
	char *text = str_dup(sealed);

	cJSON_ReplaceItemInObjectCaseSensitive(object, p->member, cJSON_CreateString(text));
	mem_free(text);
	text = cJSON_PrintUnformatted(object);
	buf_add_c(out, text);
	cJSON_free(text);
	cJSON_Delete(object);
}

bool
secrets_place_is_first(const struct secrets_place *p)
{
	return p == secrets_places || p[-1].key != p->key;
}

bool
secrets_place_take(const struct secrets_place *p, struct str value, struct buf *out)
{
	switch (p->form) {
	case SECRETS_VALUE:
	case SECRETS_FIELD: buf_add_str(out, value); break;
	case SECRETS_JSON: return secrets_take_json(p, value, out);
	case SECRETS_ACCOUNT: return secrets_take_account(p, value, out);
	}
	return true;
}

void
secrets_place_put(const struct secrets_place *p, struct str value, struct str sealed, struct buf *out)
{
	switch (p->form) {
	case SECRETS_VALUE:
	case SECRETS_FIELD: buf_add_str(out, sealed); break;
	case SECRETS_JSON: secrets_put_json(p, value, sealed, out); break;
	case SECRETS_ACCOUNT: secrets_put_account(p, value, sealed, out); break;
	}
}
