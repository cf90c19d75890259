/* Writes XML: escapes where necessary, drops characters that XML 1.0 does not
 * allow, and closes open elements. */
#ifndef SP_XML_WRITER_H
#define SP_XML_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

enum { XML_WRITER_DEPTH_MAX = 32 };

struct xml_writer {
	struct buf *out;			/* borrowed */
	const char *open[XML_WRITER_DEPTH_MAX]; /* borrowed: names of the open elements */
	unsigned depth;
	bool in_tag; /* attributes may follow */
};

/* Writes the XML declaration, for UTF-8. */
void xml_begin(struct xml_writer *w, struct buf *out);
/* name must live until it is closed. */
void xml_open(struct xml_writer *w, const char *name);
void xml_attribute(struct xml_writer *w, const char *name, struct str value);
void xml_write(struct xml_writer *w, struct str text);
void xml_close(struct xml_writer *w);
/* Closes all open elements. */
void xml_finish(struct xml_writer *w);
/* <name>text</name> */
void xml_element(struct xml_writer *w, const char *name, struct str text);
void xml_element_c(struct xml_writer *w, const char *name, const char *text);
void xml_element_u64(struct xml_writer *w, const char *name, uint64_t number);

#endif
