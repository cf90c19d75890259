/* The structure of a MIME message, in one pass.
 *
 * Lines are processed one by one, but only their first bytes are kept: enough
 * to recognise a delimiter. In a header the whole line is added to the block.
 * The line end before a delimiter belongs to the delimiter (RFC 2046, 5.1.1). */
#include "lib/mime/parser.h"

#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/mime/digest.h"

/* Boundaries have at most 70 characters by the RFC; some writers use more. */
enum { LINE_START_MAX = 256, BOUNDARY_MAX = LINE_START_MAX - 8 };

struct mime_parser {
	struct arena arena;
	struct mime_part *root;
	struct mime_part *current;   /* the innermost open part; NULL: skipping (preamble, epilogue) */
	struct mime_part *multipart; /* the innermost open multipart; NULL: none */
	bool in_header;
	struct buf header;     /* of the current part */
	uint64_t header_bytes; /* kept of the headers of all parts */
	uint64_t offset;       /* of the next byte */
	uint64_t line_start;
	uint64_t lines;		    /* line ends seen */
	char start[LINE_START_MAX]; /* of the current line */
	size_t start_len;
	char last, before_last; /* last bytes seen: to distinguish CRLF from LF */
	unsigned previous_end;	/* bytes of the line end before line_start: 0, 1 or 2 */
	unsigned parts;
	uint64_t *lines_at_body; /* by part index: line ends before its body */
	unsigned lines_capacity;
};

static struct mime_part *
new_part(struct mime_parser *p, struct mime_part *parent)
{
	struct mime_part *part = arena_new(&p->arena, struct mime_part);

	part->index = p->parts++;
	part->parent = parent;
	part->header_start = part->body_start = part->body_end = p->offset;
	if (parent != NULL) {
		part->depth = parent->depth + 1;
		if (parent->last_child != NULL)
			parent->last_child->next = part;
		else
			parent->first_child = part;
		parent->last_child = part;
	}
	if (part->index >= p->lines_capacity) {
		p->lines_capacity = p->lines_capacity * 2 + 16;
		p->lines_at_body = mem_realloc(p->lines_at_body, p->lines_capacity * sizeof(*p->lines_at_body));
	}
	p->current = part;
	p->in_header = true;
	buf_clear(&p->header);
	return part;
}

struct mime_parser *
mime_parser_new(void)
{
	struct mime_parser *p = mem_new(struct mime_parser);

	arena_init(&p->arena);
	p->root = new_part(p, NULL);
	return p;
}

void
mime_parser_free(struct mime_parser **pp)
{
	struct mime_parser *p = *pp;

	if (p == NULL)
		return;
	buf_fini(&p->header);
	mem_free(p->lines_at_body);
	arena_fini(&p->arena);
	mem_free(p);
	*pp = NULL;
}

struct arena *
mime_parser_arena(struct mime_parser *p)
{
	return &p->arena;
}

unsigned
mime_parser_part_count(const struct mime_parser *p)
{
	return p->parts;
}

/* ---- Headers ---- */

static void
default_type(struct mime_part *part)
{
	bool in_digest = part->parent != NULL && part->parent->kind == MIME_MULTIPART &&
			 str_eq(part->parent->type.sub, STR("digest"));

	part->type.main = in_digest ? STR("message") : STR("text");
	part->type.sub = in_digest ? STR("rfc822") : STR("plain");
}

/* Are the bytes of the body those of the content? (A base64 message/rfc822 is
 * forbidden by RFC 2046, 5.2.1, and is not parsed: the positions of its parts
 * would not be positions in the message.) */
static bool
is_identity_encoded(struct mime_part *part, struct arena *arena)
{
	struct mime_value encoding;
	struct str raw;

	if (!mime_find_field(part->header, "Content-Transfer-Encoding", &raw))
		return true;
	mime_parse_value(raw, arena, &encoding);
	return !str_eq(encoding.main, STR("base64")) && !str_eq(encoding.main, STR("quoted-printable"));
}

