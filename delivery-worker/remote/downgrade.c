#include "delivery-worker/remote/downgrade.h"

#include "delivery-worker/remote/leaf_encoder.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/mime/header.h"

#define HEADER_MAX   (64 * 1024)
#define DEPTH_MAX    32
#define PARTS_MAX    8192
#define BOUNDARY_MAX 70	 /* RFC 2046, 5.1.1 */
#define LOOK_MAX     256 /* longer lines are no boundaries */

enum place { IN_HEADER, IN_LEAF, BETWEEN }; /* BETWEEN: before and after a multipart's parts */

struct level {
	char boundary[BOUNDARY_MAX];
	size_t boundary_len;
	bool is_digest;
	bool is_sealed; /* signed or encrypted: its content must not be changed */
};

struct downgrade {
	unsigned char dirty[PARTS_MAX / 8]; /* one bit per leaf: it has 8-bit data */
	bool any_dirty;
	const char *refusal;
	bool writing; /* the second pass */
	struct buf *out;

	enum place place;
	struct buf header;  /* the current block */
	struct buf line;    /* the start of a line, while it may be a boundary */
	bool line_is_plain; /* its rest is data */
	bool is_message;    /* the current header is that of a message, not of a part */
	struct level levels[DEPTH_MAX];
	unsigned depth;
	unsigned leaf;		  /* counts them */
	const char *refuse_dirty; /* why the current leaf cannot be encoded; NULL: it can */

	struct leaf_encoder encoder; /* of the current leaf, in the second pass */
};

static void
downgrade_put(struct downgrade *d, const char *data, size_t len)
{
	if (d->writing)
		buf_add(d->out, data, len);
}

static void
downgrade_refuse(struct downgrade *d, const char *why)
{
	CHECK(!d->writing);
	if (d->refusal == NULL)
		d->refusal = why;
}

/* at_boundary: the last line end belongs to the boundary. */
static void
downgrade_end_leaf(struct downgrade *d, bool at_boundary)
{
	leaf_encoder_end(&d->encoder, at_boundary, d->out);
}

/* ---- Data ---- */
static void
downgrade_leaf_data(struct downgrade *d, struct str data)
{
	if (!d->writing) {
		if (!str_has_eight_bit(data))
			return;
		d->any_dirty = true;
		d->dirty[d->leaf / 8] |= (unsigned char)(1u << d->leaf % 8);
		if (d->refuse_dirty != NULL)
			downgrade_refuse(d, d->refuse_dirty);
	} else {
		leaf_encoder_take(&d->encoder, data, d->out);
	}
}

static void
downgrade_body_data(struct downgrade *d, struct str data)
{
	if (d->place == IN_LEAF) {
		downgrade_leaf_data(d, data);
		return;
	}
	/* Nobody reads the text around the parts, but it is sent. */
	d->any_dirty |= str_has_eight_bit(data);
	for (size_t i = 0; i < data.len; i++)
		downgrade_put(d, (unsigned char)data.p[i] < 0x80 ? &data.p[i] : "?", 1);
}

/* ---- Headers ---- */
static bool
downgrade_is_encoding_field(struct str line)
{
	struct str name, value;

	return str_cut(line, ':', &name, &value) && str_eq_ci(str_trim(name), STR("content-transfer-encoding"));
}

static void
downgrade_put_header(struct downgrade *d, bool drop_encoding)
{
	struct str rest = buf_str(&d->header);
	bool dropping = false;

	while (rest.len > 0) {
		ptrdiff_t end = str_index(rest, '\n');
		struct str line = end < 0 ? rest : str_first(rest, (size_t)end + 1);

		rest = str_from(rest, line.len);
		if (line.p[0] != ' ' && line.p[0] != '\t')
			dropping = drop_encoding && downgrade_is_encoding_field(line);
		if (!dropping)
			downgrade_put(d, line.p, line.len);
	}
}

static void
downgrade_put_line(struct downgrade *d, const char *text)
{
	downgrade_put(d, text, strlen(text));
	downgrade_put(d, "\r\n", 2);
}

