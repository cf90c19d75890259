#include "lib/dkim/header.h"

struct str
dkim_header_feed(struct dkim_header *h, struct str piece)
{
	while (piece.len > 0 && !h->is_over) {
		ptrdiff_t end = str_index(piece, '\n');
		struct str part = end < 0 ? piece : str_first(piece, (size_t)end + 1);

		if (h->is_too_large || h->text.len + part.len > DKIM_HEADER_MAX) {
			h->is_too_large = true;
			return STR_NONE;
		}
		buf_add_str(&h->text, part);
		piece = str_from(piece, part.len);
		if (end < 0)
			break;
		h->is_over = str_eq(str_from(buf_str(&h->text), h->line_start), STR("\r\n"));
		h->line_start = h->text.len;
	}
	return piece;
}

void
dkim_header_fini(struct dkim_header *h)
{
	buf_fini(&h->text);
}

uint32_t
dkim_field_hash(struct str name)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.p[i];

		hash = (hash ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 16777619u;
	}
	return hash;
}

static void
header_name_field(struct dkim_field *field)
{
	struct str value;

	if (!str_cut(field->text, ':', &field->name, &value))
		field->name = STR_NONE;
	field->name = str_trim(field->name);
	field->hash = dkim_field_hash(field->name);
}

/* At least as many as it has fields. */
static size_t
header_count_lines(struct str header)
{
	size_t count = 1;
	ptrdiff_t end;

	while ((end = str_index(header, '\n')) >= 0) {
		header = str_from(header, (size_t)end + 1);
		count++;
	}
	return count;
}

bool
dkim_header_split(struct str header, struct arena *arena, struct dkim_fields *out)
{
	size_t lines = header_count_lines(header);

	out->items = arena_array(arena, struct dkim_field, lines < DKIM_FIELDS_MAX ? lines : DKIM_FIELDS_MAX);
	out->count = 0;
	while (header.len > 0) {
		ptrdiff_t end = str_index(header, '\n');
		struct str line = end < 0 ? header : str_first(header, (size_t)end + 1);

		header = str_from(header, line.len);
		if (str_eq(line, STR("\r\n")))
			break;
		if ((line.p[0] == ' ' || line.p[0] == '\t') && out->count > 0) {
			out->items[out->count - 1].text.len += line.len;
			continue;
		}
		if (out->count == DKIM_FIELDS_MAX)
			return false;
		out->items[out->count++].text = line;
	}
	for (unsigned i = 0; i < out->count; i++)
		header_name_field(&out->items[i]);
	return true;
}

bool
dkim_field_is(const struct dkim_field *field, const char *name)
{
	return str_eq_ci(field->name, str_c(name));
}

int
dkim_field_find_last(const struct dkim_fields *fields, unsigned before, struct str name, uint32_t hash)
{
	for (unsigned i = before; i-- > 0;)
		if (fields->items[i].hash == hash && str_eq_ci(fields->items[i].name, name))
			return (int)i;
	return -1;
}

struct str
dkim_field_value(const struct dkim_field *field)
{
	struct str name, value;

	str_cut(field->text, ':', &name, &value);
	return value;
}
