#include "delivery-worker/retrieve/wire/box.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/turn.h"

#define CONNECT_MS	   10000
#define ANSWER_MS	   60000
#define IDLE_MS		   (25 * 60 * 1000)
#define MESSAGE_BYTES	   (64ull << 20)
#define SESSION_BYTES	   (64ull << 30)
#define MESSAGES	   100000
#define SLOWEST_PER_SECOND 1024 /* bytes: an answer that is slower counts as none */
/* Only messages are long. The list of a large folder may have some 10 MB, for which there is time: after
 * this many time limits it goes on only if it is faster. With ANSWER_LINES no answer takes hours. */
#define ANSWER_TIMES	 10
#define LATER_PER_SECOND (8 * 1024)
#define ANSWER_LINES	 (64ull << 20) /* bytes of one answer */

static void box_connect_next(struct remote_box *b);

/* ---- Life ---- */
static void
box_release(struct remote_box *b)
{
	if (b->query != NULL)
		dns_cancel(&b->query);
	b->protocol->unmake(b);
	connection_fini(&b->connection);
	event_free(b->turn);
	arena_fini(&b->op.arena);
	if (b->secret != NULL)
		OPENSSL_cleanse(b->secret, strlen(b->secret));
	mem_free(b->secret);
	mem_free(b->user);
	mem_free(b->host);
	mem_free(b);
}

void
box_enter(struct remote_box *b)
{
	b->busy++;
}

void
box_leave(struct remote_box *b)
{
	CHECK(b->busy > 0);
	if (--b->busy == 0 && b->free_wanted)
		box_release(b);
}

/* No goodbye: after QUIT a POP3 server would delete what was marked. */
void
remote_box_free(struct remote_box **box)
{
	struct remote_box *b = *box;

	*box = NULL;
	if (b == NULL)
		return;
	CHECK(!b->free_wanted);
	b->free_wanted = true;
	box_enter(b);
	box_leave(b);
}

bool
box_is_alive(const struct remote_box *b)
{
	return b->state != BOX_DEAD && !b->free_wanted;
}

/* ---- Failing ---- */
void
box_fail(struct remote_box *b, enum remote_trouble trouble, struct str words, const char *format, ...)
{
	va_list ap;

	if (b->state == BOX_DEAD)
		return;
	va_start(ap, format);
	box_failure_vset(&b->failure, trouble, words, format, ap);
	va_end(ap);
	b->state = BOX_DEAD;
	connection_stop(&b->connection);
	if (b->op.kind != OP_NONE && !b->free_wanted)
		op_done(b, &b->failure);
}

/* ---- Time ---- */
static void
box_arm_timer(struct remote_box *b)
{
	bool waits = b->state == BOX_TALKING && !b->paused && b->protocol->awaited(b) != NULL;

	if (b->state == BOX_DEAD)
		return;
	b->window_bytes = b->bytes;
	connection_set_timer(&b->connection, waits ? b->options.answer_ms : 0);
}

void
box_set_timer(struct remote_box *b)
{
	b->answer_bytes = b->bytes;
	b->answer_since_ms = clock_monotonic_ms();
	box_arm_timer(b);
}

static bool
box_is_moving(const struct remote_box *b)
{
	bool is_late = b->op.kind != OP_FETCH &&
		       clock_monotonic_ms() - b->answer_since_ms >= ANSWER_TIMES * b->options.answer_ms;
	uint64_t per_second = is_late ? LATER_PER_SECOND : SLOWEST_PER_SECOND;

	return b->bytes - b->window_bytes >= (uint64_t)b->options.answer_ms * per_second / 1000;
}

/* One that is to bring a message may bring one that is too large, and is thrown away. */
static uint64_t
box_answer_max(const struct remote_box *b)
{
	return ANSWER_LINES + (b->op.kind == OP_FETCH ? 4 * b->options.max_message_bytes : 0);
}