static void
downgrade_begin_leaf(struct downgrade *d, const struct mime_value *type, bool has_type, bool is_encoded)
{
	struct str ignored;
	bool dirty;

	d->place = IN_LEAF;
	d->leaf++;
	if (d->leaf >= PARTS_MAX) {
		downgrade_refuse(d, "the message has too many parts to be converted");
		d->leaf = 0;
	}
	d->refuse_dirty = NULL;
	if (is_encoded)
		d->refuse_dirty = "the message has 8-bit data in a part that is declared as 7-bit";
	else if (str_eq(type->main, STR("message")))
		d->refuse_dirty = "the message has 8-bit data in a part that must not be converted";
	for (unsigned i = 0; i < d->depth; i++)
		if (d->levels[i].is_sealed)
			d->refuse_dirty = "the message has 8-bit data in a signed part, which must not be converted";
	dirty = d->writing && (d->dirty[d->leaf / 8] & 1u << d->leaf % 8) != 0;
	downgrade_put_header(d, dirty);
	if (!dirty) {
		downgrade_put_line(d, "");
		return;
	}
	d->encoder.coding = str_eq(type->main, STR("text")) ? LEAF_QUOTED_PRINTABLE : LEAF_BASE64;
	if (d->is_message && !mime_find_field(buf_str(&d->header), "mime-version", &ignored))
		downgrade_put_line(d, "MIME-Version: 1.0");
	if (!has_type)
		downgrade_put_line(d, "Content-Type: text/plain; charset=unknown-8bit"); /* RFC 1428 */
	downgrade_put_line(d, d->encoder.coding == LEAF_BASE64 ? "Content-Transfer-Encoding: base64"
							       : "Content-Transfer-Encoding: quoted-printable");
	downgrade_put_line(d, "");
}

static bool
downgrade_push_level(struct downgrade *d, const struct mime_value *type)
{
	struct str boundary = mime_param_find(type, "boundary");
	struct level *l = &d->levels[d->depth];

	if (boundary.len == 0 || boundary.len > BOUNDARY_MAX)
		return false;
	if (d->depth == DEPTH_MAX) {
		downgrade_refuse(d, "the message's parts are nested too deeply to be converted");
		return false;
	}
	d->depth++;
	memcpy(l->boundary, boundary.p, boundary.len);
	l->boundary_len = boundary.len;
	l->is_digest = str_eq(type->sub, STR("digest"));
	l->is_sealed = str_eq(type->sub, STR("signed")) || str_eq(type->sub, STR("encrypted"));
	return true;
}

/* The block is complete. */
static void
downgrade_end_header(struct downgrade *d)
{
	struct str header = buf_str(&d->header), raw_type, encoding;
	struct mime_value type;
	struct arena arena;
	bool has_type, is_wide, is_encoded;
	bool in_digest = !d->is_message && d->depth > 0 && d->levels[d->depth - 1].is_digest;

	if (!d->writing && str_has_eight_bit(header))
		downgrade_refuse(d, "the message has 8-bit data in a header");
	arena_init(&arena);
	has_type = mime_find_field(header, "content-type", &raw_type);
	mime_find_field(header, "content-transfer-encoding", &encoding);
	encoding = str_trim(encoding);
	is_wide = str_eq_ci(encoding, STR("8bit")) || str_eq_ci(encoding, STR("binary"));
	is_encoded = str_eq_ci(encoding, STR("base64")) || str_eq_ci(encoding, STR("quoted-printable"));
	mime_parse_value(has_type ? raw_type : in_digest ? STR("message/rfc822") : STR("text/plain"), &arena, &type);
	if (str_eq(type.main, STR("multipart")) && !is_encoded && downgrade_push_level(d, &type)) {
		downgrade_put_header(d, is_wide);
		downgrade_put_line(d, "");
		d->place = BETWEEN;
	} else if (str_eq(type.main, STR("message")) && str_eq(type.sub, STR("rfc822")) && !is_encoded) {
		downgrade_put_header(d, is_wide);
		downgrade_put_line(d, "");
		d->is_message = true;
	} else {
		downgrade_begin_leaf(d, &type, has_type, is_encoded);
	}
	buf_clear(&d->header);
	arena_fini(&arena);
}

/* ---- Lines ---- */
/* Is the line a boundary of any level, starting with the innermost? */
static bool
downgrade_take_boundary(struct downgrade *d, struct str line)
{
	struct str text = str_trim(line);

	if (!str_starts(line, STR("--")))
		return false;
	text = str_from(text, 2);
	for (unsigned i = d->depth; i-- > 0;) {
		const struct level *l = &d->levels[i];
		struct str behind = str_from(text, l->boundary_len);
		bool closes = str_eq(behind, STR("--"));

		if (!str_starts(text, str_of(l->boundary, l->boundary_len)) || (behind.len > 0 && !closes))
			continue;
		if (d->place == IN_HEADER)
			downgrade_end_header(d); /* it had no blank line */
		downgrade_end_leaf(d, true);
		downgrade_put(d, line.p, line.len);
		d->depth = closes ? i : i + 1;
		d->place = closes ? BETWEEN : IN_HEADER;
		d->is_message = false;
		return true;
	}
	return false;
}

