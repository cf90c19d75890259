/* What is wrong in a file of accounts, line by line. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/admin/people.h"

const struct people_complaint *
people_complaint(const struct people *p, size_t i)
{
	return (const struct people_complaint *)(const void *)p->complaints.data + i;
}

size_t
people_complaint_count(const struct people *p)
{
	return p->complaints.len / sizeof(struct people_complaint);
}

static void
complaints_clean_text(char *text)
{
	struct str rest = str_c(text);
	size_t len;

	for (; rest.len != 0; rest = str_from(rest, len)) {
		unsigned char *c = (unsigned char *)text + (rest.p - text);
		len = str_utf8_sequence(rest);
		/* Control characters, those of two bytes too (U+0080 to U+009F). */
		if (len == 0 || *c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0)) {
			len = len == 0 ? 1 : len;
			memset(c, '?', len);
		}
	}
}

void
people_complain(struct people *p, uint64_t line, const char *format, ...)
{
	struct people_complaint c = {.line = line};
	char text[ERR_TEXT_MAX + 100];
	va_list ap;

	if (people_complaint_count(p) >= PEOPLE_COMPLAINTS_MAX) {
		p->has_more = true;
		return;
	}
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	complaints_clean_text(text);
	c.text = arena_strdup(&p->arena, text);
	buf_add(&p->complaints, &c, sizeof(c));
}