static void
box_on_time(void *arg)
{
	struct remote_box *b = arg;

	box_enter(b);
	if (b->state == BOX_CONNECTING) {
		box_failure_set(&b->failure, REMOTE_NO_CONNECTION, STR_NONE, "no connection to %s within %d s", b->host,
				(int)(b->options.connect_ms / 1000));
		box_connect_next(b);
	} else if (b->state == BOX_TLS) {
		box_fail(b, REMOTE_NO_TLS, STR_NONE, "no TLS handshake in time");
	} else if (b->op.kind == OP_IDLE && b->protocol->awaited(b) == NULL) {
		b->protocol->leave_idle(b);
	} else if (box_is_moving(b)) {
		box_arm_timer(b);
	} else {
		const char *what = b->protocol->awaited(b);

		box_fail(b, REMOTE_TIME, STR_NONE, "no answer in time to %s", what != NULL ? what : "nothing");
	}
	box_leave(b);
}

/* ---- Bytes ---- */
void
box_write(struct remote_box *b, struct str text)
{
	connection_write(&b->connection, text.p, text.len);
}

void
box_printf(struct remote_box *b, const char *format, ...)
{
	struct buf line = BUF_EMPTY;
	va_list ap;

	va_start(ap, format);
	buf_vprintf(&line, format, ap);
	va_end(ap);
	box_write(b, buf_str(&line));
	buf_fini(&line);
}

static bool
box_may_read(const struct remote_box *b)
{
	return b->state == BOX_TALKING && !b->free_wanted && !b->paused && connection_is_open(&b->connection);
}

static void
box_take_input(struct remote_box *b)
{
	struct str input;

	while (box_may_read(b) && connection_peek(&b->connection, &input)) {
		bool complete = false;
		size_t used = b->protocol->take(b, input, &complete);

		connection_drain(&b->connection, used);
		b->bytes += used;
		if (b->bytes > b->options.max_session_bytes)
			box_fail(b, REMOTE_LIMIT, STR_NONE, "the remote has sent more than a session allows");
		else if (b->bytes - b->answer_bytes > box_answer_max(b))
			box_fail(b, REMOTE_LIMIT, STR_NONE, "an answer of the remote does not end");
		if (complete && box_is_alive(b))
			b->protocol->handle(b);
	}
}

/* What came before the end counts. */
static void
box_meet_end(struct remote_box *b)
{
	const char *what;

	if (!b->lost || !box_may_read(b))
		return;
	if (b->protocol->ends_well(b)) {
		op_done(b, NULL);
		return;
	}
	what = b->protocol->awaited(b);
	box_fail(b, REMOTE_LOST, STR_NONE, "the remote closed the connection at %s%s%s",
		 what != NULL ? what : "no request", b->lost_errno != 0 ? ": " : "",
		 b->lost_errno != 0 ? strerror(b->lost_errno) : "");
}

static void
box_on_input(void *arg)
{
	struct remote_box *b = arg;

	box_enter(b);
	box_take_input(b);
	box_meet_end(b);
	box_leave(b);
}

static void
box_on_writable(void *arg)
{
	(void)arg;
}

static void
box_on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct remote_box *b = arg;

	(void)fd;
	(void)what;
	box_enter(b);
	op_begin(b);
	if (b->state == BOX_TALKING && !b->free_wanted) {
		box_take_input(b);
		box_meet_end(b);
	}
	box_leave(b);
}

/* ---- TLS ---- */
void
box_start_tls(struct remote_box *b)
{
	struct tls_wish wish = {.level = b->options.any_certificate ? TLS_ENCRYPT : TLS_VERIFY, .name = b->tls_name};

	/* Plain text that followed the go-ahead could come from anybody. */
	if (connection_start_tls(&b->connection, b->options.tls, &wish) != 0) {
		box_fail(b, REMOTE_NO_TLS, STR_NONE,
			 b->options.tls_mode == REMOTE_TLS_IMPLICIT
				 ? "the remote speaks plain text where TLS is expected"
				 : "the remote sent plain text after STARTTLS");
		return;
	}
	b->state = BOX_TLS;
	connection_set_timer(&b->connection, b->options.answer_ms);
}

