/* Whether the word of those who passed a message on outweighs its own failure of DMARC (RFC
 * 8617, 7.2; RFC 7489, 6.7). */
#ifndef SP_MAILAUTH_ARC_TRUST_H
#define SP_MAILAUTH_ARC_TRUST_H

#include "lib/mailauth/arc.h"

/* The chain passes, or only DNS leaves that open (ARC_TEMPERROR); its newest signature covers From; and one of its
 * sealers saw the message pass DMARC for this author's domain. It and all later ones are among those trusted (d= of
 * their seals). So nobody else can have changed the message since. */
bool arc_vouches(const struct arc_verdict *verdict, const struct str *trusted, unsigned count, struct str author);

#endif
