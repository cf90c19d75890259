#include "lib/dmarcrpt/unpack.h"

#include <zlib.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/message/decode.h"
#include "lib/mime/digest.h"

struct unpacking {
	struct arena *arena; /* borrowed, as is out */
	struct dmarc_unpacked *out;
	size_t bytes; /* unpacked so far */
};

/* ---- Compression ---- */
enum { STEP = 64 * 1024, GZIP_WINDOW = 15 + 16, RAW_WINDOW = -15 };

/* Never more than is allowed, whatever the input promises. */
static int
unpack_inflate(struct unpacking *u, struct str packed, int window, struct err *err)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)packed.p, .avail_in = (uInt)packed.len};
	struct buf text = BUF_EMPTY;
	int status = Z_OK;

	CHECK(inflateInit2(&z, window) == Z_OK);
	while (status == Z_OK && u->bytes + text.len <= DMARC_UNPACKED_MAX) {
		z.next_out = (Bytef *)buf_reserve(&text, STEP);
		z.avail_out = STEP;
		status = inflate(&z, Z_NO_FLUSH);
		text.len += STEP - z.avail_out;
	}
	inflateEnd(&z);
	u->bytes += text.len;
	if (status == Z_STREAM_END && u->bytes <= DMARC_UNPACKED_MAX)
		u->out->xml[u->out->count++] = arena_str(u->arena, buf_str(&text));
	buf_fini(&text);
	if (u->bytes > DMARC_UNPACKED_MAX)
		return err_set(err, ERR_INVALID, "it is more than %d MiB when it is unpacked",
			       DMARC_UNPACKED_MAX / 1024 / 1024);
	return status == Z_STREAM_END ? 0 : err_set(err, ERR_INVALID, "compressed data is broken or cut off");
}

static unsigned
unpack_number(struct str data, size_t at, unsigned bytes)
{
	unsigned n = 0;

	for (unsigned i = bytes; i > 0; i--)
		n = n << 8 | (unsigned char)data.p[at + i - 1];
	return n;
}

/* The header of the first file (APPNOTE.TXT, 4.3.7). The size there may be missing; deflated data knows its end. */
static int
unpack_zip(struct unpacking *u, struct str zip, struct err *err)
{
	enum { HEADER = 30, STORED = 0, DEFLATED = 8, ENCRYPTED = 1, SIZE_LATER = 8 };
	unsigned flags, method, size;
	struct str data;

	if (zip.len < HEADER)
		return err_set(err, ERR_INVALID, "the zip file is cut off");
	flags = unpack_number(zip, 6, 2);
	method = unpack_number(zip, 8, 2);
	size = unpack_number(zip, 18, 4);
	data = str_from(zip, HEADER + unpack_number(zip, 26, 2) + unpack_number(zip, 28, 2));
	if ((flags & ENCRYPTED) == 0 && method == DEFLATED)
		return unpack_inflate(u, data, RAW_WINDOW, err);
	if ((flags & (ENCRYPTED | SIZE_LATER)) != 0 || method != STORED)
		return err_set(err, ERR_INVALID, "the zip file is encrypted, or packed in an unknown way");
	if (size > data.len)
		return err_set(err, ERR_INVALID, "the zip file is cut off");
	u->out->xml[u->out->count++] = str_first(data, size);
	return 0;
}

/* ---- What is it? ---- */
enum unpack_kind { UNPACK_OTHER, UNPACK_XML, UNPACK_GZIP, UNPACK_ZIP };

static enum unpack_kind
unpack_kind_of(struct str data)
{
	struct str text = str_starts(data, STR("\xef\xbb\xbf")) ? str_from(data, 3) : data;

	if (str_starts(data, STR("\x1f\x8b")))
		return UNPACK_GZIP;
	if (str_starts(data, STR("PK\x03\x04")))
		return UNPACK_ZIP;
	text = str_trim(str_first(text, 1024));
	return str_starts(text, STR("<?xml")) || str_starts(text, STR("<feedback")) ? UNPACK_XML : UNPACK_OTHER;
}

static int
unpack_one(struct unpacking *u, struct str data, struct err *err)
{
	if (u->out->count == DMARC_REPORTS_MAX)
		return err_set(err, ERR_INVALID, "there are more than %d reports in it", DMARC_REPORTS_MAX);
	switch (unpack_kind_of(data)) {
	case UNPACK_XML: u->out->xml[u->out->count++] = str_trim(data); return 0;
	case UNPACK_GZIP: return unpack_inflate(u, data, GZIP_WINDOW, err);
	case UNPACK_ZIP: return unpack_zip(u, data, err);
	case UNPACK_OTHER: break;
	}
	return 0;
}

/* ---- A message ---- */
static int
unpack_part(struct unpacking *u, struct str message, const struct mime_digest_part *part, struct err *err)
{
	struct str body = str_first(str_from(message, part->body_start), part->body_end - part->body_start);
	struct message_decoder decoder;
	struct buf decoded = BUF_EMPTY;
	int status;

	message_decoder_init(&decoder, (enum mime_encoding)part->encoding);
	message_decoder_feed(&decoder, body, &decoded);
	message_decoder_end(&decoder, &decoded);
	status = unpack_one(u, arena_str(u->arena, buf_str(&decoded)), err);
	buf_fini(&decoded);
	return status;
}

static int
unpack_message(struct unpacking *u, struct str message, struct err *err)
{
	struct mime_digest_builder *builder = mime_digest_begin();
	struct buf record = BUF_EMPTY;
	struct mime_digest digest;
	int status = 0;

	mime_digest_feed(builder, message);
	mime_digest_end(&builder, &record);
	CHECK(mime_digest_read(buf_str(&record), &digest));
	for (uint32_t i = 0; i < digest.part_count && status == 0; i++) {
		struct mime_digest_part part = mime_digest_part_at(&digest, i);

		if (part.kind == 0)
			status = unpack_part(u, message, &part, err);
	}
	buf_fini(&record);
	return status;
}

int
dmarc_unpack(struct str data, struct arena *arena, struct dmarc_unpacked *out, struct err *err)
{
	struct unpacking u = {.arena = arena, .out = out};
	bool is_message = unpack_kind_of(data) == UNPACK_OTHER;

	out->count = 0;
	if (data.len > DMARC_UNPACKED_MAX)
		return err_set(err, ERR_INVALID, "it is more than %d MiB", DMARC_UNPACKED_MAX / 1024 / 1024);
	if ((is_message ? unpack_message(&u, data, err) : unpack_one(&u, data, err)) != 0)
		return -1;
	return out->count > 0 ? 0 : err_set(err, ERR_NOT_FOUND, "no report is in it");
}
