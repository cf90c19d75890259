/* Classifies the keys of a snapshot. */
#include "lib/backup/key.h"

bool
backup_key_is(struct str key, enum redis_key row, const char *tail)
{
	size_t at = key.len;

	if (!str_starts(key, str_first(str_c(redis_key_pattern(row)), strcspn(redis_key_pattern(row), "<"))))
		return false;
	for (size_t i = strlen(tail); i > 0; i--) {
		size_t digits = at;
		if (tail[i - 1] != '0') {
			if (at == 0 || key.p[--at] != tail[i - 1])
				return false;
			continue;
		}
		while (at > 0 && key.p[at - 1] >= '0' && key.p[at - 1] <= '9')
			at--;
		if (at == digits)
			return false;
	}
	return true;
}
