/* The digest of a message: built from its parts, read through offsets.
 *
 * Record, little-endian:
 *    0  u32  magic, with the version
 *    4  u32  bytes in all
 *    8  u32  CRC-32 of all that follows
 *   12  u32  header bytes
 *   16  i64  Date:, unix seconds; INT64_MIN: none
 *   24  i16  zone minutes   26 u16 1: Subject or Message-ID is repeated
 *   28  u32  number of parts
 *   32  DIGEST_TEXTS x (u32 offset, u32 length)
 *   ..  parts, PART_BYTES each
 *   ..  texts */
#include "lib/mime/digest.h"

#include <zlib.h>

#include "lib/base/bytes.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/mime/address.h"
#include "lib/mime/parser.h"
#include "lib/mime/structure.h"
#include "lib/mime/word.h"

enum {
	MAGIC = 0x32445053, /* "SPD2"; changed whenever the digest of the same message would be different */
	AT_TOTAL = 4,
	AT_CRC = 8,
	AT_CRC_FROM = 12,
	AT_HEADER_BYTES = 12,
	AT_DATE = 16,
	AT_ZONE = 24,
	AT_REPEATS = 26,
	AT_PARTS = 28,
	AT_TEXTS = 32,
	FIXED_BYTES = AT_TEXTS + DIGEST_TEXTS * 8,
	/* parent u32, number u32, kind u8, encoding u8, is_text u8, PART_ bits u8,
	 * header_start u48, body_start u48, body_end u48, charset offset u32,
	 * charset length u16 */
	PART_BYTES = 36,
};

enum { PART_PLAIN = 1, PART_HTML = 2, PART_ATTACHMENT = 4 };

struct mime_digest_builder {
	struct mime_parser *parser; /* owner */
};

struct mime_digest_builder *
mime_digest_begin(void)
{
	struct mime_digest_builder *b = mem_new(struct mime_digest_builder);

	b->parser = mime_parser_new();
	return b;
}

void
mime_digest_feed(struct mime_digest_builder *b, struct str piece)
{
	mime_parser_feed(b->parser, piece);
}

void
mime_digest_abort(struct mime_digest_builder **bp)
{
	if (*bp == NULL)
		return;
	mime_parser_free(&(*bp)->parser);
	mem_free(*bp);
	*bp = NULL;
}

/* ---- Writing ---- */

struct writer {
	struct buf *out;
	size_t start; /* of the record in out */
	struct arena *arena;
};

static char *
record_at(const struct writer *w, size_t offset)
{
	return w->out->data + w->start + offset;
}

/* What was appended since `from` becomes this text. */
static void
note_text(struct writer *w, enum mime_digest_text text, size_t from)
{
	bytes_put_u32(record_at(w, AT_TEXTS + (size_t)text * 8), (uint32_t)(from - w->start));
	bytes_put_u32(record_at(w, AT_TEXTS + (size_t)text * 8 + 4), (uint32_t)(w->out->len - from));
}

static void
digest_add_text(struct writer *w, enum mime_digest_text text, struct str s)
{
	size_t from = w->out->len;

	buf_add_str(w->out, s);
	note_text(w, text, from);
}

static enum mime_encoding
encoding_of(const struct mime_part *part, struct arena *arena)
{
	static const char *const names[] = {"7bit", "8bit", "binary", "quoted-printable", "base64"};
	struct mime_value value;
	struct str raw;

	if (!mime_find_field(part->header, "Content-Transfer-Encoding", &raw))
		return MIME_7BIT;
	mime_parse_value(raw, arena, &value);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(value.main, str_c(names[i])))
			return (enum mime_encoding)i;
	return value.main.len == 0 ? MIME_7BIT : MIME_OTHER_ENCODING;
}

static uint8_t
part_bits(const struct mime_part *part, struct arena *arena)
{
	bool is_text = str_eq(part->type.main, STR("text"));
	uint8_t bits = is_text && str_eq(part->type.sub, STR("plain"))	? PART_PLAIN
		       : is_text && str_eq(part->type.sub, STR("html")) ? PART_HTML
									: 0;
	struct mime_value disposition;
	struct str raw;

	if (!mime_find_field(part->header, "Content-Disposition", &raw))
		return bits;
	mime_parse_value(raw, arena, &disposition);
	return str_eq(disposition.main, STR("attachment")) ? bits | PART_ATTACHMENT : bits;
}

