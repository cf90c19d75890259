/* CATENATE's URLs (RFC 4469, RFC 5092), relative to this server:
 * "/Drafts;UIDVALIDITY=12/;UID=20/;SECTION=1.2", or ";UID=20" in the selected
 * mailbox. The data is copied from one body to the other in pieces. */
#include <string.h>

#include "frontend/imap/append/append_private.h"
#include "lib/message/digest.h"
#include "lib/mailbox/mutf7.h"
#include "frontend/imap/fetch/section.h"
#include "lib/base/check.h"
#include "lib/base/hex.h"
#include "lib/base/mem.h"

enum { PIECE_BYTES = 64 * 1024 };

struct append_fetch {
	struct str url; /* as the client gave it */
	struct str mailbox;
	uint32_t uid_validity, uid;   /* uid_validity 0: not given */
	struct imap_section *section; /* NULL: the whole message */
	bool has_partial;
	uint64_t partial_offset, partial_length; /* length 0: to the end */
	uint32_t folder_id;
	struct mailbox_cold cold;
	struct message_digest digest;
	uint64_t offset, end; /* of the body, to be added */
};

void
append_fetch_free(struct append_fetch **f)
{
	if (*f == NULL)
		return;
	message_digest_fini(&(*f)->digest);
	mem_free(*f);
	*f = NULL;
}

static void
append_url_fail(struct imap_session *s, const char *why)
{
	struct append_fetch *f = s->append->fetch;
	char *text = arena_printf(&s->command.arena, "%.*s", STR_ARG(str_first(f->url, 500)));

	/* The text is put between brackets on one line. */
	for (char *p = text; *p != '\0'; p++)
		if (*p == ']' || *p == '\r' || *p == '\n')
			*p = '?';
	append_refuse(s->append, IMAP_NO, arena_printf(&s->command.arena, "[BADURL %s] %s", text, why));
	append_fetch_free(&s->append->fetch);
	append_go_on(s);
}

static void
append_url_bad(struct imap_session *s)
{
	append_url_fail(s, "it names no message here");
}

/* ---- Parsing the URL ---- */

/* Decodes %XX; false: malformed, or an unprintable byte. */
static bool
append_url_decode(struct arena *arena, struct str text, struct str *out)
{
	char *to = arena_alloc(arena, text.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		int high, low;
		if (text.p[i] != '%') {
			to[len++] = text.p[i];
			continue;
		}
		if (i + 2 >= text.len)
			return false;
		high = hex_value(text.p[i + 1]);
		low = hex_value(text.p[i + 2]);
		if (high < 0 || low < 0 || high * 16 + low < ' ')
			return false;
		to[len++] = (char)(high * 16 + low);
		i += 2;
	}
	*out = str_of(to, len);
	return true;
}

static bool
append_url_take_number(struct str text, uint32_t *out)
{
	uint64_t value;

	if (!str_to_u64(text, &value) || value == 0 || value > UINT32_MAX)
		return false;
	*out = (uint32_t)value;
	return true;
}

/* Uses the grammar of FETCH. */
static bool
append_url_take_section(struct imap_session *s, struct str text, struct append_fetch *f)
{
	char *item = arena_printf(&s->command.arena, "BODY.PEEK[%.*s]", STR_ARG(text));
	struct imap_fetch_items items;
	struct imap_lexer lex;

	imap_lex_init(&lex, str_c(item), &s->command.arena, false);
	if (!imap_parse_fetch(&lex, &items) || items.section_count != 1 || items.items != 0)
		return false;
	f->section = items.sections;
	return true;
}

/* "0.1024" */
static bool
append_url_take_partial(struct str text, struct append_fetch *f)
{
	struct str first, second;
	bool has_length = str_cut(text, '.', &first, &second);

	f->has_partial = true;
	return str_to_u64(first, &f->partial_offset) &&
	       (!has_length || (str_to_u64(second, &f->partial_length) && f->partial_length != 0));
}

/* One ";NAME=value" of the path. */
static bool
append_url_take_parameter(struct imap_session *s, struct str text, struct append_fetch *f)
{
	struct str name, value;

	if (!str_cut(text, '=', &name, &value) || !append_url_decode(&s->command.arena, value, &value))
		return false;
	if (str_eq_ci(name, STR("UIDVALIDITY")))
		return append_url_take_number(value, &f->uid_validity);
	if (str_eq_ci(name, STR("UID")))
		return append_url_take_number(value, &f->uid);
	if (str_eq_ci(name, STR("SECTION")))
		return append_url_take_section(s, value, f);
	return str_eq_ci(name, STR("PARTIAL")) && append_url_take_partial(value, f);
}

static bool
append_url_take_mailbox(struct imap_session *s, struct str text, struct append_fetch *f)
{
	struct buf normal = BUF_EMPTY;
	bool ok;

	if (text.len > 0 && text.p[text.len - 1] == '/')
		text.len--;
	if (text.len == 0 || !append_url_decode(&s->command.arena, text, &text))
		return text.len == 0;
	ok = mailbox_nfc(text, &normal);
	if (ok)
		f->mailbox = arena_str(&s->command.arena, buf_str(&normal));
	buf_fini(&normal);
	return ok;
}

static bool
append_url_take(struct imap_session *s, struct str url, struct append_fetch *f)
{
	struct str rest = url, piece;
	bool more;

	if (str_starts(rest, STR("/")))
		rest = str_from(rest, 1);
	else if (!str_starts(rest, STR(";")))
		return false;
	more = str_cut(rest, ';', &piece, &rest);
	if (!append_url_take_mailbox(s, piece, f))
		return false;
	while (more) {
		more = str_cut(rest, ';', &piece, &rest);
		if (piece.len > 0 && piece.p[piece.len - 1] == '/')
			piece.len--;
		if (!append_url_take_parameter(s, piece, f))
			return false;
	}
	return f->uid != 0 && (f->mailbox.len != 0 || s->view != NULL);
}

