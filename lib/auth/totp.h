/* One-time codes by time (RFC 6238): HMAC-SHA-1, 6 digits, steps of 30 s, as all
 * authenticator apps expect. */
#ifndef SP_AUTH_TOTP_H
#define SP_AUTH_TOTP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

#define TOTP_SECRET_BYTES   20
#define TOTP_SECRET_MAX	    33 /* in base32, with the NUL */
#define TOTP_RECOVERY_MAX   20 /* "abcd-efgh-jkmn-pqrs", with the NUL */
#define TOTP_RECOVERY_COUNT 10

/* A new secret in base32 (RFC 4648), as apps take it. */
void totp_make(char out[TOTP_SECRET_MAX]);
/* Is this the code of now, or of the step before or after? *step_out: which step; a code
 * is to be accepted only if its step is later than that of the last one accepted. */
bool totp_fits(struct str secret, struct str code, int64_t now_ms, int64_t *step_out);
/* "otpauth://totp/..." for a QR code. Appends. */
void totp_uri(struct str secret, struct str address, struct buf *out);

/* Codes for whoever has lost the app; each is good for once. */
void totp_make_recovery(char out[TOTP_RECOVERY_MAX]);
/* What is stored of one, and compared: 64 hexadecimal digits, in out[65]. False: it does
 * not look like one. */
bool totp_hash_recovery(struct str code, char *out);

#endif
