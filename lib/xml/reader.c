#include "lib/xml/reader.h"

#include <expat.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"

#define READER_SEPARATOR '|'

struct xml_reader {
	XML_Parser parser;
	struct arena *arena;
	struct xml_node *root, *open; /* open: the innermost element that has not ended */
	struct xml_node *last_child[XML_DEPTH_MAX + 1];
	struct buf text[XML_DEPTH_MAX + 1]; /* of the open elements, by depth */
	unsigned depth, nodes, nodes_max;
	size_t bytes;
	const char *refusal; /* NULL: none */
};

static void
reader_refuse(struct xml_reader *r, const char *why)
{
	if (r->refusal == NULL)
		r->refusal = why;
	XML_StopParser(r->parser, XML_FALSE);
}

static bool
reader_take_bytes(struct xml_reader *r, size_t len)
{
	r->bytes += len;
	if (r->bytes <= XML_TEXT_MAX)
		return true;
	reader_refuse(r, "the document is too large");
	return false;
}

/* "namespace|name" */
static void
reader_set_name(struct xml_reader *r, struct xml_node *node, const char *name)
{
	struct str whole = arena_str(r->arena, str_c(name));
	ptrdiff_t at = str_rindex(whole, READER_SEPARATOR);

	node->ns = at < 0 ? STR_NONE : str_first(whole, (size_t)at);
	node->name = at < 0 ? whole : str_from(whole, (size_t)at + 1);
}

static void
reader_set_attributes(struct xml_reader *r, struct xml_node *node, const char **pairs)
{
	struct xml_attribute **end = &node->attributes;

	for (; pairs[0] != NULL; pairs += 2) {
		struct xml_attribute *a = arena_new(r->arena, struct xml_attribute);
		if (!reader_take_bytes(r, strlen(pairs[0]) + strlen(pairs[1])))
			return;
		a->name = arena_str(r->arena, str_c(pairs[0]));
		a->value = arena_str(r->arena, str_c(pairs[1]));
		*end = a;
		end = &a->next;
	}
}

static void
reader_append(struct xml_reader *r, struct xml_node *node)
{
	struct xml_node *before = r->last_child[r->depth];

	node->parent = r->open;
	if (r->open == NULL)
		r->root = node;
	else if (before == NULL)
		r->open->children = node;
	else
		before->next = node;
	r->last_child[r->depth] = node;
}

static void XMLCALL
reader_on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct xml_reader *r = arg;
	struct xml_node *node;

	if (r->refusal != NULL)
		return;
	if (r->depth == XML_DEPTH_MAX || r->nodes++ == r->nodes_max) {
		reader_refuse(r, "the document has too many elements, or too deep ones");
		return;
	}
	node = arena_new(r->arena, struct xml_node);
	reader_set_name(r, node, name);
	reader_set_attributes(r, node, attributes);
	reader_append(r, node);
	r->open = node;
	r->depth++;
	r->last_child[r->depth] = NULL;
	buf_clear(&r->text[r->depth]);
}

static void XMLCALL
reader_on_end(void *arg, const XML_Char *name)
{
	struct xml_reader *r = arg;

	(void)name;
	if (r->refusal != NULL)
		return;
	r->open->text = arena_str(r->arena, buf_str(&r->text[r->depth]));
	r->open = r->open->parent;
	r->depth--;
}

static void XMLCALL
reader_on_text(void *arg, const XML_Char *text, int len)
{
	struct xml_reader *r = arg;

	if (r->refusal == NULL && r->open != NULL && reader_take_bytes(r, (size_t)len))
		buf_add(&r->text[r->depth], text, (size_t)len);
}

static void XMLCALL
reader_on_doctype(void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public, int has_internal)
{
	(void)name, (void)system, (void)public, (void)has_internal;
	reader_refuse(arg, "a document type is not allowed");
}

static void XMLCALL
reader_on_instruction(void *arg, const XML_Char *target, const XML_Char *data)
{
	(void)target, (void)data;
	reader_refuse(arg, "a processing instruction is not allowed");
}

struct xml_reader *
xml_reader_new(struct arena *arena)
{
	struct xml_reader *r = mem_zalloc(sizeof(*r));

	r->arena = arena;
	r->nodes_max = XML_NODES_MAX;
	r->parser = XML_ParserCreateNS(NULL, READER_SEPARATOR);
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, reader_on_start, reader_on_end);
	XML_SetCharacterDataHandler(r->parser, reader_on_text);
	XML_SetStartDoctypeDeclHandler(r->parser, reader_on_doctype);
	XML_SetProcessingInstructionHandler(r->parser, reader_on_instruction);
	return r;
}

void
xml_reader_allow(struct xml_reader *r, unsigned nodes)
{
	r->nodes_max = nodes;
}

void
xml_reader_free(struct xml_reader **reader)
{
	struct xml_reader *r = *reader;

	*reader = NULL;
	if (r == NULL)
		return;
	XML_ParserFree(r->parser);
	for (unsigned i = 0; i <= XML_DEPTH_MAX; i++)
		buf_fini(&r->text[i]);
	mem_free(r);
}

static int
reader_parse(struct xml_reader *r, struct str piece, bool last, struct err *err)
{
	if (r->refusal == NULL && XML_Parse(r->parser, piece.p, (int)piece.len, last) == XML_STATUS_OK)
		return 0;
	if (r->refusal == NULL)
		r->refusal = XML_ErrorString(XML_GetErrorCode(r->parser));
	return err_set(err, ERR_INVALID, "line %lu: %s", (unsigned long)XML_GetCurrentLineNumber(r->parser),
		       r->refusal);
}

int
xml_reader_feed(struct xml_reader *r, struct str piece, struct err *err)
{
	/* expat takes lengths as int. */
	enum { STEP = 1 << 20 };

	while (piece.len > STEP) {
		if (reader_parse(r, str_first(piece, STEP), false, err) != 0)
			return -1;
		piece = str_from(piece, STEP);
	}
	return reader_parse(r, piece, false, err);
}

const struct xml_node *
xml_reader_end(struct xml_reader *r, struct err *err)
{
	return reader_parse(r, STR(""), true, err) == 0 ? r->root : NULL;
}

/* ---- Queries ---- */

const struct xml_node *
xml_child(const struct xml_node *node, const char *name)
{
	const struct xml_node *child = node != NULL ? node->children : NULL;

	while (child != NULL && !str_eq(child->name, str_c(name)))
		child = child->next;
	return child;
}

const struct xml_node *
xml_find(const struct xml_node *node, ...)
{
	const char *name;
	va_list ap;

	va_start(ap, node);
	while ((name = va_arg(ap, const char *)) != NULL)
		node = xml_child(node, name);
	va_end(ap);
	return node;
}

struct str
xml_text(const struct xml_node *node)
{
	return node != NULL ? str_trim(node->text) : STR_NONE;
}
