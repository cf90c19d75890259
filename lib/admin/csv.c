#include "lib/admin/csv.h"

void
csv_open(struct csv *c, struct str text)
{
	struct str line;

	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = str_from(text, 3);
	*c = (struct csv){.rest = text, .next_line = 1, .separator = ','};
	str_cut(text, '\n', &line, &text);
	for (size_t i = 0; i < line.len; i++)
		if (line.p[i] == ',' || line.p[i] == ';' || line.p[i] == '\t') {
			c->separator = line.p[i];
			break;
		}
}

static void
csv_skip(struct csv *c, size_t bytes)
{
	c->rest = str_from(c->rest, bytes);
}

static void
csv_skip_line(struct csv *c)
{
	struct str line;

	str_cut(c->rest, '\n', &line, &c->rest);
	c->next_line++;
}

/* What is in quotes, from behind the first. */
static int
csv_quoted(struct csv *c, struct arena *arena, struct str *out, struct err *err)
{
	char *copy;
	size_t len = 0, i = 0, end;

	for (end = 0; end < c->rest.len; end++) {
		if (c->rest.p[end] != '"')
			continue;
		if (end + 1 == c->rest.len || c->rest.p[end + 1] != '"')
			break;
		end++;
	}
	if (end >= c->rest.len)
		return err_set(err, ERR_INVALID, "a quoted value does not end");
	copy = arena_alloc(arena, end + 1);
	for (i = 0; i < end; i++) {
		copy[len++] = c->rest.p[i];
		c->next_line += c->rest.p[i] == '\n';
		if (c->rest.p[i] == '"')
			i++;
	}
	*out = str_of(copy, len);
	csv_skip(c, end + 1);
	return 0;
}

static bool
csv_at_end_of_line(const struct csv *c)
{
	return c->rest.len == 0 || c->rest.p[0] == '\n' || str_starts(c->rest, STR("\r\n"));
}

static int
csv_value(struct csv *c, struct arena *arena, struct str *out, struct err *err)
{
	size_t len = 0;

	if (c->rest.len > 0 && c->rest.p[0] == '"') {
		csv_skip(c, 1);
		if (csv_quoted(c, arena, out, err) != 0)
			return -1;
		if (!csv_at_end_of_line(c) && c->rest.p[0] != c->separator)
			return err_set(err, ERR_INVALID, "text follows a quoted value");
		return 0;
	}
	while (len < c->rest.len && c->rest.p[len] != c->separator && c->rest.p[len] != '\n') {
		if (c->rest.p[len] == '"')
			return err_set(err, ERR_INVALID, "a quotation mark within a value that is not quoted");
		len++;
	}
	*out = str_first(c->rest, len);
	csv_skip(c, len);
	if (out->len > 0 && out->p[out->len - 1] == '\r' && csv_at_end_of_line(c))
		out->len--;
	return 0;
}

static int
csv_row(struct csv *c, struct csv_row *row, struct arena *arena, struct err *err)
{
	for (;;) {
		if (row->count == CSV_COLUMNS_MAX)
			return err_set(err, ERR_INVALID, "more than %d columns", CSV_COLUMNS_MAX);
		if (csv_value(c, arena, &row->values[row->count], err) != 0)
			return -1;
		row->count++;
		if (csv_at_end_of_line(c))
			return 0;
		csv_skip(c, 1); /* the separator */
	}
}

int
csv_next(struct csv *c, struct csv_row *row, struct arena *arena, struct err *err)
{
	int rc;

	while (c->rest.len > 0 && csv_at_end_of_line(c))
		csv_skip_line(c);
	row->line = c->next_line;
	row->count = 0;
	if (c->rest.len == 0)
		return 0;
	rc = csv_row(c, row, arena, err);
	csv_skip_line(c);
	return rc == 0 ? 1 : -1;
}

/* ---- Writing ---- */
void
csv_add(struct buf *out, struct str value, bool first)
{
	bool quoted = false;

	for (size_t i = 0; i < value.len; i++)
		quoted = quoted || strchr(",;\t\"\r\n", value.p[i]) != NULL;
	/* A leading space could be trimmed by whoever reads it. */
	quoted = quoted || (value.len > 0 && (value.p[0] == ' ' || value.p[value.len - 1] == ' '));
	if (!first)
		buf_add_byte(out, ',');
	if (!quoted) {
		buf_add_str(out, value);
		return;
	}
	buf_add_byte(out, '"');
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] == '"')
			buf_add_byte(out, '"');
		buf_add_byte(out, value.p[i]);
	}
	buf_add_byte(out, '"');
}

void
csv_end_row(struct buf *out)
{
	buf_add_c(out, "\r\n");
}
