#include "lib/spam/exchange.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define PIECE_BYTES    (64 * 1024)
#define OUTPUT_LOW     (32 * 1024)
#define INPUT_HIGH     (64 * 1024)
#define LAST_WORDS_MAX 4096
/* A host that is down must not use up the whole time that an answer may take. */
#define CONNECT_MOST_MS 5000

struct spam_exchange {
	struct spam_exchange_options options;
	spam_on_answer *cb;
	void *arg;
	struct bufferevent *bev; /* owner; NULL: never was */
	struct event *timer;	 /* owner */
	struct blob_read *read;	 /* in progress; NULL: none */
	bool connected;
	bool is_ended;	     /* the chunk that ends the message has been written */
	uint64_t sent_bytes; /* of the body, including its offset */
	int64_t until_ms;    /* monotonic */
	struct buf answer;
	struct err err; /* of a failure before the loop's next turn */
};

static void
exchange_free_exchange(struct spam_exchange *x)
{
	if (x->read != NULL)
		blob_read_cancel(&x->read);
	if (x->bev != NULL)
		bufferevent_free(x->bev);
	event_free(x->timer);
	buf_fini(&x->answer);
	mem_free(x);
}

void
spam_exchange_cancel(struct spam_exchange **exchange)
{
	struct spam_exchange *x = *exchange;

	*exchange = NULL;
	if (x != NULL)
		exchange_free_exchange(x);
}

/* Bufferevents are deferred, so that no callback runs inside one of theirs. */
static void
exchange_end(struct spam_exchange *x, enum spam_end how, const struct err *err)
{
	spam_on_answer *cb = x->cb;
	void *arg = x->arg;
	struct buf answer = x->answer;
	struct err copy;

	if (err != NULL)
		copy = *err;
	x->answer = BUF_EMPTY;
	exchange_free_exchange(x);
	cb(arg, how, err == NULL ? buf_str(&answer) : STR_NONE, err != NULL ? &copy : NULL);
	buf_fini(&answer);
}

/* ---- Sending ---- */
static void exchange_read_more(struct spam_exchange *x);

static void
exchange_write_length(struct spam_exchange *x, uint32_t len)
{
	uint32_t network = htonl(len);

	bufferevent_write(x->bev, &network, sizeof(network));
}

static void
exchange_on_piece(void *arg, const char *data, size_t len, const struct err *err)
{
	static const struct err cut = {ERR_CORRUPT, "the body of the message is incomplete"};
	struct spam_exchange *x = arg;
	uint64_t left = x->options.body.length - x->sent_bytes;

	x->read = NULL;
	if (err != NULL || len == 0) {
		exchange_end(x, SPAM_NO_BODY, err != NULL ? err : &cut);
		return;
	}
	if (len > left)
		len = (size_t)left;
	x->sent_bytes += len;
	if (x->options.in_chunks)
		exchange_write_length(x, (uint32_t)len);
	bufferevent_write(x->bev, data, len);
	exchange_read_more(x);
}

static void
exchange_read_more(struct spam_exchange *x)
{
	if (x->options.in_chunks && !x->is_ended && x->sent_bytes >= x->options.body.length) {
		x->is_ended = true;
		exchange_write_length(x, 0);
	}
	if (x->read != NULL || x->sent_bytes >= x->options.body.length ||
	    evbuffer_get_length(bufferevent_get_output(x->bev)) > OUTPUT_LOW)
		return; /* exchange_on_writable() comes back here */
	x->read = blob_read(x->options.blobs, &x->options.body, x->sent_bytes, PIECE_BYTES, exchange_on_piece, x);
}

static void
exchange_on_writable(struct bufferevent *bev, void *arg)
{
	struct spam_exchange *x = arg;

	(void)bev;
	if (x->connected)
		exchange_read_more(x);
}

/* ---- The answer ---- */
static bool
exchange_is_whole(const struct spam_exchange *x)
{
	struct spam_reply reply;

	if (x->options.in_chunks)
		return x->answer.len != 0 && x->answer.data[x->answer.len - 1] == '\0';
	return spam_reply_split(buf_str(&x->answer), &reply) && reply.has_length && reply.body.len >= reply.body_bytes;
}

/* False: the exchange is over. */
static bool
exchange_take_input(struct spam_exchange *x)
{
	struct evbuffer *in = bufferevent_get_input(x->bev);
	size_t len = evbuffer_get_length(in);
	struct err err;

	if (x->answer.len + len > SPAM_ANSWER_MAX) {
		err_set(&err, ERR_LIMIT, "the answer is too long");
		exchange_end(x, SPAM_NO_ANSWER, &err);
		return false;
	}
	if (len == 0)
		return true;
	evbuffer_remove(in, buf_reserve(&x->answer, len), len);
	x->answer.len += len;
	if (!exchange_is_whole(x))
		return true;
	exchange_end(x, SPAM_ANSWERED, NULL);
	return false;
}

