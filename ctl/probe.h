/* Short, blocking checks whether something answers. */
#ifndef SP_CTL_PROBE_H
#define SP_CTL_PROBE_H

#include <signal.h>
#include <stdbool.h>

/* Does a TCP port accept connections within wait_ms? Gives up early when *stop is set. */
bool probe_port(const char *address, int port, int wait_ms, const volatile sig_atomic_t *stop);
/* Does GET path return 200 within a second? */
bool probe_http_ok(const char *address, int port, const char *path);

#endif
