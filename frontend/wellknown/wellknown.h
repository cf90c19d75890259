/* Resources below /.well-known/. */
#ifndef SP_FRONTEND_WELLKNOWN_WELLKNOWN_H
#define SP_FRONTEND_WELLKNOWN_WELLKNOWN_H

#include "frontend/http/http.h"

/* https://mta-sts.DOMAIN/.well-known/mta-sts.txt (RFC 8461, 3.2), according to the
 * domain's settings smtp-in mta_sts, mta_sts_mx and mta_sts_max_age. */
extern const struct http_handler wellknown_mta_sts;

/* http://NAME/.well-known/acme-challenge/TOKEN (RFC 8555, 8.3): without TLS, for any name. */
#define WELLKNOWN_ACME_PREFIX "/.well-known/acme-challenge/"
extern const struct http_handler wellknown_acme;

#endif