/* Parts are in the order of their index: a parent comes before its children. */
static void
write_parts(struct writer *w, const struct mime_part *part, uint32_t number, size_t table)
{
	char *at = w->out->data + table + (size_t)part->index * PART_BYTES;
	struct str charset = mime_param_find(&part->type, "charset");
	uint32_t child_number = 1;

	if (charset.len > 100)
		charset = STR_NONE;
	bytes_put_u32(at, part->parent != NULL ? part->parent->index : 0);
	bytes_put_u32(at + 4, number);
	at[8] = (char)part->kind;
	at[9] = (char)encoding_of(part, w->arena);
	at[10] = str_eq(part->type.main, STR("text"));
	at[11] = (char)part_bits(part, w->arena);
	bytes_put_u48(at + 12, part->header_start);
	bytes_put_u48(at + 18, part->body_start);
	bytes_put_u48(at + 24, part->body_end);
	bytes_put_u32(at + 30, (uint32_t)(w->out->len - w->start));
	bytes_put_u16(at + 34, (uint16_t)charset.len);
	buf_add_str(w->out, charset);
	for (const struct mime_part *child = part->first_child; child != NULL; child = child->next)
		write_parts(w, child, child_number++, table);
}

/* From all fields of that name: there should be one, but not all senders comply. */
static const struct mime_address *
addresses_of(struct str header, const char *name, struct arena *arena)
{
	struct mime_address *list = NULL, **tail = &list;
	struct mime_field field;

	while (mime_next_field(&header, &field)) {
		if (!str_eq_ci(field.name, str_c(name)))
			continue;
		*tail = mime_parse_addresses(field.value, arena);
		while (*tail != NULL)
			tail = &(*tail)->next;
	}
	return list;
}

/* "Name <box@host>, ..." decoded. */
static void
add_address_texts(struct writer *w, const struct mime_address *list, enum mime_digest_text all, int box, int display)
{
	const struct mime_address *first = list;
	size_t from = w->out->len;

	for (const struct mime_address *a = list; a != NULL; a = a->next) {
		struct str name = mime_decode_words(a->name, w->arena);
		if (a->kind == MIME_GROUP_END)
			continue;
		if (w->out->len != from)
			buf_add_str(w->out, STR(", "));
		buf_add_str(w->out, name);
		if (a->kind == MIME_MAILBOX) {
			struct str mailbox = mime_to_utf8(STR_NONE, a->mailbox, w->arena);
			struct str host = mime_to_utf8(STR_NONE, a->host, w->arena);
			buf_printf(w->out, "%s<%.*s@%.*s>", name.len != 0 ? " " : "", STR_ARG(mailbox), STR_ARG(host));
		}
	}
	note_text(w, all, from);
	if (box >= 0)
		digest_add_text(w, (enum mime_digest_text)box,
				first == NULL		      ? STR_NONE
				: first->kind == MIME_MAILBOX ? first->mailbox
							      : first->name);
	if (display >= 0 && first != NULL) {
		struct str name = mime_decode_words(first->name, w->arena);
		if (name.len == 0)
			name = str_c(
				arena_printf(w->arena, "%.*s@%.*s", STR_ARG(first->mailbox), STR_ARG(first->host)));
		digest_add_text(w, (enum mime_digest_text)display, name);
	}
}

static void
add_references(struct writer *w, struct str header)
{
	static const char *const fields[] = {"References", "In-Reply-To"};
	size_t from = w->out->len;

	for (unsigned i = 0; i < 2 && w->out->len == from; i++) {
		struct str raw, id;
		unsigned count = 0;
		mime_find_field(header, fields[i], &raw);
		while (count++ < 1000 && mime_next_msg_id(&raw, &id)) {
			if (w->out->len != from)
				buf_add_byte(w->out, ' ');
			buf_add_str(w->out, mime_unfold(id, w->arena));
		}
	}
	note_text(w, DIGEST_REFERENCES, from);
}

