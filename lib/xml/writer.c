#include "lib/xml/writer.h"

#include <inttypes.h>

#include "lib/base/check.h"

static void
writer_end_tag(struct xml_writer *w)
{
	if (w->in_tag)
		buf_add_byte(w->out, '>');
	w->in_tag = false;
}

static const char *
writer_escape(char c)
{
	switch (c) {
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '&': return "&amp;";
	case '"': return "&quot;";
	case '\r': return "&#13;"; /* a parser would turn it into a line feed */
	default: return NULL;
	}
}

/* For one UTF-8 sequence: XML does not allow U+FFFE and U+FFFF either. */
static bool
writer_is_allowed(struct str sequence)
{
	unsigned char c = (unsigned char)sequence.p[0];

	if (sequence.len == 1)
		return c >= 0x20 || c == '\t' || c == '\n' || c == '\r';
	return !(sequence.len == 3 && c == 0xef && (unsigned char)sequence.p[1] == 0xbf &&
		 (unsigned char)sequence.p[2] >= 0xbe);
}

static void
writer_add(struct xml_writer *w, struct str text)
{
	while (text.len != 0) {
		size_t len = str_utf8_sequence(text);
		const char *escape = writer_escape(text.p[0]);
		if (len == 0)
			buf_add_c(w->out, "\xef\xbf\xbd"); /* not UTF-8 */
		else if (escape != NULL)
			buf_add_c(w->out, escape);
		else if (writer_is_allowed(str_first(text, len)))
			buf_add_str(w->out, str_first(text, len));
		text = str_from(text, len != 0 ? len : 1);
	}
}

void
xml_begin(struct xml_writer *w, struct buf *out)
{
	*w = (struct xml_writer){.out = out};
	buf_add_c(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
}

void
xml_open(struct xml_writer *w, const char *name)
{
	CHECK(w->depth < XML_WRITER_DEPTH_MAX);
	writer_end_tag(w);
	w->open[w->depth++] = name;
	buf_add_byte(w->out, '<');
	buf_add_c(w->out, name);
	w->in_tag = true;
}

void
xml_attribute(struct xml_writer *w, const char *name, struct str value)
{
	CHECK(w->in_tag);
	buf_add_byte(w->out, ' ');
	buf_add_c(w->out, name);
	buf_add_c(w->out, "=\"");
	writer_add(w, value);
	buf_add_byte(w->out, '"');
}

void
xml_write(struct xml_writer *w, struct str text)
{
	if (text.len == 0)
		return;
	writer_end_tag(w);
	writer_add(w, text);
}

void
xml_close(struct xml_writer *w)
{
	CHECK(w->depth != 0);
	w->depth--;
	if (w->in_tag) {
		buf_add_c(w->out, "/>");
		w->in_tag = false;
		return;
	}
	buf_add_c(w->out, "</");
	buf_add_c(w->out, w->open[w->depth]);
	buf_add_byte(w->out, '>');
}

void
xml_finish(struct xml_writer *w)
{
	while (w->depth != 0)
		xml_close(w);
}

void
xml_element(struct xml_writer *w, const char *name, struct str text)
{
	xml_open(w, name);
	xml_write(w, text);
	xml_close(w);
}

void
xml_element_c(struct xml_writer *w, const char *name, const char *text)
{
	xml_element(w, name, str_c(text));
}

void
xml_element_u64(struct xml_writer *w, const char *name, uint64_t number)
{
	xml_open(w, name);
	writer_end_tag(w);
	buf_printf(w->out, "%" PRIu64, number);
	xml_close(w);
}
