/* IMAP (RFC 3501, RFC 9051 and extensions: capability.c) as a frontend protocol. */
#ifndef SP_FRONTEND_IMAP_IMAP_H
#define SP_FRONTEND_IMAP_IMAP_H

#include "frontend/core/protocol.h"

extern const struct protocol protocol_imap;

#endif