static void
box_tls_done(struct remote_box *b)
{
	SSL *ssl = connection_ssl(&b->connection);
	struct tls_wish wish = {.level = TLS_VERIFY, .name = b->tls_name};

	if (!b->options.any_certificate && tls_judge(ssl, &wish) != TLS_RESULT_OK) {
		box_fail(b, REMOTE_BAD_CERTIFICATE, STR_NONE, "the certificate of %s is not accepted: %s", b->host,
			 tls_reason(ssl));
		return;
	}
	snprintf(b->tls_text, sizeof(b->tls_text), "%s %s", SSL_get_version(ssl), SSL_get_cipher_name(ssl));
	b->tls_on = true;
	b->state = BOX_TALKING;
	if (b->options.tls_mode == REMOTE_TLS_IMPLICIT)
		b->protocol->begin(b);
	else
		b->protocol->secured(b);
	box_set_timer(b);
}

/* ---- Connecting ---- */
static void
box_on_up(void *arg)
{
	struct remote_box *b = arg;

	box_enter(b);
	if (b->state == BOX_TLS) {
		box_tls_done(b);
	} else if (b->options.tls_mode == REMOTE_TLS_IMPLICIT) {
		box_start_tls(b);
	} else {
		b->state = BOX_TALKING;
		b->protocol->begin(b);
		box_set_timer(b);
	}
	box_leave(b);
}

static void
box_on_lost(void *arg, int errno_value)
{
	struct remote_box *b = arg;
	char why[160];

	box_enter(b);
	if (b->state == BOX_CONNECTING) {
		bool ours = connection_errno_is_ours(&b->ips[b->ip_at], errno_value);

		box_failure_set(&b->failure, ours ? REMOTE_OURS : REMOTE_NO_CONNECTION, STR_NONE,
				"no connection to %s: %s", b->host, strerror(errno_value));
		box_connect_next(b);
	} else if (b->state == BOX_TLS) {
		connection_tls_error(&b->connection, why, sizeof(why));
		box_fail(b, REMOTE_NO_TLS, STR_NONE, "TLS handshake failed: %s", why);
	} else {
		b->lost = true;
		b->lost_errno = errno_value;
		box_take_input(b);
		box_meet_end(b);
	}
	box_leave(b);
}

static const struct connection_events box_events = {box_on_up, box_on_input, box_on_writable, box_on_lost, box_on_time};

/* b->failure: what became of the last address. */
static void
box_connect_next(struct remote_box *b)
{
	struct connection_failure failure;
	struct remote_failure last;

	connection_drop(&b->connection);
	while (++b->ip_at < b->ip_count) {
		struct connection_target target = {b->ips[b->ip_at], b->options.port, {0}};

		if (connection_open(&b->connection, &target, &failure) == 0) {
			b->state = BOX_CONNECTING;
			connection_set_timer(&b->connection, b->options.connect_ms);
			return;
		}
		box_failure_set(&b->failure, failure.is_ours ? REMOTE_OURS : REMOTE_NO_CONNECTION, STR_NONE, "%s",
				failure.text);
	}
	last = b->failure;
	box_fail(b, last.trouble, STR_NONE, "%s", last.text);
}

static void
box_use_ips(struct remote_box *b, const struct ip *ips, unsigned count)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < count && kept < BOX_IPS_MAX; i++)
		if (b->options.ip_is_allowed(b->options.ip_arg, &ips[i]))
			b->ips[kept++] = ips[i];
	if (count == 0) {
		box_fail(b, REMOTE_NO_HOST, STR_NONE, "the host %s has no address", b->host);
		return;
	}
	if (kept == 0) {
		box_fail(b, REMOTE_NOT_ALLOWED, STR_NONE, "the address of %s is not one that may be reached", b->host);
		return;
	}
	b->ip_count = kept;
	b->ip_at = (unsigned)-1;
	box_connect_next(b);
}

