/* The fields of an account as people and scripts write them: one table. */
#include <stdio.h>

#include "lib/base/host_port.h"
#include "lib/base/utf8.h"
#include "lib/net/web.h"
#include "lib/retrieve/account.h"

enum { INTERVAL_MIN_MS = 1000 };

static const char *const protocol_words[] = {"pop3", "imap", NULL};
static const char *const tls_words[] = {"implicit", "starttls", "none", NULL};
static const char *const auth_words[] = {"password", "oauth2", NULL};
static const char *const certificate_words[] = {"verify", "any", NULL};
static const char *const switch_words[] = {"off", "on", NULL};

const char *
retrieve_protocol_name(enum retrieve_protocol p)
{
	return protocol_words[p];
}

const char *
retrieve_tls_name(enum retrieve_tls t)
{
	return tls_words[t];
}

const char *
retrieve_auth_name(enum retrieve_auth a)
{
	return auth_words[a];
}

/* The index of the word; -1 and an error that lists them. */
static int
field_word(struct str value, const char *const *words, struct err *err)
{
	struct buf all = BUF_EMPTY;

	for (int i = 0; words[i] != NULL; i++)
		if (str_eq_ci(value, str_c(words[i])))
			return i;
	for (int i = 0; words[i] != NULL; i++)
		buf_printf(&all, "%s%s", i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ", words[i]);
	err_set(err, ERR_INVALID, "it is %s", all.data);
	buf_fini(&all);
	return -1;
}

/* "5m", "90s", "1h", "7d"; a bare number is in seconds. False: not one. */
static bool
field_duration(struct str value, int64_t *ms_out)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = {{'s', 1000}, {'m', 60 * 1000}, {'h', 3600 * 1000}, {'d', 24 * 3600 * 1000}};
	int64_t factor = 1000, number;

	for (size_t i = 0; value.len != 0 && i < sizeof(units) / sizeof(units[0]); i++)
		if (value.p[value.len - 1] == units[i].unit) {
			value.len--;
			factor = units[i].ms;
			break;
		}
	if (!str_to_i64(value, &number) || number < 0 || number > INT64_C(1) << 40)
		return false;
	*ms_out = number * factor;
	return true;
}

/* ---- One function a kind of value ---- */

struct field_value {
	struct str text; /* checked: UTF-8 without control characters; in the arena, with a NUL */
	struct arena *arena;
};

#define FIELD_WORD(field, member, words, type) \
	static int field_##field(struct retrieve_account *a, struct field_value v, struct err *err) \
	{ \
		int word = field_word(v.text, words, err); \
		if (word >= 0) \
			a->member = (type)word; \
		return word >= 0 ? 0 : -1; \
	}
FIELD_WORD(protocol, protocol, protocol_words, enum retrieve_protocol)
FIELD_WORD(tls, tls, tls_words, enum retrieve_tls)
FIELD_WORD(auth, auth, auth_words, enum retrieve_auth)
FIELD_WORD(certificate, any_certificate, certificate_words, bool)
FIELD_WORD(mirror, mirror, switch_words, bool)
FIELD_WORD(enabled, enabled, switch_words, bool)
FIELD_WORD(once, once, switch_words, bool)

#define FIELD_TEXT(field) \
	static int field_##field(struct retrieve_account *a, struct field_value v, struct err *err) \
	{ \
		(void)err; \
		a->field = v.text.p; \
		return 0; \
	}
FIELD_TEXT(user)
FIELD_TEXT(into)
FIELD_TEXT(client_id)
FIELD_TEXT(scope)

static int
field_host(struct retrieve_account *a, struct field_value v, struct err *err)
{
	struct ip ip;
	char *host;

	/* One host has one name: connections to it are counted by that. */
	if (v.text.len > 1 && v.text.p[v.text.len - 1] == '.')
		v.text.len--;
	host = arena_dup(v.arena, v.text.p, v.text.len);
	if (!ip_parse(v.text, &ip) && (!host_name_is_valid(v.text) || v.text.len > 253))
		return err_set(err, ERR_INVALID, "'%.100s' is neither the name of a host nor an IP address", host);
	str_lower(host, v.text.len);
	a->host = host;
	return 0;
}

static int
field_port(struct retrieve_account *a, struct field_value v, struct err *err)
{
	uint64_t port;

	if (!str_to_u64(v.text, &port) || port == 0 || port > UINT16_MAX)
		return err_set(err, ERR_INVALID, "it is a number from 1 to 65535");
	a->port = (uint16_t)port;
	return 0;
}

