/* Sections of messages. */
#include "frontend/imap/fetch/section.h"

#include "lib/mime/header.h"
#include "lib/mime/parser.h"

bool
imap_section_is_whole(const struct imap_section *s)
{
	return s->part == SECTION_WHOLE && s->number_count == 0;
}

bool
imap_section_find(const struct imap_section *s, const struct mime_digest *d, uint64_t size, struct imap_extent *out)
{
	bool fields = s->part == SECTION_FIELDS || s->part == SECTION_FIELDS_NOT;
	struct mime_digest_part part;
	int64_t index;

	*out = (struct imap_extent){.end = size, .is_header = fields, .encoding = MIME_BINARY};
	if (imap_section_is_whole(s))
		return true;
	if (s->number_count == 0) {
		if (s->part == SECTION_TEXT)
			out->start = d->header_bytes;
		else
			out->end = d->header_bytes;
		return true;
	}
	index = mime_digest_find_part(d, s->numbers, s->number_count);
	if (index < 0)
		return false;
	part = mime_digest_part_at(d, (uint32_t)index);
	if (s->part == SECTION_WHOLE || s->part == SECTION_MIME) {
		out->start = s->part == SECTION_MIME ? part.header_start : part.body_start;
		out->end = s->part == SECTION_MIME ? part.body_start : part.body_end;
		if (s->kind != SECTION_BODY && part.kind == MIME_LEAF)
			out->encoding = (enum mime_encoding)part.encoding;
		/* In a message that is not multipart, part 1 is its body, and the part's
		 * header is the message's. */
		return out->start <= out->end;
	}
	/* HEADER and TEXT refer to the message inside a message/rfc822 part. */
	if (part.kind != MIME_MESSAGE)
		return false;
	part = mime_digest_part_at(d, mime_digest_content(d, (uint32_t)index));
	out->start = s->part == SECTION_TEXT ? part.body_start : part.header_start;
	out->end = s->part == SECTION_TEXT ? part.body_end : part.body_start;
	return true;
}

static bool
section_is_named(const struct imap_section *s, struct str name)
{
	for (unsigned i = 0; i < s->field_count; i++)
		if (str_eq_ci(name, s->fields[i]))
			return true;
	return false;
}

void
imap_section_filter(const struct imap_section *s, struct str header, struct buf *out)
{
	struct str rest = header;
	struct mime_field field;

	while (mime_next_field(&rest, &field))
		if (section_is_named(s, field.name) == (s->part == SECTION_FIELDS)) {
			/* As written in the message, from the start of its name to the end of
			 * its value. */
			buf_add(out, field.name.p, (size_t)(field.value.p + field.value.len - field.name.p));
			buf_add_c(out, "\r\n");
		}
	buf_add_c(out, "\r\n");
}