static void
box_on_ips(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct remote_box *b = arg;

	b->query = NULL;
	box_enter(b);
	if (err == NULL)
		box_use_ips(b, answer->ips, answer->ip_count);
	else
		box_fail(b, err->code == ERR_IO ? REMOTE_OURS : REMOTE_NO_HOST, STR_NONE,
			 "the host %s cannot be resolved: %s", b->host, err->text);
	box_leave(b);
}

static bool
box_is_line(const char *text)
{
	return text[strcspn(text, "\r\n")] == '\0';
}

/* The first operation, from the loop. */
void
box_resolve(struct remote_box *b)
{
	struct ip ip;

	if (!box_is_line(b->user) || !box_is_line(b->secret)) {
		box_fail(b, REMOTE_LOGIN_REFUSED, STR_NONE, "the user or the password contains a line end");
		return;
	}
	if (ip_parse(str_c(b->host), &ip)) {
		ip_literal(&ip, b->tls_name);
		box_use_ips(b, &ip, 1);
		return;
	}
	if (!str_copy(str_c(b->host), b->tls_name, sizeof(b->tls_name)) || *b->host == '\0') {
		box_fail(b, REMOTE_NO_HOST, STR_NONE, "the name of the host is empty or too long");
		return;
	}
	b->query = dns_query_ips(b->options.dns, str_c(b->host), true, true, box_on_ips, b);
}

static void
box_set_defaults(struct remote_options *o)
{
	if (o->connect_ms == 0)
		o->connect_ms = CONNECT_MS;
	if (o->answer_ms == 0)
		o->answer_ms = ANSWER_MS;
	if (o->idle_ms == 0)
		o->idle_ms = IDLE_MS;
	if (o->max_message_bytes == 0)
		o->max_message_bytes = MESSAGE_BYTES;
	if (o->max_session_bytes == 0)
		o->max_session_bytes = SESSION_BYTES;
	if (o->max_messages == 0)
		o->max_messages = MESSAGES;
}

struct remote_box *
remote_box_open(const struct remote_options *options, remote_on_done *cb, void *arg)
{
	struct remote_box *b = mem_new(struct remote_box);

	CHECK(options->ip_is_allowed != NULL);
	CHECK(options->tls != NULL || options->tls_mode == REMOTE_TLS_NONE);
	b->options = *options;
	box_set_defaults(&b->options);
	b->options.host = b->host = mem_strdup(options->host);
	b->options.user = b->user = mem_strdup(options->user);
	b->options.secret = b->secret = mem_strdup(options->secret);
	b->protocol = options->protocol == REMOTE_POP3 ? &pop_protocol : &imap_protocol;
	b->protocol->make(b);
	connection_init(&b->connection, options->base, &box_events, b);
	b->turn = turn_event_new(options->base, box_on_turn, b);
	arena_init(&b->op.arena);
	b->op.kind = OP_OPEN;
	b->op.done = cb;
	b->op.arg = arg;
	event_add(b->turn, NULL);
	return b;
}

/* ---- The login ---- */
void
box_opened(struct remote_box *b)
{
	OPENSSL_cleanse(b->secret, strlen(b->secret));
	b->logged_in = true;
	op_done(b, NULL);
}

/* ---- Pausing ---- */
void
remote_box_pause(struct remote_box *b)
{
	CHECK(b->op.kind == OP_FETCH);
	b->paused = true;
	connection_pause(&b->connection, true);
	box_arm_timer(b);
}

void
remote_box_resume(struct remote_box *b)
{
	if (!b->paused)
		return;
	b->paused = false;
	if (b->state == BOX_TALKING)
		connection_pause(&b->connection, false);
	box_arm_timer(b);
	event_add(b->turn, NULL);
}
