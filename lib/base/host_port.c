#include "lib/base/host_port.h"

enum { NAME_MAX_BYTES = 253, LABEL_MAX_BYTES = 63 }; /* RFC 1035, 2.3.4 */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_label(struct str label)
{
	if (label.len == 0 || label.len > LABEL_MAX_BYTES || label.p[0] == '-' || label.p[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		char c = label.p[i];
		if (!is_digit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '-' && c != '_')
			return false;
	}
	return true;
}

/* The last label of a name is never all digits (RFC 1123, 2.1): such a text is
 * a mistyped address. */
static bool
host_port_is_name(struct str name)
{
	struct str label;
	bool more, has_letter = false;

	if (name.len > 1 && name.p[name.len - 1] == '.')
		name.len--;
	if (name.len > NAME_MAX_BYTES)
		return false;
	do {
		more = str_cut(name, '.', &label, &name);
		if (!is_label(label))
			return false;
		has_letter = false;
		for (size_t i = 0; i < label.len; i++)
			has_letter |= !is_digit(label.p[i]);
	} while (more);
	return has_letter;
}

static bool
host_port_parse_port(struct str text, uint16_t *port_out)
{
	uint64_t v;

	if (!str_to_u64(text, &v) || v == 0 || v > UINT16_MAX)
		return false;
	*port_out = (uint16_t)v;
	return true;
}

static bool
parse_bracketed(struct str text, struct ip *ip_out)
{
	return ip_literal_parse(text, ip_out) ||
	       (text.len > 2 && text.p[text.len - 1] == ']' && ip_parse(str_of(text.p + 1, text.len - 2), ip_out));
}

bool
host_port_parse(struct str text, struct host_port *out)
{
	ptrdiff_t close, colon;

	text = str_trim(text);
	*out = (struct host_port){.host = text};
	if (ip_parse(text, &out->literal)) /* IPv6 too: its colons do not begin a port */
		return true;
	close = str_rindex(text, ']');
	colon = str_rindex(text, ':');
	if (colon > close) {
		out->host = str_first(text, (size_t)colon);
		if (!host_port_parse_port(str_from(text, (size_t)colon + 1), &out->port))
			return false;
	}
	if (out->host.len > 0 && out->host.p[0] == '[')
		return parse_bracketed(out->host, &out->literal);
	if (ip_parse(out->host, &out->literal))
		return out->literal.family == 4;
	out->literal.family = 0;
	return host_port_is_name(out->host);
}

bool
host_name_is_valid(struct str name)
{
	struct ip ip;

	return name.len > 0 && name.p[name.len - 1] != '.' && !ip_parse(name, &ip) && host_port_is_name(name);
}
