/* Controls (RFC 4511, section 4.1.11): paged results (RFC 2696), server-side sorting
 * (RFC 2891), ManageDsaIT (RFC 3296), which changes nothing without referrals. */
#ifndef SP_FRONTEND_LDAP_CONTROL_H
#define SP_FRONTEND_LDAP_CONTROL_H

#include "frontend/ldap/schema.h"
#include "lib/base/arena.h"
#include "lib/base/str.h"

enum { LDAP_CONTROLS_MAX = 16, LDAP_SORT_KEYS_MAX = 4, LDAP_SORT_KEYS_READ = 16 };

struct ldap_sort_key {
	enum ldap_attribute attribute;
	enum ldap_form form;
	bool reverse;
};

struct ldap_controls {
	bool has_page, has_sort, sort_is_critical;
	int32_t page_size;
	struct str cookie; /* empty: the first page */
	unsigned key_count;
	struct ldap_sort_key keys[LDAP_SORT_KEYS_MAX];
	int sort_result;       /* 0, or why it cannot be sorted so (RFC 2891, section 1.2) */
	struct str sort_wrong; /* the attribute at fault */
};

enum ldap_controls_result { LDAP_CONTROLS_GOOD, LDAP_CONTROLS_MALFORMED, LDAP_CONTROLS_UNKNOWN };

/* rest: what follows the operation in the message. is_search: paging and sorting mean
 * something. Texts are borrowed from rest. */
enum ldap_controls_result ldap_controls_take(struct str rest, bool is_search, struct ldap_controls *out);

#endif
