/* A self-signed certificate, so that TLS works before the operator has one. */
#ifndef SP_CTL_CERTIFICATE_H
#define SP_CTL_CERTIFICATE_H

#include "lib/base/err.h"

/* Makes a P-256 key and a certificate for hostname, localhost, 127.0.0.1 and
 * ::1, valid for two years, unless both files exist. The key file has mode 0600. */
int certificate_ensure(const char *cert_path, const char *key_path, const char *hostname, struct err *err);

#endif
