/* Organizational domains by the public suffix list (RFC 7489, 3.2): the domain that
 * somebody registered, below which all is his. */
#ifndef SP_MAILAUTH_ORG_DOMAIN_H
#define SP_MAILAUTH_ORG_DOMAIN_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

struct org_domains;

/* Reads the system's list, or the one built into libpsl if that is newer. Takes
 * milliseconds: once a process. Then it is immutable, and all threads may use it. */
struct org_domains *org_domains_new(struct err *err);
void org_domains_free(struct org_domains **o);

/* The part of the domain (A-labels, lower case) that is its organizational domain;
 * the domain itself if it is a public suffix. */
struct str org_domain(const struct org_domains *o, struct str domain);
bool org_domain_is_same(const struct org_domains *o, struct str a, struct str b);
/* The public suffix of the domain; empty: it has none above it. */
struct str org_domain_suffix(const struct org_domains *o, struct str domain);

#endif
