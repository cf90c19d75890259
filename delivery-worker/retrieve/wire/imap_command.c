/* Commands as they are sent, and what their refusal means. */
#include <openssl/crypto.h>
#include <string.h>

#include "delivery-worker/retrieve/wire/imap.h"
#include "lib/base/check.h"

void
imap_expect(struct imap *m, unsigned tag, enum imap_step step)
{
	CHECK(m->awaited_count < IMAP_AHEAD);
	m->awaited[m->awaited_count].tag = tag;
	m->awaited[m->awaited_count++].step = step;
}

void
imap_command(struct remote_box *b, enum imap_step step, const char *format, ...)
{
	struct buf command = BUF_EMPTY;
	va_list ap;

	va_start(ap, format);
	buf_vprintf(&command, format, ap);
	va_end(ap);
	imap_command_secret(b, step, &command);
	buf_fini(&command);
}

void
imap_command_secret(struct remote_box *b, enum imap_step step, struct buf *command)
{
	struct imap *m = b->imap;

	box_printf(b, "A%u ", ++m->next_tag);
	box_write(b, buf_str(command));
	box_write(b, STR("\r\n"));
	if (command->len > 0)
		OPENSSL_cleanse(command->data, command->len);
	imap_expect(m, m->next_tag, step);
}

bool
imap_add_quoted(struct buf *out, struct str text)
{
	buf_add_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		if (c == '\r' || c == '\n' || c == '\0')
			return false;
		if (c == '"' || c == '\\')
			buf_add_byte(out, '\\');
		buf_add_byte(out, c);
	}
	buf_add_byte(out, '"');
	return true;
}

unsigned
imap_add_set(struct buf *out, const uint32_t *uids, unsigned count, size_t max)
{
	size_t start = out->len;
	unsigned used = 0;

	while (used < count && out->len - start < max) {
		unsigned end = used;

		while (end + 1 < count && uids[end + 1] == uids[end] + 1)
			end++;
		buf_printf(out, used > 0 ? ",%u" : "%u", uids[used]);
		if (end > used)
			buf_printf(out, ":%u", uids[end]);
		used = end + 1;
	}
	return used;
}

/* ---- Failing ---- */
/* RFC 5530, 3: the server cannot now; it says nothing about the request. */
static bool
command_is_passing(struct str code)
{
	static const char *const codes[] = {"UNAVAILABLE", "INUSE", "IN-USE", "SERVERBUG", "LIMIT", NULL};

	for (const char *const *c = codes; *c != NULL; c++)
		if (str_eq_ci(code, str_c(*c)))
			return true;
	return false;
}

/* The code helps those who know it: "[AUTHENTICATIONFAILED] no". */
struct str
imap_words(struct imap *m, const struct imap_response *r)
{
	if (r->code.len == 0)
		return r->text;
	return str_c(arena_printf(&m->arena, "[%.*s] %.*s", STR_ARG(r->code), STR_ARG(r->text)));
}

void
imap_fail_status(struct remote_box *b, enum remote_trouble trouble, const struct imap_response *r, const char *what)
{
	struct str words = imap_words(b->imap, r);

	if (command_is_passing(r->code))
		trouble = REMOTE_UNAVAILABLE;
	if (trouble == REMOTE_REFUSED)
		op_refused(b, words, "%s is refused", what);
	else
		box_fail(b, trouble, words, "%s is refused", what);
}
