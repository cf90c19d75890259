/* XML as clients send it: read by expat as it comes, into a tree that lies in an
 * arena.
 *
 * A document type, a processing instruction, and whatever is larger than XML_* below
 * is refused, so that no document costs more than its size. Namespaces are resolved:
 * a name is a namespace and a local name. */
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
	struct str text;     /* its own, without that of the elements within */
	struct xml_attribute *attributes;
	struct xml_node *parent, *children, *next;
};

struct xml_reader;

/* The tree will lie in arena, which must outlive the reader. */
struct xml_reader *xml_reader_new(struct arena *arena);
void xml_reader_free(struct xml_reader **r);
/* ERR_INVALID: malformed or too large; nothing more is to be fed. */
int xml_reader_feed(struct xml_reader *r, struct str piece, struct err *err);
/* The root, after all was fed; NULL: the document is not whole. */
const struct xml_node *xml_reader_end(struct xml_reader *r, struct err *err);

/* The first element of that local name, in any namespace, among the children; NULL:
 * none. */
const struct xml_node *xml_child(const struct xml_node *node, const char *name);
/* The same, by names one below the other: xml_find(root, "Body", "Get", NULL). */
__attribute__((sentinel)) const struct xml_node *xml_find(const struct xml_node *node, ...);
/* Its text without white space around it; empty if node is NULL. */
struct str xml_text(const struct xml_node *node);

#endif