static bool
has_several(struct str header, const char *name)
{
	struct mime_field field;
	unsigned count = 0;

	while (count < 2 && mime_next_field(&header, &field))
		count += str_eq_ci(field.name, str_c(name));
	return count == 2;
}

static void
add_header_texts(struct writer *w, struct str header)
{
	static const struct {
		const char *field;
		enum mime_digest_text all;
		int box, display;
	} addresses[] = {{"From", DIGEST_FROM, DIGEST_FROM_BOX, DIGEST_FROM_DISPLAY},
			 {"To", DIGEST_TO, DIGEST_TO_BOX, DIGEST_TO_DISPLAY},
			 {"Cc", DIGEST_CC, DIGEST_CC_BOX, -1},
			 {"Bcc", DIGEST_BCC, -1, -1}};
	struct str raw, id;
	int zone;
	int64_t date;

	for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		const struct mime_address *list = addresses_of(header, addresses[i].field, w->arena);
		add_address_texts(w, list, addresses[i].all, addresses[i].box, addresses[i].display);
	}
	if (mime_find_field(header, "Subject", &raw))
		digest_add_text(w, DIGEST_SUBJECT, mime_decode_words(mime_unfold(raw, w->arena), w->arena));
	mime_find_field(header, "Message-ID", &raw);
	if (mime_next_msg_id(&raw, &id))
		digest_add_text(w, DIGEST_MESSAGE_ID, mime_unfold(id, w->arena));
	bytes_put_u16(record_at(w, AT_REPEATS), has_several(header, "Subject") || has_several(header, "Message-ID"));
	add_references(w, header);
	mime_find_field(header, "Date", &raw);
	if (mime_parse_date(raw, &date, &zone)) {
		bytes_put_u64(record_at(w, AT_DATE), (uint64_t)date);
		bytes_put_u16(record_at(w, AT_ZONE), (uint16_t)(int16_t)zone);
	}
}

void
mime_digest_end(struct mime_digest_builder **bp, struct buf *out)
{
	struct mime_parser *parser = (*bp)->parser;
	struct mime_part *root = mime_parser_end(parser);
	unsigned parts = mime_parser_part_count(parser);
	struct writer w = {.out = out, .start = out->len, .arena = mime_parser_arena(parser)};
	size_t fixed = FIXED_BYTES + (size_t)parts * PART_BYTES, from;

	memset(buf_reserve(out, fixed), 0, fixed);
	out->len += fixed;
	bytes_put_u32(record_at(&w, 0), MAGIC);
	bytes_put_u32(record_at(&w, AT_HEADER_BYTES),
		      (uint32_t)(root->body_start < UINT32_MAX ? root->body_start : UINT32_MAX));
	bytes_put_u64(record_at(&w, AT_DATE), (uint64_t)INT64_MIN);
	bytes_put_u32(record_at(&w, AT_PARTS), parts);
	from = out->len;
	mime_write_envelope(root->header, w.arena, out);
	note_text(&w, DIGEST_ENVELOPE, from);
	from = out->len;
	mime_write_structure(root, false, w.arena, out);
	note_text(&w, DIGEST_BODY, from);
	from = out->len;
	mime_write_structure(root, true, w.arena, out);
	note_text(&w, DIGEST_BODYSTRUCTURE, from);
	add_header_texts(&w, root->header);
	write_parts(&w, root, 1, w.start + FIXED_BYTES);
	bytes_put_u32(record_at(&w, AT_TOTAL), (uint32_t)(out->len - w.start));
	bytes_put_u32(record_at(&w, AT_CRC), (uint32_t)crc32(0, (const Bytef *)record_at(&w, AT_CRC_FROM),
							     (uInt)(out->len - w.start - AT_CRC_FROM)));
	mime_digest_abort(bp);
}

/* ---- Reading ---- */

/* The record's own statement of its size; 0: not a digest. */
static uint32_t
total_bytes(struct str record)
{
	uint32_t total;

	if (record.len < FIXED_BYTES || bytes_get_u32(record.p) != MAGIC)
		return 0;
	total = bytes_get_u32(record.p + AT_TOTAL);
	return total >= FIXED_BYTES && total <= record.len ? total : 0;
}

