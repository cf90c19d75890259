/* Modified UTF-7 for mailbox names (RFC 3501, section 5.1.3), and the forms of names
 * on the wire. Pure. */
#ifndef SP_MAILBOX_MUTF7_H
#define SP_MAILBOX_MUTF7_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

/* Appends UTF-8. False: malformed (8-bit bytes, bad base64, encoded characters that
 * need no encoding, unpaired surrogates, NUL); out then holds part of the result. */
bool mailbox_mutf7_decode(struct str text, struct buf *out);
/* text: well-formed UTF-8. Appends. */
void mailbox_mutf7_encode(struct str text, struct buf *out);
/* Appends the text in Unicode Normalization Form C (NFC); false: not UTF-8. */
bool mailbox_nfc(struct str text, struct buf *out);

#endif
