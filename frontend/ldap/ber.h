/* BER as LDAP uses it (RFC 4511, section 5.1): definite lengths, tags of one byte.
 *
 * liblber decodes and encodes; what is here keeps every element within its parent,
 * so that a wrong length is an error and never reads beyond. Reading is by a piece of
 * text that gets shorter; the contents point into it. */
#ifndef SP_FRONTEND_LDAP_BER_H
#define SP_FRONTEND_LDAP_BER_H

#include <event2/buffer.h>
#include <lber.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

enum ldap_frame {
	LDAP_FRAME_WHOLE,
	LDAP_FRAME_PARTIAL,   /* more input is needed */
	LDAP_FRAME_TOO_LARGE, /* it claims more than max */
	LDAP_FRAME_MALFORMED, /* no SEQUENCE, or its length is malformed */
};

/* Is there a whole message at the start of the input? *len_out: its bytes, with tag
 * and length (LDAP_FRAME_WHOLE only). max: of those bytes. */
enum ldap_frame ldap_frame(struct evbuffer *in, size_t max, size_t *len_out);

/* ---- Reading. False: malformed, another tag, or *rest is empty; then *rest is unchanged. ---- */
bool ldap_ber_next(struct str *rest, ber_tag_t *tag_out, struct str *content_out);
bool ldap_ber_take(struct str *rest, ber_tag_t tag, struct str *content_out);
/* INTEGER or ENUMERATED of at most 4 bytes; tag as given. */
bool ldap_ber_take_int(struct str *rest, ber_tag_t tag, int32_t *value_out);
bool ldap_ber_take_bool(struct str *rest, ber_tag_t tag, bool *value_out);

/* ---- Writing: with liblber's ber_put_...() between begin and end ---- */
BerElement *ldap_ber_begin(void);
void ldap_ber_put(BerElement *ber, ber_tag_t tag, struct str value);
/* Appends what was written to out, and frees ber. */
void ldap_ber_end(BerElement *ber, struct evbuffer *out);

#endif
