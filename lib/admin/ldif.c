#include "lib/admin/ldif.h"

#include "lib/base/base64.h"

enum { LDIF_COLUMNS = 76 };

void
ldif_open(struct ldif *l, struct str text)
{
	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = str_from(text, 3);
	*l = (struct ldif){.rest = text, .next_line = 1};
}

static struct str
ldif_raw_line(struct ldif *l)
{
	struct str line;

	str_cut(l->rest, '\n', &line, &l->rest);
	l->next_line++;
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* One line with those that go on with it; false: the end of the record, or of the file. */
static bool
ldif_line(struct ldif *l, struct arena *arena, struct str *line_out, uint64_t *number_out)
{
	struct buf whole = BUF_EMPTY;

	*number_out = l->next_line;
	if (l->rest.len == 0)
		return false;
	*line_out = ldif_raw_line(l);
	if (l->rest.len == 0 || l->rest.p[0] != ' ')
		return line_out->len != 0;
	buf_add_str(&whole, *line_out);
	while (l->rest.len > 0 && l->rest.p[0] == ' ')
		buf_add_str(&whole, str_from(ldif_raw_line(l), 1));
	*line_out = arena_str(arena, buf_str(&whole));
	buf_fini(&whole);
	return line_out->len != 0;
}

static int
ldif_decode(struct str line, struct arena *arena, struct ldif_value *out, struct err *err)
{
	struct str name, value, ignored;
	struct buf bytes = BUF_EMPTY;
	bool ok;

	if (!str_cut(line, ':', &name, &value) || name.len == 0)
		return err_set(err, ERR_INVALID, "not \"name: value\"");
	str_cut(name, ';', &out->name, &ignored);
	if (value.len > 0 && value.p[0] == '<')
		return err_set(err, ERR_INVALID, "values from URLs are not read");
	if (value.len == 0 || value.p[0] != ':') {
		while (value.len > 0 && value.p[0] == ' ')
			value = str_from(value, 1);
		out->value = value;
		return 0;
	}
	value = str_trim(str_from(value, 1));
	ok = base64_decode(value, &bytes);
	out->value = arena_str(arena, buf_str(&bytes));
	buf_fini(&bytes);
	return ok ? 0 : err_set(err, ERR_INVALID, "not base64");
}

static int
ldif_take(struct ldif_record *r, const struct ldif_value *v, struct err *err)
{
	if (r->dn.p == NULL) {
		if (!str_eq_ci(v->name, STR("dn")))
			return err_set(err, ERR_INVALID, "a record begins with its dn");
		r->dn = str_of(v->value.len != 0 ? v->value.p : "", v->value.len);
		return 0;
	}
	if (str_eq_ci(v->name, STR("changetype")))
		return str_eq_ci(v->value, STR("add"))
			       ? 0
			       : err_set(err, ERR_INVALID, "changetype %.*s is not read, only add",
					 (int)(v->value.len < 50 ? v->value.len : 50), v->value.p);
	if (str_eq_ci(v->name, STR("control")))
		return err_set(err, ERR_INVALID, "controls are not read");
	if (r->count == LDIF_VALUES_MAX)
		return err_set(err, ERR_INVALID, "more than %d values", LDIF_VALUES_MAX);
	r->values[r->count++] = *v;
	return 0;
}

/* Comments and empty lines before a record; and the version, which is 1. */
static void
ldif_skip(struct ldif *l)
{
	struct arena scratch;

	arena_init(&scratch);
	for (;;) {
		struct ldif before = *l;
		struct str line;
		uint64_t number;
		bool some = ldif_line(l, &scratch, &line, &number);

		if (some && line.p[0] != '#' && !str_starts_ci(line, STR("version:"))) {
			*l = before;
			break;
		}
		if (!some && l->rest.len == 0)
			break;
	}
	arena_fini(&scratch);
}

int
ldif_next(struct ldif *l, struct ldif_record *r, struct arena *arena, struct err *err)
{
	struct str line;
	uint64_t number;
	int rc = 0;

	ldif_skip(l);
	r->line = l->next_line;
	r->dn = STR_NONE;
	r->count = 0;
	if (l->rest.len == 0)
		return 0;
	while (ldif_line(l, arena, &line, &number)) {
		struct ldif_value v = {.line = number};

		if (rc != 0 || line.p[0] == '#')
			continue;
		rc = ldif_decode(line, arena, &v, err);
		if (rc == 0)
			rc = ldif_take(r, &v, err);
		if (rc != 0)
			r->line = number;
	}
	return rc == 0 ? 1 : -1;
}

/* ---- Writing ---- */
/* SAFE-STRING; not with a space at the end, which some editors remove. */
static bool
ldif_is_safe(struct str value)
{
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.p[i] < ' ' || (unsigned char)value.p[i] >= 0x7f)
			return false;
	return value.len == 0 || (strchr(" :<", value.p[0]) == NULL && value.p[value.len - 1] != ' ');
}

void
ldif_add(struct buf *out, const char *name, struct str value)
{
	struct buf line = BUF_EMPTY;
	size_t at = LDIF_COLUMNS;

	buf_printf(&line, "%s:", name);
	if (ldif_is_safe(value)) {
		buf_add_byte(&line, ' ');
		buf_add_str(&line, value);
	} else {
		buf_add_c(&line, ": ");
		base64_encode(value, &line);
	}
	buf_add_str(out, str_first(buf_str(&line), LDIF_COLUMNS));
	for (; at < line.len; at += LDIF_COLUMNS - 1) {
		buf_add_c(out, "\n ");
		buf_add_str(out, str_first(str_from(buf_str(&line), at), LDIF_COLUMNS - 1));
	}
	buf_add_byte(out, '\n');
	buf_fini(&line);
}

void
ldif_add_rdn(struct buf *out, struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];
		bool at_edge = i == 0 || i + 1 == value.len;

		if (strchr("\"+,;<>\\=", c) != NULL || (at_edge && c == ' ') || (i == 0 && c == '#'))
			buf_add_byte(out, '\\');
		buf_add_byte(out, c);
	}
}