static bool
is_message_type(const struct mime_value *type)
{
	return str_eq(type->main, STR("message")) &&
	       (str_eq(type->sub, STR("rfc822")) || str_eq(type->sub, STR("global")));
}

/* A part that cannot be parsed further is a leaf. Its type must then not be a
 * composite one: the grammar of IMAP's body structure has those only together
 * with their content. */
static void
make_leaf(struct mime_part *part)
{
	part->kind = MIME_LEAF;
	if (!str_eq(part->type.main, STR("multipart")) && !is_message_type(&part->type))
		return;
	part->type.main = STR("application");
	part->type.sub = STR("octet-stream");
}

static enum mime_kind
kind_of(const struct mime_parser *p, struct mime_part *part, struct arena *arena)
{
	if (part->depth >= MIME_DEPTH_MAX || p->parts >= MIME_PARTS_MAX)
		return MIME_LEAF;
	if (str_eq(part->type.main, STR("multipart"))) {
		part->boundary = mime_param_find(&part->type, "boundary");
		return part->boundary.len != 0 && part->boundary.len <= BOUNDARY_MAX ? MIME_MULTIPART : MIME_LEAF;
	}
	return is_message_type(&part->type) && is_identity_encoded(part, arena) ? MIME_MESSAGE : MIME_LEAF;
}

static void
parser_classify(struct mime_parser *p, struct mime_part *part)
{
	struct str raw;

	if (mime_find_field(part->header, "Content-Type", &raw))
		mime_parse_value(raw, &p->arena, &part->type);
	if (part->type.main.len == 0 || part->type.sub.len == 0)
		default_type(part);
	part->kind = kind_of(p, part, &p->arena);
	if (part->kind == MIME_LEAF)
		make_leaf(part);
}

/* The current part's header is complete; its body starts at p->offset. */
static void
end_header(struct mime_parser *p)
{
	struct mime_part *part = p->current;

	part->header = arena_str(&p->arena, buf_str(&p->header));
	part->body_start = part->body_end = p->offset;
	p->lines_at_body[part->index] = p->lines;
	p->in_header = false;
	parser_classify(p, part);
	if (part->kind == MIME_MULTIPART) {
		p->multipart = part;
		p->current = NULL; /* the preamble */
	} else if (part->kind == MIME_MESSAGE) {
		new_part(p, part);
	}
}

/* ---- Parts ---- */

static void
close_part(struct mime_parser *p, struct mime_part *part, uint64_t end, uint64_t lines)
{
	part->body_end = end > part->body_start ? end : part->body_start;
	part->lines = lines > p->lines_at_body[part->index] ? lines - p->lines_at_body[part->index] : 0;
}

/* Closes every open part below `until` (NULL: all); they end at `end`. */
static void
close_parts(struct mime_parser *p, const struct mime_part *until, uint64_t end, uint64_t lines)
{
	struct mime_part *part;

	if (p->in_header) {
		/* The header ran into the delimiter: the body is empty. */
		uint64_t offset = p->offset;
		p->offset = p->line_start;
		part = p->current;
		CHECK(part != NULL);
		part->header = arena_str(&p->arena, str_first(buf_str(&p->header), p->line_start - part->header_start));
		part->body_start = part->body_end = p->offset;
		p->lines_at_body[part->index] = p->lines;
		p->in_header = false;
		parser_classify(p, part);
		make_leaf(part);
		p->offset = offset;
	}
	part = p->current != NULL ? p->current : p->multipart;
	for (; part != until; part = part->parent) {
		CHECK(part != NULL);
		close_part(p, part, end, lines);
	}
}