bool
mime_digest_read(struct str record, struct mime_digest *out)
{
	uint32_t total = total_bytes(record);

	return total != 0 &&
	       crc32(0, (const Bytef *)record.p + AT_CRC_FROM, total - AT_CRC_FROM) ==
		       bytes_get_u32(record.p + AT_CRC) &&
	       mime_digest_read_sound(record, out);
}

bool
mime_digest_read_sound(struct str record, struct mime_digest *out)
{
	uint32_t total = total_bytes(record);
	int64_t date;

	if (total == 0)
		return false;
	out->record = record.p;
	out->header_bytes = bytes_get_u32(record.p + AT_HEADER_BYTES);
	date = (int64_t)bytes_get_u64(record.p + AT_DATE);
	out->has_date = date != INT64_MIN;
	out->date = out->has_date ? date : 0;
	out->zone_minutes = (int16_t)bytes_get_u16(record.p + AT_ZONE);
	out->repeats = bytes_get_u16(record.p + AT_REPEATS) != 0;
	out->part_count = bytes_get_u32(record.p + AT_PARTS);
	out->parts = record.p + FIXED_BYTES;
	if (out->part_count == 0 || out->part_count > (total - FIXED_BYTES) / PART_BYTES)
		return false;
	for (unsigned i = 0; i < DIGEST_TEXTS; i++) {
		uint32_t offset = bytes_get_u32(record.p + AT_TEXTS + i * 8);
		uint32_t length = bytes_get_u32(record.p + AT_TEXTS + i * 8 + 4);
		if (offset > total || length > total - offset)
			return false;
		out->texts[i] = str_of(record.p + offset, length);
	}
	return true;
}

struct mime_digest_part
mime_digest_part_at(const struct mime_digest *d, uint32_t index)
{
	const char *at = d->parts + (size_t)index * PART_BYTES;
	uint32_t total = bytes_get_u32(d->record + AT_TOTAL), charset;
	uint16_t charset_len;

	CHECK(index < d->part_count);
	charset = bytes_get_u32(at + 30);
	charset_len = bytes_get_u16(at + 34);
	if (charset > total || charset_len > total - charset)
		charset = charset_len = 0;
	return (struct mime_digest_part){
		.parent = bytes_get_u32(at),
		.number = bytes_get_u32(at + 4),
		.kind = (uint8_t)at[8],
		.encoding = (uint8_t)at[9],
		.is_text = at[10] != 0,
		.is_plain = (at[11] & PART_PLAIN) != 0,
		.is_html = (at[11] & PART_HTML) != 0,
		.is_attachment = (at[11] & PART_ATTACHMENT) != 0,
		.header_start = bytes_get_u48(at + 12),
		.body_start = bytes_get_u48(at + 18),
		.body_end = bytes_get_u48(at + 24),
		.charset = str_of(d->record + charset, charset_len),
	};
}

static int64_t
find_child(const struct mime_digest *d, uint32_t parent, uint32_t number)
{
	for (uint32_t i = parent + 1; i < d->part_count; i++) {
		struct mime_digest_part part = mime_digest_part_at(d, i);
		if (part.parent == parent && part.number == number)
			return i;
	}
	return -1;
}

uint32_t
mime_digest_content(const struct mime_digest *d, uint32_t index)
{
	int64_t child;

	if (mime_digest_part_at(d, index).kind != MIME_MESSAGE)
		return index;
	child = find_child(d, index, 1);
	return child >= 0 ? (uint32_t)child : index;
}

int64_t
mime_digest_find_part(const struct mime_digest *d, const uint32_t *numbers, unsigned count)
{
	uint32_t at = 0;

	for (unsigned i = 0; i < count; i++) {
		/* A message has a part 1 even if it is not a multipart. So has the
		 * one inside a message/rfc822 part, but a leaf has no parts. */
		uint32_t content = i == 0 ? at : mime_digest_content(d, at);
		bool is_message = i == 0 || content != at;
		int64_t child;

		at = content;
		if (mime_digest_part_at(d, at).kind != MIME_MULTIPART) {
			if (!is_message || numbers[i] != 1)
				return -1;
			continue;
		}
		child = find_child(d, at, numbers[i]);
		if (child < 0)
			return -1;
		at = (uint32_t)child;
	}
	return at;
}
