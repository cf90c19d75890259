/* Reading a snapshot. */
#include "lib/backup/rdb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/backup/crc64.h"
#include "lib/backup/rdb_private.h"
#include "lib/base/bytes.h"
#include "lib/base/mem.h"

enum { PIECE_BYTES = 64 * 1024 };

struct rdb {
	FILE *file; /* owner */
	const char *path;
	uint64_t crc;
	struct buf key;
	struct buf value;
	struct buf *copy; /* everything read is also copied here; NULL: no copy */
	struct rdb_entry entry;
	struct err *err;
};

/* ---- Bytes ---- */

static int
rdb_damaged(struct rdb *r, const char *what)
{
	return err_set(r->err, ERR_CORRUPT, "the snapshot %s is damaged: %s", r->path, what);
}

static int
rdb_take(struct rdb *r, void *out, size_t len)
{
	if (fread(out, 1, len, r->file) != len) {
		if (ferror(r->file))
			return err_set_errno(r->err, errno, "reading %s", r->path);
		return rdb_damaged(r, "it is truncated");
	}
	r->crc = crc64_add(r->crc, out, len);
	if (r->copy != NULL)
		buf_add(r->copy, out, len);
	return 0;
}

/* In pieces: a damaged length must not allocate a buffer larger than the file. */
static int
rdb_skip(struct rdb *r, uint64_t len)
{
	char piece[PIECE_BYTES];

	while (len > 0) {
		size_t part = len < sizeof(piece) ? (size_t)len : sizeof(piece);
		if (rdb_take(r, piece, part) != 0)
			return -1;
		len -= part;
	}
	return 0;
}

/* *special_out: the length is the kind of a string that is not plain bytes. */
static int
rdb_length(struct rdb *r, uint64_t *length_out, bool *special_out)
{
	unsigned char b[9];

	*length_out = 0;
	*special_out = false;
	if (rdb_take(r, b, 1) != 0)
		return -1;
	switch (b[0] >> 6) {
	case RDB_LENGTH_6: *length_out = b[0] & 0x3f; return 0;
	case RDB_LENGTH_14:
		if (rdb_take(r, b + 1, 1) != 0)
			return -1;
		*length_out = (uint64_t)(b[0] & 0x3f) << 8 | b[1];
		return 0;
	case RDB_LENGTH_SPECIAL:
		*length_out = b[0] & 0x3f;
		*special_out = true;
		return 0;
	default: break;
	}
	if (b[0] == RDB_LENGTH_32) {
		uint32_t value;
		if (rdb_take(r, &value, sizeof(value)) != 0)
			return -1;
		*length_out = be32toh(value);
		return 0;
	}
	if (b[0] == RDB_LENGTH_64) {
		uint64_t value;
		if (rdb_take(r, &value, sizeof(value)) != 0)
			return -1;
		*length_out = be64toh(value);
		return 0;
	}
	return rdb_damaged(r, "no such length");
}

static int
rdb_number(struct rdb *r, uint64_t *number_out)
{
	bool special;

	if (rdb_length(r, number_out, &special) != 0)
		return -1;
	return special ? rdb_damaged(r, "no such number") : 0;
}

static int
rdb_skip_numbers(struct rdb *r, unsigned count)
{
	uint64_t number;

	while (count-- > 0)
		if (rdb_number(r, &number) != 0)
			return -1;
	return 0;
}

static int
rdb_skip_string(struct rdb *r)
{
	uint64_t length, unpacked;
	bool special;

	if (rdb_length(r, &length, &special) != 0)
		return -1;
	if (!special)
		return rdb_skip(r, length);
	switch (length) {
	case RDB_STRING_INT8: return rdb_skip(r, 1);
	case RDB_STRING_INT16: return rdb_skip(r, 2);
	case RDB_STRING_INT32: return rdb_skip(r, 4);
	case RDB_STRING_PACKED:
		if (rdb_number(r, &length) != 0 || rdb_number(r, &unpacked) != 0)
			return -1;
		return rdb_skip(r, length);
	default: return rdb_damaged(r, "no such string");
	}
}

static int
rdb_skip_strings(struct rdb *r, uint64_t count)
{
	while (count-- > 0)
		if (rdb_skip_string(r) != 0)
			return -1;
	return 0;
}

/* ---- Values: the extent of each type ---- */

enum rdb_shape {
	RDB_UNKNOWN,
	RDB_ONE_STRING,
	RDB_STRINGS, /* a count, then that many */
	RDB_PAIRS,   /* a count, then twice that many */
	RDB_SCORES,  /* a count, then that many strings, each followed by 8 bytes */
	RDB_NODES,   /* a count, then that many numbers, each followed by a string */
	RDB_STREAM,
};

