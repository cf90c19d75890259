/* Lookups among an account's folder names. */
#include "frontend/imap/cmd/list_names.h"

bool
list_names_is_below(struct str name, struct str upper)
{
	return name.len > upper.len && name.p[upper.len] == '/' && str_starts(name, upper);
}

unsigned
list_names_first_below(const struct list_names *n, struct str name)
{
	unsigned low = n->folder_count != 0, high = n->folder_count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		struct str other = n->folders[middle].name;
		int order = str_cmp(str_first(other, name.len), name);
		if (order < 0 || (order == 0 && (other.len == name.len || (unsigned char)other.p[name.len] < '/')))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
list_names_has_children(const struct list_names *n, struct str name)
{
	unsigned i = list_names_first_below(n, name);

	return i < n->folder_count && list_names_is_below(n->folders[i].name, name);
}

bool
list_names_folder_exists(const struct list_names *n, struct str name)
{
	unsigned low = n->folder_count != 0, high = n->folder_count; /* sorted except for INBOX */

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		if (str_cmp(n->folders[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return str_eq(name, STR("INBOX")) || (low < n->folder_count && str_eq(n->folders[low].name, name));
}

bool
list_names_go_up(struct str *name)
{
	ptrdiff_t slash = str_rindex(*name, '/');

	if (slash <= 0)
		return false;
	name->len = (size_t)slash;
	return true;
}