/* Is the current line a delimiter of m? *closes_out: it is the closing one. */
static bool
is_delimiter(const struct mime_parser *p, const struct mime_part *m, bool *closes_out)
{
	struct str line = str_of(p->start, p->start_len);

	if (!str_starts(line, STR("--")) || !str_starts(str_from(line, 2), m->boundary))
		return false;
	line = str_from(line, 2 + m->boundary.len);
	*closes_out = str_starts(line, STR("--"));
	/* Otherwise only white space may follow, or it is another, longer boundary. */
	return *closes_out || str_trim(line).len == 0;
}

static struct mime_part *
enclosing_multipart(struct mime_part *part)
{
	while (part != NULL && part->kind != MIME_MULTIPART)
		part = part->parent;
	return part;
}

/* The current line is a delimiter of m. */
static void
take_delimiter(struct mime_parser *p, struct mime_part *m, bool closes)
{
	uint64_t end = p->line_start - p->previous_end;
	uint64_t lines = p->lines - (p->previous_end != 0);

	/* p->lines already counts this line's own end, if there is one. */
	if (p->last == '\n' && lines != 0)
		lines--;
	close_parts(p, m, end, lines);
	p->current = NULL;
	p->multipart = m;
	if (closes)
		p->multipart = enclosing_multipart(m->parent); /* m's epilogue belongs to m */
	else if (p->parts < MIME_PARTS_MAX)
		new_part(p, m);
	if (closes)
		p->current = m;
}

/* ---- Lines ---- */

static bool
line_is_blank(const struct mime_parser *p)
{
	return p->start_len == 0 || (p->start_len == 1 && p->start[0] == '\r');
}

/* A line is complete (its end is counted and p->offset is after it), or the
 * message has ended. */
static void
parser_end_line(struct mime_parser *p)
{
	if (p->start_len >= 2 && p->start[0] == '-' && p->start[1] == '-') {
		for (struct mime_part *m = p->multipart; m != NULL; m = enclosing_multipart(m->parent)) {
			bool closes;
			if (!is_delimiter(p, m, &closes))
				continue;
			take_delimiter(p, m, closes);
			return;
		}
	}
	if (p->in_header && p->last == '\n' && line_is_blank(p))
		end_header(p);
}

/* Anything beyond a limit is dropped, wherever the pieces end. */
static void
keep_header(struct mime_parser *p, struct str piece)
{
	uint64_t room = MIME_HEADER_BYTES_MAX - p->header.len, total_room = MIME_HEADERS_BYTES_MAX - p->header_bytes;

	piece = str_first(piece, room < total_room ? room : total_room);
	buf_add_str(&p->header, piece);
	p->header_bytes += piece.len;
}

static void
keep_start(struct mime_parser *p, struct str piece)
{
	size_t room = sizeof(p->start) - p->start_len;

	if (piece.len > room)
		piece.len = room;
	if (piece.len != 0)
		memcpy(p->start + p->start_len, piece.p, piece.len);
	p->start_len += piece.len;
}

void
mime_parser_feed(struct mime_parser *p, struct str piece)
{
	while (piece.len != 0) {
		ptrdiff_t newline = str_index(piece, '\n');
		size_t take = newline < 0 ? piece.len : (size_t)newline + 1;
		struct str part = str_first(piece, take);

		if (p->in_header)
			keep_header(p, part);
		keep_start(p, newline < 0 ? part : str_first(part, take - 1));
		p->before_last = take > 1 ? part.p[take - 2] : p->last;
		p->last = part.p[take - 1];
		p->offset += take;
		piece = str_from(piece, take);
		if (newline < 0)
			return;
		p->lines++;
		parser_end_line(p);
		p->line_start = p->offset;
		p->previous_end = p->before_last == '\r' ? 2 : 1;
		p->start_len = 0;
	}
}

struct mime_part *
mime_parser_end(struct mime_parser *p)
{
	if (p->start_len != 0)
		parser_end_line(p); /* a last line without its end */
	p->line_start = p->offset;
	close_parts(p, NULL, p->offset, p->lines);
	return p->root;
}
