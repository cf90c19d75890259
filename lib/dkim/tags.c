#include "lib/dkim/tags.h"

static bool
tag_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ALPHA *( ALPHA / DIGIT / "_" ) */
static bool
tag_is_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];
		bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!alpha && (i == 0 || !((c >= '0' && c <= '9') || c == '_')))
			return false;
	}
	return name.len > 0;
}

/* Visible ASCII but ";", and white space within. */
static bool
tag_is_value(struct str value)
{
	for (size_t i = 0; i < value.len; i++)
		if (!tag_is_space(value.p[i]) && ((unsigned char)value.p[i] < 0x21 || (unsigned char)value.p[i] > 0x7e))
			return false;
	return true;
}

/* One tag, already trimmed and not empty. */
static bool
tag_read(struct str piece, struct dkim_tag *out)
{
	bool good = str_cut(piece, '=', &out->name, &out->value);

	out->name = str_trim(out->name);
	out->value = str_trim(out->value);
	if (good && tag_is_name(out->name) && tag_is_value(out->value))
		return true;
	*out = (struct dkim_tag){STR_NONE, piece};
	return false;
}

bool
dkim_tag_next(struct str *rest, struct dkim_tag *tag_out, bool *good_out)
{
	struct str piece;

	do {
		if (rest->len == 0)
			return false;
		str_cut(*rest, ';', &piece, rest);
		piece = str_trim(piece);
	} while (piece.len == 0);
	*good_out = tag_read(piece, tag_out);
	return true;
}

bool
dkim_tags_parse(struct str text, struct dkim_tags *tags_out)
{
	struct str piece;
	struct dkim_tag tag;

	tags_out->count = 0;
	text = str_trim(text);
	while (text.len > 0) {
		str_cut(text, ';', &piece, &text);
		if (!tag_read(str_trim(piece), &tag) || tags_out->count == DKIM_TAGS_MAX ||
		    dkim_tags_find(tags_out, tag.name) != NULL)
			return false;
		tags_out->items[tags_out->count++] = tag;
	}
	return tags_out->count > 0;
}

const struct dkim_tag *
dkim_tags_find(const struct dkim_tags *tags, struct str name)
{
	for (unsigned i = 0; i < tags->count; i++)
		if (str_eq(tags->items[i].name, name))
			return &tags->items[i];
	return NULL;
}

struct str
dkim_tags_value(const struct dkim_tags *tags, const char *name, const char *if_none)
{
	const struct dkim_tag *tag = dkim_tags_find(tags, str_c(name));

	return tag != NULL ? tag->value : str_c(if_none);
}

bool
dkim_tag_item(struct str *rest, struct str *item_out)
{
	if (rest->len == 0)
		return false;
	str_cut(*rest, ':', item_out, rest);
	*item_out = str_trim(*item_out);
	return true;
}

bool
dkim_tag_has_item(struct str value, struct str item)
{
	struct str one;

	while (dkim_tag_item(&value, &one))
		if (str_eq_ci(one, item))
			return true;
	return false;
}

void
dkim_tag_squeeze(struct str value, struct buf *out)
{
	for (size_t i = 0; i < value.len; i++)
		if (!tag_is_space(value.p[i]))
			buf_add_byte(out, value.p[i]);
}