static void
exchange_on_input(struct bufferevent *bev, void *arg)
{
	(void)bev;
	exchange_take_input(arg);
}

/* A scanner that has been sent too much says so and closes. Writing then fails before the loop has read what it said. */
static bool
exchange_take_last_words(struct spam_exchange *x)
{
	char *room = buf_reserve(&x->answer, LAST_WORDS_MAX);
	ssize_t len = recv(bufferevent_getfd(x->bev), room, LAST_WORDS_MAX, MSG_DONTWAIT);

	if (len > 0)
		x->answer.len += (size_t)len;
	return exchange_is_whole(x);
}

static void exchange_set_timer(struct spam_exchange *x, int64_t most_ms);

static void
exchange_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct spam_exchange *x = arg;
	int socket_error = EVUTIL_SOCKET_ERROR();
	struct err err;

	(void)bev;
	if ((what & BEV_EVENT_CONNECTED) != 0) {
		x->connected = true;
		exchange_set_timer(x, INT64_MAX);
		bufferevent_write(x->bev, x->options.head.p, x->options.head.len);
		exchange_read_more(x);
		return;
	}
	if (!x->connected) {
		err_set(&err, ERR_IO, "no connection: %s", strerror(socket_error));
		exchange_end(x, SPAM_NOT_REACHED, &err);
		return;
	}
	if (!exchange_take_input(x))
		return;
	/* An engine that has decided may say so and close before it has read everything. */
	if ((x->answer.len != 0 && (what & BEV_EVENT_EOF) != 0) || exchange_take_last_words(x))
		exchange_end(x, SPAM_ANSWERED, NULL);
	else {
		err_set(&err, ERR_UNAVAILABLE, "the engine closed the connection without an answer");
		exchange_end(x, SPAM_NO_ANSWER, &err);
	}
}

/* ---- Time ---- */
static void
exchange_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct spam_exchange *x = arg;
	struct err err = x->err;

	(void)fd, (void)what;
	if (err.code == ERR_NONE && !x->connected)
		err_set(&err, ERR_IO, "no connection in time");
	else if (err.code == ERR_NONE)
		err_set(&err, ERR_TIMEOUT, "no answer within %lld s", (long long)x->options.timeout_ms / 1000);
	exchange_end(x, x->connected ? SPAM_NO_ANSWER : SPAM_NOT_REACHED, &err);
}

static void
exchange_set_timer(struct spam_exchange *x, int64_t most_ms)
{
	int64_t left_ms = x->until_ms - clock_monotonic_ms();
	struct timeval tv = clock_timeval(left_ms < 1 ? 1 : left_ms < most_ms ? left_ms : most_ms);

	evtimer_add(x->timer, &tv);
}

/* ---- Start ---- */
static void
exchange_begin(struct spam_exchange *x)
{
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(&x->options.ip, x->options.port, &sa);

	x->bev = bufferevent_socket_new(x->options.base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	CHECK(x->bev != NULL);
	bufferevent_setcb(x->bev, exchange_on_input, exchange_on_writable, exchange_on_event, x);
	bufferevent_setwatermark(x->bev, EV_READ, 0, INPUT_HIGH);
	bufferevent_setwatermark(x->bev, EV_WRITE, OUTPUT_LOW, 0);
	bufferevent_enable(x->bev, EV_READ | EV_WRITE);
	exchange_set_timer(x, CONNECT_MOST_MS);
	if (bufferevent_socket_connect(x->bev, (struct sockaddr *)&sa, (int)len) == 0)
		return;
	/* Reported later, never from within spam_exchange_new(). */
	err_set(&x->err, ERR_IO, "no connection: %s", strerror(EVUTIL_SOCKET_ERROR()));
	bufferevent_disable(x->bev, EV_READ | EV_WRITE);
	bufferevent_setcb(x->bev, NULL, NULL, NULL, NULL);
	event_active(x->timer, EV_TIMEOUT, 0);
}

struct spam_exchange *
spam_exchange_new(const struct spam_exchange_options *options, spam_on_answer *cb, void *arg)
{
	struct spam_exchange *x = mem_zalloc(sizeof(*x) + options->head.len);
	char *head = (char *)(x + 1);

	x->options = *options;
	memcpy(head, options->head.p, options->head.len);
	x->options.head = str_of(head, options->head.len);
	x->cb = cb;
	x->arg = arg;
	x->sent_bytes = options->offset;
	x->until_ms = clock_monotonic_ms() + options->timeout_ms;
	x->timer = evtimer_new(options->base, exchange_on_timer, x);
	CHECK(x->timer != NULL);
	exchange_begin(x);
	return x;
}