/* ---- Adding the data ---- */

static void append_url_add_more(struct imap_session *s);

static void
append_url_on_room(void *arg)
{
	append_url_add_more(arg);
}

static void
append_url_on_piece(void *arg, const char *data, size_t len, const struct err *err)
{
	struct imap_session *s = arg;
	struct append_fetch *f;

	if (!session_back(&s->base))
		return;
	f = s->append->fetch;
	if (err != NULL || len == 0) {
		append_url_fail(s, "the message cannot be read");
		return;
	}
	f->offset += len;
	if (!append_add(s->append, data, len)) {
		append_fetch_free(&s->append->fetch);
		append_go_on(s);
	} else if (blob_append_backlog(s->append->body) > BLOB_BACKLOG_BYTES) {
		blob_append_wait_room(s->append->body, append_url_on_room, s);
	} else {
		append_url_add_more(s);
	}
}

static void
append_url_add_more(struct imap_session *s)
{
	struct append_fetch *f = s->append->fetch;
	uint64_t left = f->end - f->offset;

	if (left == 0) {
		append_fetch_free(&s->append->fetch);
		append_go_on(s);
		return;
	}
	session_hold(&s->base);
	blob_read(conn_frontend(s->conn)->service->blobs, &f->cold.body, f->offset,
		  left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, append_url_on_piece, s);
}

static void
append_url_add_extent(struct imap_session *s, uint64_t start, uint64_t end)
{
	struct append_fetch *f = s->append->fetch;

	if (f->has_partial) {
		start = end - start > f->partial_offset ? start + f->partial_offset : end;
		if (f->partial_length != 0 && end - start > f->partial_length)
			end = start + f->partial_length;
	}
	f->offset = start;
	f->end = end;
	append_url_add_more(s);
}

/* HEADER.FIELDS: the bytes are not contiguous in the message. */
static void
append_url_on_header(void *arg, const char *data, size_t len, const struct err *err)
{
	struct imap_session *s = arg;
	struct buf fields = BUF_EMPTY;

	if (!session_back(&s->base))
		return;
	if (err != NULL) {
		append_url_fail(s, "the message cannot be read");
		return;
	}
	imap_section_filter(s->append->fetch->section, str_of(data, len), &fields);
	append_add(s->append, fields.data, fields.len);
	buf_fini(&fields);
	append_fetch_free(&s->append->fetch);
	append_go_on(s);
}

static void
append_url_on_digest(void *arg, const struct err *err)
{
	struct imap_session *s = arg;
	struct append_fetch *f = s->append->fetch;
	struct imap_extent extent;

	if (err != NULL || !imap_section_find(f->section, &f->digest.digest, f->cold.body.length, &extent)) {
		append_url_bad(s);
	} else if (extent.is_header) {
		uint64_t len = extent.end - extent.start;
		session_hold(&s->base);
		blob_read(conn_frontend(s->conn)->service->blobs, &f->cold.body, extent.start,
			  len < BLOB_READ_MAX ? (size_t)len : BLOB_READ_MAX, append_url_on_header, s);
	} else {
		append_url_add_extent(s, extent.start, extent.end);
	}
}

static void
append_url_on_record(void *arg, const struct mailbox_records *records, const struct err *err)
{
	struct imap_session *s = arg;
	struct append_fetch *f;

	if (!session_back(&s->base))
		return;
	f = s->append->fetch;
	if (err != NULL || records->count == 0 || records->cold == NULL) {
		append_url_bad(s);
		return;
	}
	mailbox_cold_unpack(records->cold, &f->cold);
	if (f->section == NULL || imap_section_is_whole(f->section))
		append_url_add_extent(s, 0, f->cold.body.length);
	else
		message_digest_load(&s->command,
				    &(struct message_place){.blobs = conn_frontend(s->conn)->service->blobs}, &f->cold,
				    &f->digest, append_url_on_digest, s);
}

static void
append_url_read_record(struct imap_session *s, uint32_t folder_id, uint32_t uid_validity)
{
	struct append_fetch *f = s->append->fetch;

	if (f->uid_validity != 0 && f->uid_validity != uid_validity) {
		imap_later(s, append_url_bad);
		return;
	}
	session_hold(&s->base);
	mailbox_read(imap_store(s), imap_address(s), folder_id, f->uid, f->uid, MAILBOX_HOT | MAILBOX_COLD, 0,
		     append_url_on_record, s);
}

static void
append_url_on_folder(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct imap_session *s = arg;

	if (!session_back(&s->base))
		return;
	if (err != NULL)
		append_url_bad(s);
	else
		append_url_read_record(s, folder->id, folder->uid_validity);
}

void
append_fetch_url(struct imap_session *s, struct str url)
{
	struct append_fetch *f = mem_new(struct append_fetch);

	CHECK(s->append->fetch == NULL);
	s->append->fetch = f;
	f->url = url;
	if (!append_url_take(s, url, f)) {
		imap_later(s, append_url_bad);
	} else if (f->mailbox.len == 0) {
		append_url_read_record(s, s->view->index->folder_id, s->view->index->folder.uid_validity);
	} else {
		session_hold(&s->base);
		mailbox_open(imap_store(s), imap_address(s), f->mailbox, append_url_on_folder, s);
	}
}
