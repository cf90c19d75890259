#include "lib/tlspolicy/rua.h"

#define URI_MAX 1000

static bool
rua_is_record(struct str text)
{
	struct str version, rest;

	return str_cut(text, ';', &version, &rest) && str_eq(str_trim(version), STR("v=TLSRPTv1"));
}

static int
rua_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes %XX; empty if it is malformed, or contains what no address does. */
static struct str
rua_decode(struct str text, struct arena *arena)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		int c = (unsigned char)text.p[i];

		if (c == '%') {
			if (i + 2 >= text.len || rua_hex(text.p[i + 1]) < 0 || rua_hex(text.p[i + 2]) < 0)
				return STR_NONE;
			c = rua_hex(text.p[i + 1]) * 16 + rua_hex(text.p[i + 2]);
			i += 2;
		}
		if (c <= 0x20 || c >= 0x7f || c == '<' || c == '>' || c == ',')
			return STR_NONE;
		out[len++] = (char)c;
	}
	return str_of(out, len);
}

static void
add_uri(struct rua_list *list, struct str uri, struct arena *arena)
{
	static const struct str mailto = STR("mailto:"), https = STR("https://");
	struct rua *r = &list->items[list->count];
	struct str address, query;

	if (list->count == RUA_MAX || uri.len > URI_MAX || !str_is_printable_ascii(uri))
		return;
	for (unsigned i = 0; i < list->count; i++)
		if (str_eq(list->items[i].uri, uri))
			return;
	r->uri = arena_str(arena, uri);
	r->address = STR_NONE;
	if (str_starts_ci(uri, mailto)) {
		str_cut(str_from(uri, mailto.len), '?', &address, &query);
		r->address = rua_decode(address, arena);
		if (str_index(r->address, '@') <= 0)
			return;
	} else if (!str_starts_ci(uri, https) || uri.len == https.len) {
		return;
	}
	list->count++;
}

bool
rua_parse(const struct str *texts, unsigned count, struct arena *arena, struct rua_list *list_out)
{
	struct str rest = STR_NONE, field, name, value, uri;
	unsigned records = 0;

	list_out->count = 0;
	for (unsigned i = 0; i < count; i++) {
		if (!rua_is_record(texts[i]))
			continue;
		records++;
		rest = texts[i];
	}
	/* Several count as none. */
	while (records == 1 && str_next_word(&rest, ";", &field)) {
		if (!str_cut(str_trim(field), '=', &name, &value) || !str_eq(str_trim(name), STR("rua")))
			continue;
		while (str_next_word(&value, ",", &uri))
			add_uri(list_out, str_trim(uri), arena);
	}
	return list_out->count > 0;
}
