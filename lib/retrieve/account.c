#include "lib/retrieve/account.h"

#include <openssl/rand.h>
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/mailbox/name.h"

void
retrieve_account_init(struct retrieve_account *a, const char *address)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	unsigned char bytes[RETRIEVE_ID_LEN];

	CHECK(RAND_bytes(bytes, sizeof(bytes)) == 1);
	*a = (struct retrieve_account){
		.address = address,
		.host = "",
		.user = "",
		.secret = "",
		.into = "",
		.enabled = true,
		.created_ms = clock_unix_ms(),
		.token_url = "",
		.client_id = "",
		.client_secret = "",
		.scope = "",
	};
	for (unsigned i = 0; i < RETRIEVE_ID_LEN; i++)
		a->id[i] = letters[bytes[i] % 36];
}

bool
retrieve_id_is_valid(struct str id)
{
	for (size_t i = 0; i < id.len; i++)
		if (!((id.p[i] >= 'a' && id.p[i] <= 'z') || (id.p[i] >= '0' && id.p[i] <= '9')))
			return false;
	return id.len == RETRIEVE_ID_LEN;
}

const char *
retrieve_keep_text(const struct retrieve_account *a, char out[16])
{
	if (a->keep == RETRIEVE_DELETE_AFTER)
		snprintf(out, 16, "%ud", a->keep_days);
	else
		snprintf(out, 16, "%s", a->keep == RETRIEVE_DELETE ? "delete" : "keep");
	return out;
}

/* ---- As a whole ---- */

static uint16_t
account_usual_port(const struct retrieve_account *a)
{
	static const uint16_t ports[2][2] = {[RETRIEVE_POP3] = {995, 110}, [RETRIEVE_IMAP] = {993, 143}};

	return ports[a->protocol][a->tls == RETRIEVE_TLS_IMPLICIT ? 0 : 1];
}

static int
account_check_folders(const struct retrieve_account *a, struct err *err)
{
	if (a->protocol == RETRIEVE_POP3 && (a->folder_count != 0 || a->mirror))
		return err_set(err, ERR_INVALID, "folders: POP3 has no folders");
	if (a->mirror && a->folder_count != 0)
		return err_set(err, ERR_INVALID, "folders: mirror retrieves all; name no folder with it");
	for (unsigned i = 0; i < a->folder_count; i++)
		for (unsigned k = 0; k < i; k++)
			if (str_eq(str_c(a->folders[i]), str_c(a->folders[k])))
				return err_set(err, ERR_INVALID, "folders: %.100s is named twice", a->folders[i]);
	return 0;
}

static int
account_check_login(const struct retrieve_account *a, struct err *err)
{
	if (a->user[0] == '\0')
		return err_set(err, ERR_INVALID, "user: it is missing");
	if (a->auth != RETRIEVE_OAUTH2)
		return 0;
	if (a->tls == RETRIEVE_TLS_NONE)
		return err_set(err, ERR_INVALID, "tls: OAuth2 is not used without TLS");
	if (a->token_url[0] == '\0')
		return err_set(err, ERR_INVALID, "token_url: OAuth2 needs the URL of a token endpoint");
	if (a->client_id[0] == '\0')
		return err_set(err, ERR_INVALID, "client_id: OAuth2 needs one");
	return 0;
}

int
retrieve_account_check(struct retrieve_account *a, struct arena *arena, struct err *err)
{
	struct str into = str_c(a->into);

	if (a->host[0] == '\0')
		return err_set(err, ERR_INVALID, "host: it is missing");
	if (a->port == 0)
		a->port = account_usual_port(a);
	if (account_check_folders(a, err) != 0 || account_check_login(a, err) != 0)
		return -1;
	if (into.len != 0) {
		if (mailbox_name_check(into, arena, &into, err) != 0) {
			err_prefix(err, "into");
			return -1;
		}
		a->into = arena_dup(arena, into.p, into.len);
	}
	return 0;
}
