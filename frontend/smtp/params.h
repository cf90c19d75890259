/* ESMTP parameters of MAIL and RCPT: SIZE (RFC 1870), BODY (RFC 6152),
 * SMTPUTF8 (RFC 6531), AUTH (RFC 4954), RET, ENVID, NOTIFY, ORCPT (RFC 3461),
 * REQUIRETLS (RFC 8689), MT-PRIORITY (RFC 6710). */
#ifndef SP_FRONTEND_SMTP_PARAMS_H
#define SP_FRONTEND_SMTP_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/smtp/notify.h"

struct smtp_mail_params {
	uint64_t size_bytes; /* as declared by the client; 0: not given */
	bool eight_bit;	     /* BODY=8BITMIME */
	bool utf8;
	bool require_tls;
	bool has_priority;
	int8_t priority;  /* -9 to 9 */
	struct str ret;	  /* FULL or HDRS; empty: not given */
	struct str envid; /* still xtext */
};

struct smtp_rcpt_params {
	unsigned notify;  /* NOTIFY_...; 0: not given */
	struct str orcpt; /* "rfc822;..." still xtext */
};

enum smtp_params_error { PARAMS_OK, PARAMS_BAD, PARAMS_UNKNOWN };

/* text: what follows the path. Results borrow from it. *culprit_out: the keyword that
 * is refused. A repeated parameter is PARAMS_BAD. */
enum smtp_params_error smtp_mail_params_parse(struct str text, struct smtp_mail_params *out, struct str *culprit_out);
enum smtp_params_error smtp_rcpt_params_parse(struct str text, struct smtp_rcpt_params *out, struct str *culprit_out);

#endif
