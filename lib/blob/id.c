/* Names of blobs. */
#include <stdio.h>

#include "lib/base/bytes.h"
#include "lib/blob/blob.h"

void
blob_id_pack(const struct blob_id *id, char out[BLOB_ID_PACKED])
{
	bytes_put_u64(out, id->pack);
	bytes_put_u48(out + 8, id->offset);
	bytes_put_u48(out + 14, id->length);
}

struct blob_id
blob_id_unpack(const char in[BLOB_ID_PACKED])
{
	return (struct blob_id){
		.pack = bytes_get_u64(in), .offset = bytes_get_u48(in + 8), .length = bytes_get_u48(in + 14)};
}

void
blob_id_text(const struct blob_id *id, char out[BLOB_ID_TEXT])
{
	snprintf(out, BLOB_ID_TEXT, "%llx-%llx-%llx", (unsigned long long)id->pack, (unsigned long long)id->offset,
		 (unsigned long long)id->length);
}

static bool
parse_hex(struct str s, uint64_t most, uint64_t *out)
{
	uint64_t value = 0;

	if (s.len == 0 || s.len > 16)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		unsigned digit = c >= '0' && c <= '9'	? (unsigned)(c - '0')
				 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
							: 16;
		if (digit > 15)
			return false;
		value = value << 4 | digit;
	}
	*out = value;
	return value <= most;
}

bool
blob_id_parse(struct str text, struct blob_id *id)
{
	const uint64_t u48 = (UINT64_C(1) << 48) - 1;
	struct str pack, offset, length;

	return str_cut(text, '-', &pack, &offset) && str_cut(offset, '-', &offset, &length) &&
	       parse_hex(pack, UINT64_MAX, &id->pack) && parse_hex(offset, u48, &id->offset) &&
	       parse_hex(length, u48, &id->length);
}
