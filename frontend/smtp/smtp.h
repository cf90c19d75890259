/* SMTP (RFC 5321) and message submission (RFC 6409) as a frontend protocol. */
#ifndef SP_FRONTEND_SMTP_SMTP_H
#define SP_FRONTEND_SMTP_SMTP_H

#include "frontend/core/protocol.h"

extern const struct protocol protocol_smtp;

#endif
