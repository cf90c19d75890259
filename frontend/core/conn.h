/* One client connection, for every protocol: bytes in and out, TLS, time
 * limits, orderly ends. A protocol sees only this and its own session.
 *
 * A connection stays on the loop that accepted it. No callback frees its
 * caller: conn_close() only marks it; the loop ends it after the callback. */
#ifndef SP_FRONTEND_CORE_CONN_H
#define SP_FRONTEND_CORE_CONN_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/ip.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

struct conn;
struct frontend; /* frontend/core/frontend.h: what all sessions of the process share */
struct protocol; /* frontend/core/protocol.h */

/* ---- What it is ---- */
struct frontend *conn_frontend(const struct conn *c);
const struct protocol *conn_protocol(const struct conn *c);
void *conn_session(const struct conn *c);	  /* the protocol's, protocol->session_size bytes, zeroed at first */
unsigned conn_role(const struct conn *c);	  /* of the listener, e.g. SMTP_ROLE_SUBMISSION */
const struct ip *conn_peer(const struct conn *c); /* behind a load balancer: the client's own (PROXY protocol) */
uint16_t conn_peer_port(const struct conn *c);
const struct ip *conn_local(const struct conn *c);
uint16_t conn_local_port(const struct conn *c);
const char *conn_id(const struct conn *c);		  /* names the session in the log */
const struct log_context *conn_log(const struct conn *c); /* fields: proto, session, peer */
bool conn_is_tls(const struct conn *c);
const char *conn_tls_version(const struct conn *c); /* "TLSv1.3"; NULL without TLS */
const char *conn_tls_cipher(const struct conn *c);
/* The name that the client asked for (SNI), as it wrote it; empty: none. Also while
 * the handshake is under way. Lives as long as the connection is open. */
struct str conn_server_name(const struct conn *c);
/* That of protocol->alpn which was taken; empty: the client offered none. */
struct str conn_alpn(const struct conn *c);
/* TLS, or from loopback: passwords may be taken. */
bool conn_is_secure(const struct conn *c);
/* tls-exporter channel binding (RFC 9266): 32 bytes; false without TLS 1.3. */
bool conn_tls_exporter(const struct conn *c, unsigned char out[32]);

/* ---- Input ---- */
/* What has come and was not yet drained. The protocol drains what it has
 * taken. on_input is called when there is more, and again after conn_resume(). */
struct evbuffer *conn_input(struct conn *c);
/* Stops on_input (and, once 64 KiB wait, the reading itself) until
 * conn_resume(), e.g. while an answer of the store is awaited. Nestable: no. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
bool conn_is_paused(const struct conn *c);
/* How often the loop has brought input of it: grows when it had a turn. */
unsigned conn_reads(const struct conn *c);
/* Acknowledges what has come at once. To be called when a part of something has
 * come and the rest is awaited: a client that sends the rest in a segment of its
 * own (Nagle's algorithm) sends it when it has the acknowledgement, which TCP would
 * delay by 40 ms, having nothing to say. */
void conn_acknowledge(struct conn *c);

/* While watched, on_eof comes (once) as soon as the peer has ended its side, also
 * while the connection is paused, and while so much input waits that no more is
 * read (unless it is more than the kernel takes: then the end cannot arrive). For
 * work that is of no use once the client has left. Without it
 * a client that ends its side is still served what it asked for. */
void conn_watch_eof(struct conn *c, bool watch);

/* ---- Output ---- */
void conn_write(struct conn *c, const void *data, size_t len);
void conn_write_c(struct conn *c, const char *text);
__attribute__((format(printf, 2, 3))) void conn_printf(struct conn *c, const char *format, ...);
/* The buffer itself, to append to (evbuffer_add_reference and the like). */
struct evbuffer *conn_output(struct conn *c);
/* Bytes not yet taken by the kernel. A writer of much should stop above
 * CONN_OUTPUT_HIGH and go on in on_drained (called when below CONN_OUTPUT_LOW,
 * once after each conn_want_drained()). */
#define CONN_OUTPUT_HIGH (256 * 1024)
#define CONN_OUTPUT_LOW	 (64 * 1024)
size_t conn_output_pending(const struct conn *c);
void conn_want_drained(struct conn *c);

/* ---- TLS ---- */
/* After the "go ahead" was written: plain bytes that the client sent already
 * are thrown away (command injection); on_tls comes when the handshake is
 * done. The frontend must have a certificate: conn_tls_available(). */
bool conn_tls_available(const struct conn *c);
void conn_start_tls(struct conn *c);

/* ---- Compression (RFC 4978) ---- */
/* Of all that follows in both directions; what was written so far goes out plain. */
void conn_start_deflate(struct conn *c);
bool conn_is_deflated(const struct conn *c);

/* ---- Time ---- */
/* on_timeout after ms without another call; 0: no limit. The protocol sets
 * it anew as its states change. Idle TCP peers are probed by keep-alive: one that
 * vanished is gone after two minutes. */
void conn_set_timeout(struct conn *c, int64_t ms);

/* ---- The end ---- */
/* Sends what is written, then closes (lingering a little, so that the last
 * reply is read). No callback but on_close follows. */
void conn_close(struct conn *c);
/* At once, without sending the rest. */
void conn_abort(struct conn *c);
bool conn_is_closing(const struct conn *c);

/* A reference held by work under way elsewhere (an answer of the store that
 * will come back): the session's memory stays until the last is dropped, even
 * when the connection is gone; conn_is_closing() tells. */
struct conn *conn_ref(struct conn *c);
void conn_unref(struct conn **c);

#endif