static const struct {
	enum rdb_shape shape;
	unsigned stream_version;
} rdb_types[] = {
	[RDB_TYPE_STRING] = {RDB_ONE_STRING, 0},
	[1] = {RDB_STRINGS, 0}, /* list */
	[2] = {RDB_STRINGS, 0}, /* set */
	[RDB_TYPE_HASH] = {RDB_PAIRS, 0},
	[5] = {RDB_SCORES, 0},	    /* sorted set */
	[9] = {RDB_ONE_STRING, 0},  /* hash, zipmap */
	[10] = {RDB_ONE_STRING, 0}, /* list, ziplist */
	[11] = {RDB_ONE_STRING, 0}, /* set of integers */
	[12] = {RDB_ONE_STRING, 0}, /* sorted set, ziplist */
	[13] = {RDB_ONE_STRING, 0}, /* hash, ziplist */
	[14] = {RDB_STRINGS, 0},    /* list of ziplists */
	[15] = {RDB_STREAM, 1},
	[RDB_TYPE_HASH_LISTPACK] = {RDB_ONE_STRING, 0},
	[17] = {RDB_ONE_STRING, 0}, /* sorted set, listpack */
	[18] = {RDB_NODES, 0},	    /* list of listpacks */
	[19] = {RDB_STREAM, 2},
	[20] = {RDB_ONE_STRING, 0}, /* set, listpack */
	[21] = {RDB_STREAM, 3},
};

/* Entries pending for a consumer, then the next consumer. */
static int
rdb_skip_consumers(struct rdb *r, unsigned version)
{
	uint64_t consumers, pending;

	if (rdb_number(r, &consumers) != 0)
		return -1;
	while (consumers-- > 0) {
		if (rdb_skip_string(r) != 0 || rdb_skip(r, version >= 3 ? 16 : 8) != 0 || rdb_number(r, &pending) != 0)
			return -1;
		while (pending-- > 0)
			if (rdb_skip(r, 16) != 0)
				return -1;
	}
	return 0;
}

static int
rdb_skip_group(struct rdb *r, unsigned version)
{
	uint64_t pending;

	if (rdb_skip_string(r) != 0 || rdb_skip_numbers(r, version >= 2 ? 3 : 2) != 0 || rdb_number(r, &pending) != 0)
		return -1;
	while (pending-- > 0)
		if (rdb_skip(r, 16 + 8) != 0 || rdb_skip_numbers(r, 1) != 0)
			return -1;
	return rdb_skip_consumers(r, version);
}

static int
rdb_skip_stream(struct rdb *r, unsigned version)
{
	uint64_t nodes, groups;

	if (rdb_number(r, &nodes) != 0)
		return -1;
	while (nodes-- > 0)
		if (rdb_skip_strings(r, 2) != 0)
			return -1;
	/* Length and last id; first id, highest deleted one, entries ever added. */
	if (rdb_skip_numbers(r, version >= 2 ? 8 : 3) != 0 || rdb_number(r, &groups) != 0)
		return -1;
	while (groups-- > 0)
		if (rdb_skip_group(r, version) != 0)
			return -1;
	return 0;
}

static int
rdb_skip_counted(struct rdb *r, enum rdb_shape shape)
{
	uint64_t count;

	if (rdb_number(r, &count) != 0)
		return -1;
	while (count-- > 0)
		if ((shape == RDB_NODES && rdb_skip_numbers(r, 1) != 0) ||
		    rdb_skip_strings(r, shape == RDB_PAIRS ? 2 : 1) != 0 ||
		    (shape == RDB_SCORES && rdb_skip(r, 8) != 0))
			return -1;
	return 0;
}

static int
rdb_skip_value(struct rdb *r, unsigned type)
{
	enum rdb_shape shape = type < sizeof(rdb_types) / sizeof(rdb_types[0]) ? rdb_types[type].shape : RDB_UNKNOWN;

	switch (shape) {
	case RDB_ONE_STRING: return rdb_skip_string(r);
	case RDB_STREAM: return rdb_skip_stream(r, rdb_types[type].stream_version);
	case RDB_UNKNOWN: break;
	default: return rdb_skip_counted(r, shape);
	}
	return err_set(r->err, ERR_INVALID, "the snapshot %s has values of the unknown type %u (key '%.60s')", r->path,
		       type, r->key.data != NULL ? r->key.data : "");
}

/* ---- Entries ---- */

