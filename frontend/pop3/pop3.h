/* POP3 (RFC 1939, 2449, 2595, 3206, 5034, 6856) as a frontend protocol. */
#ifndef SP_FRONTEND_POP3_POP3_H
#define SP_FRONTEND_POP3_POP3_H

#include "frontend/core/protocol.h"

extern const struct protocol protocol_pop3;

#endif
