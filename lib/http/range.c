#include "lib/http/range.h"

enum http_range
http_range_parse(struct str value, uint64_t total, uint64_t *from_out, uint64_t *length_out)
{
	struct str unit, set, first, last;
	uint64_t from, to;

	if (!str_cut(value, '=', &unit, &set) || !str_eq_ci(str_trim(unit), STR("bytes")) ||
	    !str_cut(str_trim(set), '-', &first, &last))
		return HTTP_RANGE_WHOLE;
	if (first.len == 0) {
		/* The last so many. */
		if (!str_to_u64(last, &to))
			return HTTP_RANGE_WHOLE;
		if (to == 0 || total == 0)
			return HTTP_RANGE_NONE;
		*length_out = to < total ? to : total;
		*from_out = total - *length_out;
		return HTTP_RANGE_PART;
	}
	if (!str_to_u64(first, &from) || (last.len != 0 && (!str_to_u64(last, &to) || to < from)))
		return HTTP_RANGE_WHOLE;
	if (from >= total)
		return HTTP_RANGE_NONE;
	if (last.len == 0 || to >= total)
		to = total - 1;
	*from_out = from;
	*length_out = to - from + 1;
	return HTTP_RANGE_PART;
}

bool
http_etag_is_listed(struct str list, struct str etag)
{
	struct str item;

	if (str_eq(str_trim(list), STR("*")))
		return true;
	while (str_next_word(&list, ",", &item)) {
		item = str_trim(item);
		if (str_eq(str_starts(item, STR("W/")) ? str_from(item, 2) : item, etag))
			return true;
	}
	return false;
}
