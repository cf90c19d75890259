/* Values of fields, as they are stored and as an operator may write them. */
#include "lib/directory/private.h"

bool
directory_is_on(struct str text)
{
	return str_eq_ci(text, STR("1")) || str_eq_ci(text, STR("on")) || str_eq_ci(text, STR("true")) ||
	       str_eq_ci(text, STR("yes"));
}

bool
directory_parse_size(struct str text, uint64_t *bytes_out)
{
	static const char units[] = "KMGT"; /* each 1024 times the one before */
	unsigned shift = 0;
	if (text.len > 0) {
		char last = text.p[text.len - 1];
		for (unsigned i = 0; i < 4; i++)
			if (last == units[i] || last == units[i] + 32)
				shift = 10 * (i + 1);
	}
	uint64_t number;
	if (!str_to_u64(str_first(text, text.len - (shift > 0)), &number) || number > (uint64_t)INT64_MAX >> shift)
		return false;
	*bytes_out = number << shift;
	return true;
}
