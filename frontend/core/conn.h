/* One client connection, for every protocol: input and output, TLS, time limits and
 * orderly closing. A protocol sees only this interface and its own session.
 *
 * A connection stays on the loop that accepted it. No callback frees its caller:
 * conn_close() only marks the connection, and the loop ends it after the callback. */
#ifndef SP_FRONTEND_CORE_CONN_H
#define SP_FRONTEND_CORE_CONN_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/ip.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

struct conn;
struct frontend; /* frontend/core/frontend.h: what all sessions of the process share */
struct protocol; /* frontend/core/protocol.h */

/* ---- Properties ---- */
struct frontend *conn_frontend(const struct conn *c);
const struct protocol *conn_protocol(const struct conn *c);
void *conn_session(const struct conn *c);	  /* the protocol's: protocol->session_size bytes, initially zero */
unsigned conn_role(const struct conn *c);	  /* the listener's, e.g. SMTP_ROLE_SUBMISSION */
const struct ip *conn_peer(const struct conn *c); /* behind a load balancer: the client's own (PROXY protocol) */
uint16_t conn_peer_port(const struct conn *c);	  /* for its unit test; the log shows it too */
const struct ip *conn_local(const struct conn *c);
const char *conn_id(const struct conn *c);		  /* identifies the session in the log */
const struct log_context *conn_log(const struct conn *c); /* fields: proto, session, peer */
bool conn_is_tls(const struct conn *c);
const char *conn_tls_version(const struct conn *c); /* "TLSv1.3"; NULL without TLS */
const char *conn_tls_cipher(const struct conn *c);
/* The name that the client asked for (SNI), as the client wrote it; empty: none.
 * Available during the handshake too. Valid as long as the connection is open. */
struct str conn_server_name(const struct conn *c);
/* TLS or a loopback connection: passwords may be accepted. */
bool conn_is_secure(const struct conn *c);
/* tls-exporter channel binding (RFC 9266): 32 bytes; false without TLS 1.3. */
bool conn_tls_exporter(const struct conn *c, unsigned char out[32]);

/* The mail address of the client's certificate: tls_client_address(). */
int conn_client_address(const struct conn *c, struct arena *arena, struct str *address_out, struct err *err);

/* ---- Input ---- */
/* Input that has arrived and has not been drained. The protocol drains what it has
 * processed. on_input is called when more arrives, and again after conn_resume(). */
struct evbuffer *conn_input(struct conn *c);
/* Stops on_input (and reading itself, once 64 KiB are waiting) until conn_resume(),
 * e.g. while waiting for the store's answer. Does not nest. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
bool conn_is_paused(const struct conn *c);
/* How often the loop has delivered input for it; increases each time the connection had a turn. */
unsigned conn_reads(const struct conn *c);
/* Acknowledges received data at once. Call it when part of something has arrived and
 * the rest is still expected. A client that sends the rest in a separate segment
 * (Nagle's algorithm) waits for the acknowledgement, and TCP would delay that by 40
 * ms when there is nothing else to send. */
void conn_acknowledge(struct conn *c);

/* While watching, on_eof is called (once) as soon as the peer has ended its side.
 * This works while the connection is paused, and while so much input is waiting that
 * reading has stopped (unless there is more input than the kernel's buffer holds:
 * then the end cannot arrive). For work that is pointless once the client has left.
 * Without it, a client that ends its side is still served what it asked for. */
void conn_watch_eof(struct conn *c, bool watch);

/* ---- Output ---- */
void conn_write(struct conn *c, const void *data, size_t len);
void conn_write_c(struct conn *c, const char *text);
__attribute__((format(printf, 2, 3))) void conn_printf(struct conn *c, const char *format, ...);
/* The buffer itself, to append to (evbuffer_add_reference and the like). */
struct evbuffer *conn_output(struct conn *c);
/* Bytes that the kernel has not yet accepted. Code that writes a lot should stop
 * above CONN_OUTPUT_HIGH and continue in on_drained (called when below
 * CONN_OUTPUT_LOW, once after each conn_want_drained()). */
#define CONN_OUTPUT_HIGH (256 * 1024)
#define CONN_OUTPUT_LOW	 (64 * 1024)
size_t conn_output_pending(const struct conn *c);
void conn_want_drained(struct conn *c);

/* ---- TLS ---- */
/* Call it after the "go ahead" was written. Plain bytes that the client has already
 * sent are discarded (command injection). on_tls is called when the handshake is
 * done. The frontend must have a certificate: conn_tls_available(). */
bool conn_tls_available(const struct conn *c);
void conn_start_tls(struct conn *c);

/* ---- Compression (RFC 4978) ---- */
/* Compresses everything that follows in both directions; earlier output is sent uncompressed. */
void conn_start_deflate(struct conn *c);
bool conn_is_deflated(const struct conn *c);

/* ---- Time ---- */
/* on_timeout is called after ms without another call of this function; 0: no limit.
 * The protocol sets it again as its states change. Idle TCP peers are probed by
 * keep-alive: a peer that has vanished is noticed after two minutes. */
void conn_set_timeout(struct conn *c, int64_t ms);

/* ---- The end ---- */
/* Sends the output written so far, then closes (lingering briefly, so that the last
 * reply is read). No callback but on_close follows. */
void conn_close(struct conn *c);
/* Closes at once, without sending the remaining output. */
void conn_abort(struct conn *c);
bool conn_is_closing(const struct conn *c);

/* A reference held by work in progress elsewhere (an answer of the store that is
 * still to come). The session's memory stays until the last reference is dropped,
 * even when the connection is gone; conn_is_closing() tells whether it is. */
struct conn *conn_ref(struct conn *c);
void conn_unref(struct conn **c);

#endif
