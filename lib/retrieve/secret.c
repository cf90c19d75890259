/* Sealed secrets of an account. */
#include "lib/base/check.h"
#include "lib/retrieve/account.h"

static const char *const secret_names[] = {
	[RETRIEVE_SECRET] = "secret",
	[RETRIEVE_CLIENT_SECRET] = "client secret",
	[RETRIEVE_ACCESS_TOKEN] = "access token",
};

void
retrieve_secret_context(struct str address, struct str id, enum retrieve_secret which, struct buf *out)
{
	CHECK(id.len != 0 && address.len != 0);
	buf_printf(out, "retrieve %.*s %.*s %s", STR_ARG(address), STR_ARG(id), secret_names[which]);
}

static void
secret_context(const struct retrieve_account *a, enum retrieve_secret which, struct buf *out)
{
	retrieve_secret_context(str_c(a->address), str_c(a->id), which, out);
}

static int
secret_check(struct str plain, enum retrieve_secret which, struct err *err)
{
	if (plain.len == 0)
		return err_set(err, ERR_INVALID, "the %s is empty", secret_names[which]);
	if (plain.len > RETRIEVE_SECRET_MAX)
		return err_set(err, ERR_INVALID, "the %s is longer than %d bytes", secret_names[which],
			       RETRIEVE_SECRET_MAX);
	for (size_t i = 0; i < plain.len; i++)
		if ((unsigned char)plain.p[i] < 0x20 || plain.p[i] == 0x7f)
			return err_set(err, ERR_INVALID, "the %s has a control character", secret_names[which]);
	return 0;
}

const char *
retrieve_seal(const struct secret_keys *keys, struct retrieve_account *a, enum retrieve_secret which, struct str plain,
	      struct arena *arena, struct err *err)
{
	struct buf context = BUF_EMPTY, sealed = BUF_EMPTY;
	const char *text = NULL;

	if (secret_check(plain, which, err) != 0)
		return NULL;
	if (keys == NULL) {
		err_set(err, ERR_DENIED, "no key for secrets is set (STAGEPOST_SECRET_KEY)");
		return NULL;
	}
	secret_context(a, which, &context);
	if (secret_seal(keys, buf_str(&context), plain, &sealed, err) == 0)
		text = arena_dup(arena, sealed.data, sealed.len);
	buf_fini(&context);
	buf_fini(&sealed);
	if (text != NULL && which == RETRIEVE_SECRET)
		a->secret = text;
	else if (text != NULL && which == RETRIEVE_CLIENT_SECRET)
		a->client_secret = text;
	return text;
}

int
retrieve_open(const struct secret_keys *keys, const struct retrieve_account *a, enum retrieve_secret which,
	      struct str sealed, struct buf *plain_out, struct err *err)
{
	struct buf context = BUF_EMPTY;
	int result;

	if (keys == NULL)
		return err_set(err, ERR_NOT_FOUND, "no key for secrets is set (STAGEPOST_SECRET_KEY)");
	secret_context(a, which, &context);
	result = secret_open(keys, buf_str(&context), sealed, plain_out, err);
	buf_fini(&context);
	return result;
}
