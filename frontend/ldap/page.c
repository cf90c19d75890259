/* The cookie of paged results (RFC 2696): where to go on, for any frontend.
 *
 *	version (1 byte), digest of the request (8), kind of the last entry (1), its address
 *	or, of a sorted search, its key; MAC of it all (8)
 *
 * The server keeps nothing between pages. What has changed meanwhile is seen as it is
 * at the time of each page. */
#include "frontend/ldap/private.h"

enum { PAGE_VERSION = 1, PAGE_HEAD = 10, PAGE_MAC = 8 };

static void
page_mac(const struct ldap_search *s, struct str text, unsigned char out[SECRET_MAC_BYTES])
{
	secret_mac(conn_frontend(s->session->conn)->secret, "ldap page", text, out);
}

/* Without the cluster's secret there is no cookie. */
static bool
page_has_secret(const struct ldap_search *s)
{
	return secret_is_known(conn_frontend(s->session->conn)->secret);
}

bool
ldap_page_cookie(struct ldap_search *s, struct str *cookie_out)
{
	struct str place = s->sorter != NULL ? s->after : str_c(s->last);
	unsigned char mac[SECRET_MAC_BYTES];
	size_t len = PAGE_HEAD + place.len;
	char *cookie = arena_alloc(&s->op.arena, len + PAGE_MAC);

	if (!page_has_secret(s))
		return false;
	cookie[0] = PAGE_VERSION;
	memcpy(cookie + 1, s->digest, sizeof(s->digest));
	cookie[9] = (char)s->last_kind;
	if (place.len != 0)
		memcpy(cookie + PAGE_HEAD, place.p, place.len);
	page_mac(s, str_of(cookie, len), mac);
	memcpy(cookie + len, mac, PAGE_MAC);
	*cookie_out = str_of(cookie, len + PAGE_MAC);
	return true;
}

/* Behind the last entry of the page before. */
static bool
page_seek(struct ldap_search *s, enum ldap_kind kind, struct str place)
{
	if (s->controls.key_count != 0) {
		s->after = arena_str(&s->op.arena, place);
		return true;
	}
	if (kind < LDAP_DOMAIN || kind > LDAP_GROUP || place.len >= DIRECTORY_ADDRESS_MAX)
		return false;
	s->stage = kind < LDAP_USER ? (enum ldap_kind)(kind + 1) : LDAP_USER;
	book_cursor_after(&s->cursor, place);
	return true;
}

bool
ldap_page_open(struct ldap_search *s)
{
	struct str cookie = s->controls.cookie;
	unsigned char mac[SECRET_MAC_BYTES];

	if (!s->controls.has_page || cookie.len == 0)
		return true;
	if (!page_has_secret(s) || cookie.len < PAGE_HEAD + PAGE_MAC || cookie.p[0] != PAGE_VERSION ||
	    memcmp(cookie.p + 1, s->digest, sizeof(s->digest)) != 0)
		return false;
	page_mac(s, str_first(cookie, cookie.len - PAGE_MAC), mac);
	if (memcmp(mac, cookie.p + cookie.len - PAGE_MAC, PAGE_MAC) != 0)
		return false;
	return page_seek(s, (enum ldap_kind)(unsigned char)cookie.p[9],
			 str_of(cookie.p + PAGE_HEAD, cookie.len - PAGE_HEAD - PAGE_MAC));
}