static int
field_folder(struct retrieve_account *a, struct field_value v, struct err *err)
{
	const char **folders;

	if (v.text.len == 0)
		return err_set(err, ERR_INVALID, "its name is empty");
	if (a->folder_count == RETRIEVE_FOLDERS_MAX)
		return err_set(err, ERR_INVALID, "there are more than %d", RETRIEVE_FOLDERS_MAX);
	folders = arena_array(v.arena, const char *, a->folder_count + 1);
	for (unsigned i = 0; i < a->folder_count; i++)
		folders[i] = a->folders[i];
	folders[a->folder_count] = v.text.p;
	a->folders = folders;
	a->folder_count++;
	return 0;
}

static int
field_folders(struct retrieve_account *a, struct field_value v, struct err *err)
{
	if (v.text.len != 0)
		return err_set(err, ERR_INVALID, "each is a field 'folder'");
	a->folder_count = 0;
	return 0;
}

static int
field_keep(struct retrieve_account *a, struct field_value v, struct err *err)
{
	const int64_t day_ms = INT64_C(24) * 3600 * 1000;
	int64_t ms;

	if (str_eq_ci(v.text, STR("keep")))
		a->keep = RETRIEVE_KEEP;
	else if (str_eq_ci(v.text, STR("delete")))
		a->keep = RETRIEVE_DELETE;
	else if (field_duration(v.text, &ms) && ms >= day_ms && ms <= RETRIEVE_KEEP_DAYS_MAX * day_ms &&
		 ms % day_ms == 0) {
		a->keep = RETRIEVE_DELETE_AFTER;
		a->keep_days = (unsigned)(ms / day_ms);
	} else
		return err_set(err, ERR_INVALID, "it is keep, delete, or whole days as 7d, at most %dd",
			       RETRIEVE_KEEP_DAYS_MAX);
	return 0;
}

static int
field_interval(struct retrieve_account *a, struct field_value v, struct err *err)
{
	const int64_t max_ms = INT64_C(30) * 24 * 3600 * 1000;
	int64_t ms = 0;

	if (v.text.len != 0 && (!field_duration(v.text, &ms) || ms < INTERVAL_MIN_MS || ms > max_ms))
		return err_set(err, ERR_INVALID, "it is a duration as 5m, from 1s to 30d");
	a->interval_ms = ms;
	return 0;
}

static int
field_token_url(struct retrieve_account *a, struct field_value v, struct err *err)
{
	struct str host;
	uint16_t port;

	if (!web_url_host(v.text, &host, &port))
		return err_set(err, ERR_INVALID, "it is an https URL");
	a->token_url = v.text.p;
	return 0;
}

/* ---- The table ---- */

typedef int field_set(struct retrieve_account *a, struct field_value v, struct err *err);

#define FIELD(name) \
	{ \
		STR(#name), field_##name \
	}
static const struct {
	struct str name;
	field_set *set;
} fields[] = {
	FIELD(protocol), FIELD(host),	 FIELD(port),	 FIELD(tls),	FIELD(certificate), FIELD(user),
	FIELD(auth),	 FIELD(folder),	 FIELD(folders), FIELD(mirror), FIELD(keep),	    FIELD(into),
	FIELD(interval), FIELD(enabled), FIELD(once),	 FIELD(scope),	FIELD(client_id),   FIELD(token_url),
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

bool
retrieve_field_is_known(struct str field)
{
	for (unsigned i = 0; i < FIELDS; i++)
		if (str_eq(fields[i].name, field))
			return true;
	return false;
}

static int
field_check_text(struct str text, struct err *err)
{
	if (text.len > RETRIEVE_TEXT_MAX)
		return err_set(err, ERR_INVALID, "it is longer than %d bytes", RETRIEVE_TEXT_MAX);
	if (!str_is_utf8(text))
		return err_set(err, ERR_INVALID, "it is not UTF-8");
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
			return err_set(err, ERR_INVALID, "it has a control character");
	/* It goes to terminals, and into headers of mail. */
	if (utf8_has_hidden(text))
		return err_set(err, ERR_INVALID, "it has a character that is not visible");
	return 0;
}

int
retrieve_account_set(struct retrieve_account *a, struct str field, struct str value, struct arena *arena,
		     struct err *err)
{
	for (unsigned i = 0; i < FIELDS; i++) {
		struct field_value v = {arena_str(arena, value), arena};
		if (!str_eq(fields[i].name, field))
			continue;
		if (v.text.p == NULL)
			v.text = STR("");
		if (field_check_text(value, err) == 0 && fields[i].set(a, v, err) == 0)
			return 0;
		err_prefix(err, "%.*s", STR_ARG(field));
		return -1;
	}
	return err_set(err, ERR_NOT_FOUND, "%.*s: there is no such field", (int)(field.len < 50 ? field.len : 50),
		       field.p != NULL ? field.p : "");
}
