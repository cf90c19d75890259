/* The connection to a milter, and one step after the other. */
#include "frontend/milter/private.h"

#include <errno.h>
#include <event2/buffer.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"

void
milter_session_set_timer(struct milter_session *s, int64_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(s->timer, &tv);
}

void
milter_session_end(struct milter_session *s, enum milter_verdict verdict, struct str text)
{
	if (s->is_ended)
		return;
	s->is_ended = true;
	s->verdict = verdict;
	buf_clear(&s->text);
	buf_add_str(&s->text, text);
	bufferevent_disable(s->bev, EV_READ | EV_WRITE);
	milter_session_set_timer(s, 0);
}

/* Long sendings do not keep the loop. */
enum { SESSION_DRAIN_BYTES = 256 * 1024 };

void
milter_session_go_on(struct milter_session *s)
{
	while (!s->is_ended && !s->awaits_answer && !s->awaits_drain && s->read == NULL) {
		if (evbuffer_get_length(bufferevent_get_output(s->bev)) > SESSION_DRAIN_BYTES) {
			s->awaits_drain = true;
			milter_session_set_timer(s, s->asked.command_timeout_ms);
			return;
		}
		switch (milter_step_send(s)) {
		case MILTER_SENT_ASKED:
			s->awaits_answer = true;
			milter_session_set_timer(s, s->step == MILTER_STEP_EOM ? s->asked.content_timeout_ms
									       : s->asked.command_timeout_ms);
			break;
		case MILTER_SENT_NOTHING:
			s->step++;
			s->at = 0;
			break;
		case MILTER_SENT_MUTE:
			if (s->step != MILTER_STEP_RCPT && s->step != MILTER_STEP_HEADER && s->step != MILTER_STEP_BODY)
				s->step++;
			break;
		case MILTER_SENT_LATER: return;
		}
	}
}

static void
session_on_input(struct bufferevent *bev, void *arg)
{
	struct milter_session *s = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	struct milter_packet packet;

	while (!s->is_ended) {
		enum milter_wire_result result = milter_wire_peek(in, &packet);

		if (result == MILTER_WIRE_MORE)
			break;
		if (result == MILTER_WIRE_BAD) {
			milter_session_end(s, MILTER_FAILED, STR("it sends no packets"));
			return;
		}
		if (!s->awaits_answer) {
			milter_session_end(s, MILTER_FAILED, STR("answer without a question"));
			return;
		}
		milter_answer_take(s, &packet);
		milter_wire_drop(in, &packet);
		/* Else each answer would be taken for one to the next question. */
		if (!s->awaits_answer && evbuffer_get_length(in) > 0)
			milter_session_end(s, MILTER_FAILED, STR("answer without a question"));
		milter_session_go_on(s);
	}
}

static void
session_on_drained(struct bufferevent *bev, void *arg)
{
	struct milter_session *s = arg;

	(void)bev;
	if (!s->awaits_drain)
		return;
	s->awaits_drain = false;
	milter_session_go_on(s);
}

static void
session_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct milter_session *s = arg;

	(void)bev;
	if ((what & BEV_EVENT_CONNECTED) != 0) {
		bufferevent_enable(s->bev, EV_READ | EV_WRITE);
		s->awaits_drain = false;
		milter_session_go_on(s);
		return;
	}
	milter_session_end(s, MILTER_FAILED,
			   str_c((what & BEV_EVENT_ERROR) != 0 ? strerror(EVUTIL_SOCKET_ERROR()) : "it has hung up"));
}

/* The milter is late, or the dialogue has ended. */
static void
session_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct milter_session *s = arg;

	(void)fd, (void)what;
	if (!s->is_ended) {
		s->is_ended = true;
		s->verdict = MILTER_FAILED;
		buf_clear(&s->text);
		buf_add_c(&s->text, "it does not answer in time");
	}
	s->on_end(s->arg, s->verdict, buf_str(&s->text));
}

struct milter_session *
milter_session_begin(const struct milter_asked *asked, milter_on_end *on_end, void *arg)
{
	struct milter_session *s = mem_new(struct milter_session);
	struct sockaddr *address = &s->asked.place.address.any;

	s->asked = *asked;
	s->on_end = on_end;
	s->arg = arg;
	s->timer = evtimer_new(asked->base, session_on_timer, s);
	s->bev = bufferevent_socket_new(asked->base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	CHECK(s->timer != NULL && s->bev != NULL);
	bufferevent_setcb(s->bev, session_on_input, session_on_drained, session_on_event, s);
	/* Until the connection stands. */
	s->awaits_drain = true;
	milter_session_set_timer(s, asked->connect_timeout_ms);
	if (bufferevent_socket_connect(s->bev, address, (int)asked->place.length) != 0)
		milter_session_end(s, MILTER_FAILED, str_c(strerror(errno)));
	return s;
}

void
milter_session_free(struct milter_session **session)
{
	static const char quit[5] = {0, 0, 0, 1, 'Q'};
	struct milter_session *s = *session;
	evutil_socket_t fd;

	if (s == NULL)
		return;
	*session = NULL;
	fd = bufferevent_getfd(s->bev);
	/* Only politeness: if a part of a packet is still to be sent, it is hung up instead. */
	if (fd >= 0 && evbuffer_get_length(bufferevent_get_output(s->bev)) == 0)
		(void)!send(fd, quit, sizeof(quit), MSG_NOSIGNAL | MSG_DONTWAIT);
	blob_read_cancel(&s->read);
	bufferevent_free(s->bev);
	event_free(s->timer);
	buf_fini(&s->changes);
	buf_fini(&s->body);
	buf_fini(&s->text);
	mem_free(s);
}
