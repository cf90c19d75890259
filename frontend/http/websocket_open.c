/* The handshake of a WebSocket (RFC 6455, section 4.2). */
#include <openssl/evp.h>

#include "frontend/http/private.h"
#include "lib/base/base64.h"
#include "lib/base/check.h"

#define OPEN_VERSION "13"
/* Section 1.3: proves that the server knows the protocol. */
#define OPEN_MAGIC "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum { OPEN_KEY_BYTES = 16 };

/* ---- Is it one, and is it right ---- */

/* RFC 9110, 7.8: in HTTP/1.0 the field is ignored. */
static bool
open_is_asked(const struct http_request *r)
{
	return r->head.method == HTTP_GET && r->head.minor != 0 &&
	       http_head_has_token(&r->head, STR("Upgrade"), STR("websocket")) &&
	       http_head_has_token(&r->head, STR("Connection"), STR("Upgrade"));
}

static bool
open_key_is_right(const struct http_request *r)
{
	struct buf key = BUF_EMPTY;
	bool ok = base64_decode(http_field(r, STR("Sec-WebSocket-Key")), &key) && key.len == OPEN_KEY_BYTES;

	buf_fini(&key);
	return ok;
}

static void
open_refuse_version(struct http_request *r)
{
	static const char text[] = "426 Upgrade Required\n";

	http_begin(r, 426, "text/plain; charset=utf-8", sizeof(text) - 1);
	http_add_header(r, "Sec-WebSocket-Version", STR(OPEN_VERSION));
	http_add_header(r, "Upgrade", STR("websocket"));
	http_write(r, str_c(text));
	http_finish(r);
}

static int
open_judge(const struct http_request *r)
{
	struct str origin = http_field(r, STR("Origin"));

	if (r->body != HTTP_BODY_WHOLE || !open_key_is_right(r))
		return 400;
	if (!str_eq(http_field(r, STR("Sec-WebSocket-Version")), STR(OPEN_VERSION)))
		return 426;
	if (origin.p != NULL && !r->handler->websocket->is_origin_ok(r, origin))
		return 403;
	return r->session->ending ? 503 : 0;
}

bool
websocket_check(struct http_request *r)
{
	int status;

	r->wants_websocket = r->handler->websocket != NULL && open_is_asked(r);
	if (!r->wants_websocket)
		return true;
	/* It is the last request in any case: if it is refused, by whomever, a proxy in front
	 * may still believe that a tunnel has begun. */
	r->head.keep_alive = false;
	status = open_judge(r);
	if (status == 0)
		return true;
	if (status == 426)
		open_refuse_version(r);
	else
		http_refuse(r, status);
	return false;
}

bool
websocket_is_wanted(const struct http_request *r)
{
	return r->wants_websocket;
}

/* ---- The answer ---- */

static void
open_add_accept(struct http_request *r)
{
	struct str key = http_field(r, STR("Sec-WebSocket-Key"));
	struct buf text = BUF_EMPTY, accept = BUF_EMPTY;
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len;

	buf_printf(&text, "%.*s%s", STR_ARG(key), OPEN_MAGIC);
	CHECK(EVP_Digest(text.data, text.len, hash, &len, EVP_sha1(), NULL) == 1);
	base64_encode(str_of((const char *)hash, len), &accept);
	http_add_header(r, "Sec-WebSocket-Accept", buf_str(&accept));
	buf_fini(&text);
	buf_fini(&accept);
}

/* The first of the client's, in its order, that we speak. */
static void
open_add_protocol(struct http_request *r)
{
	const char *known = r->handler->websocket->protocols;

	for (unsigned i = 0; i < r->head.field_count; i++) {
		struct str offered = r->head.fields[i].value, word, ours = str_c(known), one;
		if (!str_eq_ci(r->head.fields[i].name, STR("Sec-WebSocket-Protocol")))
			continue;
		while (str_next_word(&offered, ", \t", &word))
			for (ours = str_c(known); str_next_word(&ours, " ", &one);)
				if (str_eq(one, word)) {
					http_add_header(r, "Sec-WebSocket-Protocol", one);
					return;
				}
	}
}

void
websocket_answer(struct http_request *r)
{
	CHECK(r->wants_websocket && r->answer == HTTP_ANSWER_NONE && !r->parked);
	http_begin(r, 101, NULL, 0);
	http_add_header(r, "Upgrade", STR("websocket"));
	http_add_header(r, "Connection", STR("Upgrade"));
	open_add_accept(r);
	open_add_protocol(r);
	http_write(r, STR_NONE); /* ends the head */
}