static int
rdb_take_entry(struct rdb *r, uint8_t type, rdb_on_entry *on_entry, void *arg)
{
	struct rdb_entry *e = &r->entry;
	struct buf raw = BUF_EMPTY;
	struct rdb_entry name = {.type = RDB_TYPE_STRING};
	int result;

	r->copy = &raw;
	result = rdb_skip_string(r);
	name.value = buf_str(&raw);
	if (result == 0)
		result = rdb_string(&name, &r->key, r->err);
	buf_fini(&raw);
	buf_clear(&r->value);
	r->copy = &r->value;
	if (result == 0)
		result = rdb_skip_value(r, type);
	r->copy = NULL;
	if (result != 0)
		return -1;
	e->type = type;
	e->key = buf_str(&r->key);
	e->value = buf_str(&r->value);
	result = on_entry(arg, e, r->err);
	e->expires_ms = 0;
	return result;
}

static int
rdb_take_expiry(struct rdb *r, unsigned op)
{
	uint64_t ms;
	uint32_t s;

	if (op == RDB_EXPIRES_MS) {
		if (rdb_take(r, &ms, sizeof(ms)) != 0)
			return -1;
		r->entry.expires_ms = (int64_t)le64toh(ms);
		return 0;
	}
	if (rdb_take(r, &s, sizeof(s)) != 0)
		return -1;
	r->entry.expires_ms = (int64_t)le32toh(s) * 1000;
	return 0;
}

static int
rdb_take_database(struct rdb *r)
{
	uint64_t number;

	if (rdb_number(r, &number) != 0)
		return -1;
	if (number > INT32_MAX)
		return rdb_damaged(r, "no such database");
	r->entry.database = (unsigned)number;
	return 0;
}

/* A checksum of zero: the server does not compute one. */
static int
rdb_take_end(struct rdb *r)
{
	uint64_t wanted = r->crc, crc;

	if (rdb_take(r, &crc, sizeof(crc)) != 0)
		return -1;
	if (crc != 0 && le64toh(crc) != wanted)
		return rdb_damaged(r, "its checksum does not match");
	return fgetc(r->file) == EOF ? 0 : rdb_damaged(r, "there is data after its end");
}

/* 1: the end. */
static int
rdb_take_next(struct rdb *r, rdb_on_entry *on_entry, void *arg)
{
	uint8_t op;

	if (rdb_take(r, &op, 1) != 0)
		return -1;
	switch (op) {
	case RDB_END: return rdb_take_end(r) == 0 ? 1 : -1;
	case RDB_DATABASE: return rdb_take_database(r);
	case RDB_EXPIRES_MS:
	case RDB_EXPIRES_S: return rdb_take_expiry(r, op);
	case RDB_SIZES: return rdb_skip_numbers(r, 2);
	case RDB_AUX: return rdb_skip_strings(r, 2);
	case RDB_FUNCTION: return rdb_skip_string(r); /* not ours */
	case RDB_FREQUENCY: return rdb_skip(r, 1);
	case RDB_IDLE: return rdb_skip_numbers(r, 1);
	default: return rdb_take_entry(r, op, on_entry, arg);
	}
}

static int
rdb_take_header(struct rdb *r)
{
	char header[RDB_HEADER_BYTES + 1] = "";
	uint64_t version;

	if (rdb_take(r, header, RDB_HEADER_BYTES) != 0)
		return -1;
	if (strncmp(header, "REDIS", 5) != 0 || !str_to_u64(str_c(header + 5), &version))
		return rdb_damaged(r, "it has no snapshot header");
	if (version < RDB_VERSION_LEAST || version > RDB_VERSION_MOST)
		return err_set(r->err, ERR_INVALID, "the snapshot %s has version %u, not one of %d to %d", r->path,
			       (unsigned)version, RDB_VERSION_LEAST, RDB_VERSION_MOST);
	r->entry.version = (unsigned)version;
	return 0;
}

int
rdb_read(const char *path, rdb_on_entry *on_entry, void *arg, struct err *err)
{
	struct err unheard;
	struct rdb r = {.path = path, .file = fopen(path, "re"), .err = err != NULL ? err : &unheard};
	int result;

	if (r.file == NULL)
		return err_set_errno(err, errno, "opening %s", path);
	setvbuf(r.file, NULL, _IOFBF, 256 * 1024);
	result = rdb_take_header(&r);
	while (result == 0)
		result = rdb_take_next(&r, on_entry, arg);
	fclose(r.file);
	buf_fini(&r.key);
	buf_fini(&r.value);
	return result == 1 ? 0 : -1;
}
