/* Decoding values: strings and hashes. */
#include <stdio.h>

#include "lib/backup/crc64.h"
#include "lib/backup/rdb_private.h"
#include "lib/base/bytes.h"

/* ---- LZF (of libLZF, which Redis uses to compress strings) ---- */

/* A control byte below 32 is a count of literal bytes that follow; any other says
 * how many earlier bytes to repeat, and from how far back. */
bool
rdb_unpack(struct str in, size_t len, struct buf *out)
{
	const unsigned char *p = (const unsigned char *)in.p, *end = p + in.len;
	size_t start = out->len;

	while (p < end) {
		size_t count = *p++, back;
		if (count < 32) {
			count++;
			if ((size_t)(end - p) < count || out->len - start + count > len)
				return false;
			buf_add(out, p, count);
			p += count;
			continue;
		}
		back = (count & 0x1f) << 8;
		count >>= 5;
		if (count == 7 && p < end)
			count += *p++;
		if (p == end)
			return false;
		back += *p++ + (size_t)1;
		count += 2;
		if (back > out->len - start || out->len - start + count > len)
			return false;
		/* Byte by byte: the repeated bytes may overlap the output. */
		buf_reserve(out, count);
		for (; count > 0; count--, out->len++)
			out->data[out->len] = out->data[out->len - back];
	}
	return out->len - start == len;
}

/* ---- Strings, within the bytes of a value ---- */

/* Like rdb_length() in rdb.c, but from memory. */
static bool
value_length(struct str *rest, uint64_t *length_out, bool *special_out)
{
	static const size_t bytes[] = {[RDB_LENGTH_6] = 1, [RDB_LENGTH_14] = 2, [RDB_LENGTH_SPECIAL] = 1};
	const unsigned char *p = (const unsigned char *)rest->p;
	uint32_t be32;
	uint64_t be64;
	size_t used;

	if (rest->len == 0)
		return false;
	*special_out = p[0] >> 6 == RDB_LENGTH_SPECIAL;
	used = p[0] == RDB_LENGTH_32   ? 5
	       : p[0] == RDB_LENGTH_64 ? 9
				       : bytes[p[0] >> 6 == RDB_LENGTH_LONG ? 0 : p[0] >> 6];
	if (rest->len < used)
		return false;
	if (used == 5) {
		memcpy(&be32, p + 1, sizeof(be32));
		*length_out = be32toh(be32);
	} else if (used == 9) {
		memcpy(&be64, p + 1, sizeof(be64));
		*length_out = be64toh(be64);
	} else {
		*length_out = used == 2 ? (uint64_t)(p[0] & 0x3f) << 8 | p[1] : p[0] & 0x3f;
	}
	*rest = str_from(*rest, used);
	return true;
}

static bool
value_bytes(struct str *rest, uint64_t length, struct str *out)
{
	if (length > rest->len)
		return false;
	*out = str_first(*rest, (size_t)length);
	*rest = str_from(*rest, (size_t)length);
	return true;
}

static bool
value_packed(struct str *rest, struct buf *out)
{
	uint64_t packed, length;
	bool special;
	struct str in;

	return value_length(rest, &packed, &special) && value_length(rest, &length, &special) &&
	       value_bytes(rest, packed, &in) && rdb_unpack(in, (size_t)length, out);
}

/* Appends the next string to out. */
static bool
value_string(struct str *rest, struct buf *out)
{
	uint64_t length;
	bool special;
	struct str bytes;

	if (!value_length(rest, &length, &special))
		return false;
	if (special && length == RDB_STRING_PACKED)
		return value_packed(rest, out);
	if (special && length > RDB_STRING_INT32)
		return false;
	if (!value_bytes(rest, special ? UINT64_C(1) << length : length, &bytes))
		return false;
	if (!special)
		buf_add_str(out, bytes);
	else if (length == RDB_STRING_INT8)
		buf_printf(out, "%d", (int8_t)bytes.p[0]);
	else if (length == RDB_STRING_INT16)
		buf_printf(out, "%d", (int16_t)bytes_get_u16(bytes.p));
	else
		buf_printf(out, "%d", (int32_t)bytes_get_u32(bytes.p));
	return true;
}

int
rdb_string(const struct rdb_entry *entry, struct buf *out, struct err *err)
{
	struct str rest = entry->value;

	buf_clear(out);
	if (entry->type != RDB_TYPE_STRING || !value_string(&rest, out) || rest.len != 0)
		return err_set(err, ERR_CORRUPT, "the value of '%.*s' is not a valid string", STR_ARG(entry->key));
	return 0;
}

/* ---- Hashes ---- */

struct listpack {
	struct str rest; /* elements not read yet */
	char number[24]; /* of an integer element */
};

/* Size of the length after an element of so many bytes, which serves for reading backwards. */
static size_t
listpack_back_bytes(uint64_t len)
{
	return len < 128 ? 1 : len < 16384 ? 2 : len < 2097152 ? 3 : len < 268435456 ? 4 : 5;
}

/* From an integer of `bits`, in two's complement. */
static struct str
listpack_number(struct listpack *l, uint64_t value, unsigned bits)
{
	int64_t number = (int64_t)(value << (64 - bits)) >> (64 - bits);

	return str_of(l->number, (size_t)snprintf(l->number, sizeof(l->number), "%lld", (long long)number));
}

