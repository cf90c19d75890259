/* Patterns of LIST. */
#include "frontend/imap/parse/pattern.h"

#include <string.h>

enum { NAME_MAX_BYTES = 2048 };

static bool
pattern_same(char a, char b, bool fold)
{
	if (fold && a >= 'a' && a <= 'z')
		a = (char)(a - 'a' + 'A');
	if (fold && b >= 'a' && b <= 'z')
		b = (char)(b - 'a' + 'A');
	return a == b;
}

/* can[i]: the pattern so far matches the first i bytes of the name. */
bool
imap_pattern_matches(struct str pattern, struct str name)
{
	bool can[NAME_MAX_BYTES + 1] = {true};
	bool inbox = str_starts(name, STR("INBOX")) && (name.len == 5 || name.p[5] == '/');

	if (name.len > NAME_MAX_BYTES)
		return false;
	for (size_t k = 0; k < pattern.len; k++) {
		char c = pattern.p[k];
		if (c == '*' || c == '%') {
			for (size_t i = 1; i <= name.len; i++)
				can[i] = can[i] || (can[i - 1] && (c == '*' || name.p[i - 1] != '/'));
			continue;
		}
		for (size_t i = name.len; i > 0; i--)
			can[i] = can[i - 1] && pattern_same(c, name.p[i - 1], inbox && i <= 5);
		can[0] = false;
	}
	return can[name.len];
}
