/* Parses XML from clients with expat, as it arrives, into a tree in an arena.
 *
 * Document types, processing instructions and anything beyond the XML_* limits below
 * are refused, so that no document costs more than its size. Namespaces are
 * resolved: a name is a namespace and a local name. */
#ifndef SP_XML_READER_H
#define SP_XML_READER_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

enum {
	XML_DEPTH_MAX = 64,
	XML_NODES_MAX = 50000,
	XML_TEXT_MAX = 4 * 1024 * 1024, /* bytes, of all text and attributes */
};

struct xml_attribute {
	struct str name, value; /* name: with its namespace in front, "ns|name", if it has one */
	struct xml_attribute *next;
};

struct xml_node {
	struct str ns, name; /* ns: empty if there is none */
	struct str text;     /* its own, without that of its child elements */
	struct xml_attribute *attributes;
	struct xml_node *parent, *children, *next;
};

struct xml_reader;

/* The tree is built in arena, which must outlive the reader. */
struct xml_reader *xml_reader_new(struct arena *arena);
/* Before anything is fed: another limit than XML_NODES_MAX. */
void xml_reader_allow(struct xml_reader *r, unsigned nodes);
void xml_reader_free(struct xml_reader **r);
/* ERR_INVALID: malformed or too large; it must not be fed any more. */
int xml_reader_feed(struct xml_reader *r, struct str piece, struct err *err);
/* The root, after everything was fed; NULL: the document is incomplete. */
const struct xml_node *xml_reader_end(struct xml_reader *r, struct err *err);

/* The first child element with this local name, in any namespace; NULL: none. */
const struct xml_node *xml_child(const struct xml_node *node, const char *name);
/* The same, along a path of names: xml_find(root, "Body", "Get", NULL). */
__attribute__((sentinel)) const struct xml_node *xml_find(const struct xml_node *node, ...);
/* Its text without white space around it; empty if node is NULL. */
struct str xml_text(const struct xml_node *node);

#endif