/* Element kinds: the masked first byte, the bytes of the head, and the bits of the number if it is one. */
static const struct {
	unsigned char mask, is, head, number_bits;
} listpack_kinds[] = {
	{0x80, 0x00, 1, 7},  {0xc0, 0x80, 1, 0},  {0xe0, 0xc0, 2, 13}, {0xf0, 0xe0, 2, 0},  {0xff, 0xf0, 5, 0},
	{0xff, 0xf1, 3, 16}, {0xff, 0xf2, 4, 24}, {0xff, 0xf3, 5, 32}, {0xff, 0xf4, 9, 64},
};

/* The text of an element whose head has been read. */
static struct str
listpack_text(struct listpack *l, const unsigned char *p, unsigned kind, uint64_t *text_len_out)
{
	uint64_t value = 0;

	*text_len_out = 0;
	switch (listpack_kinds[kind].is) {
	case 0x00: return str_of(l->number, (size_t)snprintf(l->number, sizeof(l->number), "%u", p[0]));
	case 0x80: *text_len_out = p[0] & 0x3f; return STR_NONE;
	case 0xc0: return listpack_number(l, (uint64_t)(p[0] & 0x1f) << 8 | p[1], 13);
	case 0xe0: *text_len_out = (uint64_t)(p[0] & 0x0f) << 8 | p[1]; return STR_NONE;
	case 0xf0: *text_len_out = bytes_get_u32(p + 1); return STR_NONE;
	default: break;
	}
	for (unsigned i = 0; i < listpack_kinds[kind].number_bits / 8; i++)
		value |= (uint64_t)p[1 + i] << (8 * i);
	return listpack_number(l, value, listpack_kinds[kind].number_bits);
}

/* 1: an element; 0: the end; -1: damaged. The element is valid until the next call. */
static int
listpack_next(struct listpack *l, struct str *out)
{
	const unsigned char *p = (const unsigned char *)l->rest.p;
	uint64_t text_len, len;
	unsigned kind = 0;

	if (l->rest.len == 1 && p[0] == 0xff)
		return 0;
	while (kind < 9 && l->rest.len != 0 && (p[0] & listpack_kinds[kind].mask) != listpack_kinds[kind].is)
		kind++;
	if (kind == 9 || l->rest.len < listpack_kinds[kind].head)
		return -1;
	*out = listpack_text(l, p, kind, &text_len);
	len = listpack_kinds[kind].head + text_len;
	if (l->rest.len < len + listpack_back_bytes(len))
		return -1;
	if (listpack_kinds[kind].number_bits == 0)
		*out = str_of(l->rest.p + listpack_kinds[kind].head, (size_t)text_len);
	l->rest = str_from(l->rest, (size_t)(len + listpack_back_bytes(len)));
	return 1;
}

static bool
value_listpack(struct str pack, rdb_on_field *on_field, void *arg)
{
	enum { HEAD_BYTES = 6 };
	struct listpack l = {.rest = str_from(pack, HEAD_BYTES)};
	struct str name, value;
	char field[64];
	int result;

	if (pack.len <= HEAD_BYTES || bytes_get_u32(pack.p) != pack.len)
		return false;
	while ((result = listpack_next(&l, &name)) == 1) {
		/* A number is stored in l, where the value may be one too. */
		if (name.p == l.number) {
			memcpy(field, name.p, name.len);
			name.p = field;
		}
		if (listpack_next(&l, &value) != 1)
			return false;
		on_field(arg, name, value);
	}
	return result == 0;
}

static bool
value_pairs(struct str rest, rdb_on_field *on_field, void *arg)
{
	struct buf field = BUF_EMPTY, value = BUF_EMPTY;
	uint64_t count;
	bool special, good = value_length(&rest, &count, &special) && !special;

	for (; good && count > 0; count--) {
		buf_clear(&field);
		buf_clear(&value);
		good = value_string(&rest, &field) && value_string(&rest, &value);
		if (good)
			on_field(arg, buf_str(&field), buf_str(&value));
	}
	buf_fini(&field);
	buf_fini(&value);
	return good && rest.len == 0;
}

int
rdb_hash(const struct rdb_entry *entry, rdb_on_field *on_field, void *arg, struct err *err)
{
	struct buf pack = BUF_EMPTY;
	struct str rest = entry->value;
	bool good = false;

	if (entry->type == RDB_TYPE_HASH)
		good = value_pairs(rest, on_field, arg);
	else if (entry->type == RDB_TYPE_HASH_LISTPACK)
		good = value_string(&rest, &pack) && rest.len == 0 && value_listpack(buf_str(&pack), on_field, arg);
	buf_fini(&pack);
	if (!good)
		return err_set(err, ERR_CORRUPT, "the value of '%.*s' is not a valid hash", STR_ARG(entry->key));
	return 0;
}

/* ---- Building values ---- */

void
rdb_put_length(struct buf *out, uint64_t length)
{
	uint64_t be = htobe64(length);

	if (length < 64) {
		buf_add_byte(out, (char)length);
		return;
	}
	buf_add_byte(out, (char)RDB_LENGTH_64);
	buf_add(out, &be, sizeof(be));
}

void
rdb_put_string(struct buf *out, struct str s)
{
	rdb_put_length(out, s.len);
	buf_add_str(out, s);
}

/* ---- For RESTORE: type, value, version of the format, checksum ---- */

void
rdb_dump(const struct rdb_entry *entry, struct buf *out)
{
	buf_clear(out);
	buf_add_byte(out, (char)entry->type);
	buf_add_str(out, entry->value);
	buf_add_u16(out, (uint16_t)entry->version);
	buf_add_u64(out, crc64_add(0, out->data, out->len));
}