/* A complete line of a header. */
static void
downgrade_header_line(struct downgrade *d, struct str line)
{
	if (str_eq(line, STR("\r\n"))) {
		downgrade_end_header(d);
	} else if (!downgrade_take_boundary(d, line)) {
		buf_add_str(&d->header, line);
	}
}

/* The next bytes of one line; the last is its '\n' if that is there. */
static void
downgrade_line_bytes(struct downgrade *d, struct str bytes)
{
	bool ends = bytes.p[bytes.len - 1] == '\n';

	if (d->line_is_plain) {
		downgrade_body_data(d, bytes);
		d->line_is_plain = !ends;
		return;
	}
	buf_add_str(&d->line, bytes);
	if (d->place == IN_HEADER) {
		if (d->line.len + d->header.len > HEADER_MAX && !d->writing) {
			downgrade_refuse(d, "the message has a header too large to be converted");
			buf_clear(&d->header);
		}
		if (!ends)
			return;
		downgrade_header_line(d, buf_str(&d->line));
	} else {
		bool may_be_boundary = d->line.data[0] == '-' && (d->line.len < 2 || d->line.data[1] == '-');

		if (!ends && may_be_boundary && d->line.len < LOOK_MAX)
			return;
		if (!ends || !downgrade_take_boundary(d, buf_str(&d->line))) {
			downgrade_body_data(d, buf_str(&d->line));
			d->line_is_plain = !ends;
		}
	}
	buf_clear(&d->line);
}

static void
downgrade_feed(struct downgrade *d, struct str piece)
{
	while (piece.len > 0 && d->refusal == NULL) {
		ptrdiff_t end = str_index(piece, '\n');
		struct str bytes = end < 0 ? piece : str_first(piece, (size_t)end + 1);

		downgrade_line_bytes(d, bytes);
		piece = str_from(piece, bytes.len);
	}
}

static void
downgrade_finish(struct downgrade *d)
{
	if (d->refusal != NULL)
		return;
	if (d->line.len > 0 && d->place == IN_HEADER)
		downgrade_header_line(d, buf_str(&d->line));
	else if (d->line.len > 0 && !downgrade_take_boundary(d, buf_str(&d->line)))
		downgrade_body_data(d, buf_str(&d->line));
	buf_clear(&d->line);
	if (d->place == IN_HEADER && d->header.len > 0)
		downgrade_end_header(d);
	downgrade_end_leaf(d, false);
}

static void
downgrade_reset(struct downgrade *d)
{
	d->place = IN_HEADER;
	d->is_message = true;
	d->line_is_plain = false;
	d->depth = d->leaf = 0;
	buf_clear(&d->header);
	buf_clear(&d->line);
	leaf_encoder_reset(&d->encoder);
}

/* ---- For all ---- */
struct downgrade *
downgrade_new(void)
{
	struct downgrade *d = mem_new(struct downgrade);

	downgrade_reset(d);
	return d;
}

void
downgrade_free(struct downgrade **d)
{
	if (*d == NULL)
		return;
	buf_fini(&(*d)->header);
	buf_fini(&(*d)->line);
	leaf_encoder_fini(&(*d)->encoder);
	mem_free(*d);
	*d = NULL;
}

void
downgrade_scan(struct downgrade *d, struct str piece)
{
	CHECK(!d->writing);
	downgrade_feed(d, piece);
}

int
downgrade_scan_end(struct downgrade *d, struct err *err)
{
	CHECK(!d->writing);
	downgrade_finish(d);
	if (d->refusal != NULL)
		return err_set(err, ERR_INVALID, "%s", d->refusal);
	return 0;
}

bool
downgrade_is_needed(const struct downgrade *d)
{
	return d->any_dirty;
}

void
downgrade_begin(struct downgrade *d)
{
	CHECK(d->refusal == NULL);
	downgrade_reset(d);
	d->writing = true;
}

void
downgrade_write(struct downgrade *d, struct str piece, struct buf *out)
{
	d->out = out;
	downgrade_feed(d, piece);
}

void
downgrade_write_end(struct downgrade *d, struct buf *out)
{
	d->out = out;
	downgrade_finish(d);
}
