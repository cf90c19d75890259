/* A remote server that follows a script, and a session that follows a plan, in one loop.
 *
 * Script: "C: " awaits a line that starts so (or any for "C: *"), "S: " says one, "B: " says
 * bytes without CRLF, "X" closes, "H" is silent for ever.
 * Plan, a letter an operation: f folders, s select, r select read-only, l all pages of the list,
 * g fetch what was listed, d delete it, c changes, i idle, e idle that is ended at once, q close. */
#ifndef SP_TESTS_RETRIEVE_SCRIPTED_H
#define SP_TESTS_RETRIEVE_SCRIPTED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "delivery-worker/retrieve/remote.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"

struct scripted {
	struct event_base *base;
	struct evconnlistener *listener;
	uint16_t port;
	/* the server */
	struct bufferevent *bev;
	const char *const *script;
	bool slow;	 /* byte by byte */
	int drip_ms;	 /* between them; 0: at once */
	size_t drip;	 /* bytes at a time */
	long cut;	 /* closes after this many bytes; -1: never */
	long said;	 /* bytes */
	bool close_next; /* once all is out */
	struct buf to_say, heard;
	struct event *tick;
	/* the session */
	struct remote_options options;
	struct remote_box *box;
	const char *plan;
	uint32_t uids[64];
	unsigned uid_count;
	struct buf log;
	struct buf message; /* of the pieces since on_message */
	bool pause_each;    /* pauses at each piece */
	bool free_in_piece; /* frees the box in the first piece */
	bool refuse_address;
	bool shows_dates; /* and MODSEQ, in lists */
	bool rests;	  /* the box is not freed at the end of the plan */
	bool done;
};

static void scripted_go_on(struct scripted *s);
static void scripted_next(struct scripted *s);

/* ---- The server ---- */
static void
scripted_hang_up(struct scripted *s)
{
	if (s->bev != NULL)
		bufferevent_free(s->bev);
	s->bev = NULL;
}

static void
scripted_send(struct scripted *s, const char *p, size_t len)
{
	bool cuts = s->cut >= 0 && s->said + (long)len >= s->cut;

	if (cuts)
		len = (size_t)(s->cut - s->said);
	/* Past the bufferevent, so that it is out before the connection is closed. */
	if (len > 0)
		assert_int_equal(send(bufferevent_getfd(s->bev), p, len, MSG_NOSIGNAL), len);
	s->said += (long)len;
	if (cuts)
		scripted_hang_up(s);
}

static void
scripted_tick(struct scripted *s)
{
	struct timeval tv = clock_timeval(s->drip_ms);

	if (s->drip_ms > 0)
		event_add(s->tick, &tv);
	else
		event_active(s->tick, EV_TIMEOUT, 0);
}

static void
scripted_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct scripted *s = arg;

	(void)fd;
	(void)what;
	if (s->bev == NULL)
		return;
	if (s->to_say.len > 0) {
		size_t len = s->drip < s->to_say.len ? s->drip : s->to_say.len;

		scripted_send(s, s->to_say.data, len);
		s->to_say.len -= len;
		memmove(s->to_say.data, s->to_say.data + len, s->to_say.len);
	}
	if (s->to_say.len > 0)
		scripted_tick(s);
	else if (s->bev != NULL)
		scripted_go_on(s);
}

static void
scripted_say(struct scripted *s, const char *text, bool whole_line)
{
	buf_add_c(&s->to_say, text);
	if (whole_line)
		buf_add_c(&s->to_say, "\r\n");
	if (s->slow) {
		scripted_tick(s);
		return;
	}
	scripted_send(s, s->to_say.data, s->to_say.len);
	buf_clear(&s->to_say);
}

/* False: nothing has come. */
static bool
scripted_hear(struct scripted *s, const char *awaited)
{
	size_t len;
	char *line = evbuffer_readln(bufferevent_get_input(s->bev), &len, EVBUFFER_EOL_CRLF_STRICT);

	if (line == NULL)
		return false;
	buf_printf(&s->heard, "%s\n", line);
	if (strcmp(awaited, "*") != 0 && strncmp(line, awaited, strlen(awaited)) != 0)
		fail_msg("'%s' where '%s' was awaited", line, awaited);
	free(line);
	return true;
}

static void
scripted_go_on(struct scripted *s)
{
	while (s->bev != NULL && *s->script != NULL && s->to_say.len == 0) {
		const char *step = *s->script;

		if (step[0] == 'H' || (step[0] == 'C' && !scripted_hear(s, step + 3)))
			return;
		s->script++;
		if (step[0] == 'X')
			scripted_hang_up(s);
		else if (step[0] != 'C')
			scripted_say(s, step + 3, step[0] == 'S');
	}
}

static void
scripted_on_input(struct bufferevent *bev, void *arg)
{
	(void)bev;
	scripted_go_on(arg);
}

static void
scripted_on_gone(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	scripted_hang_up(arg);
}

static void
scripted_on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct scripted *s = arg;

	(void)l;
	(void)sa;
	(void)len;
	scripted_hang_up(s);
	s->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(s->bev, scripted_on_input, NULL, scripted_on_gone, s);
	bufferevent_enable(s->bev, EV_READ | EV_WRITE);
	if (s->cut == 0)
		scripted_hang_up(s);
	scripted_go_on(s);
}

/* ---- The session ---- */
static void
scripted_end(struct scripted *s)
{
	if (!s->rests)
		remote_box_free(&s->box);
	s->done = true;
	event_base_loopbreak(s->base);
}

/* True: the session goes on. */
static bool
scripted_judge(struct scripted *s, const struct remote_failure *failure)
{
	if (failure == NULL)
		return true;
	buf_printf(&s->log, "%s: %s|", remote_trouble_name(failure->trouble), failure->text);
	if (failure->trouble == REMOTE_REFUSED)
		return true;
	scripted_end(s);
	return false;
}

static void
scripted_on_done(void *arg, const struct remote_failure *failure)
{
	struct scripted *s = arg;

	if (failure == NULL)
		buf_add_c(&s->log, "done|");
	if (scripted_judge(s, failure))
		scripted_next(s);
}

static void
scripted_on_folders(void *arg, const struct remote_folder *folders, unsigned count,
		    const struct remote_failure *failure)
{
	struct scripted *s = arg;

	for (unsigned i = 0; i < count; i++)
		buf_printf(&s->log, "%.*s %c%d%s,", STR_ARG(folders[i].name),
			   folders[i].delimiter != '\0' ? folders[i].delimiter : '0', folders[i].use,
			   folders[i].no_select ? "-" : "");
	buf_add_c(&s->log, "|");
	if (scripted_judge(s, failure))
		scripted_next(s);
}

static void
scripted_on_selected(void *arg, const struct remote_state *state, const struct remote_failure *failure)
{
	struct scripted *s = arg;

	if (failure == NULL)
		buf_printf(&s->log, "v%u n%u e%u m%llu%s|", state->uidvalidity, state->uidnext, state->exists,
			   (unsigned long long)state->highestmodseq, state->read_only ? " ro" : "");
	if (scripted_judge(s, failure))
		scripted_next(s);
}

static void
scripted_on_page(void *arg, const struct remote_message *messages, unsigned count, uint32_t next,
		 const struct remote_failure *failure)
{
	struct scripted *s = arg;

	for (unsigned i = 0; i < count; i++) {
		const struct remote_message *m = &messages[i];

		if (count <= 20) {
			buf_printf(&s->log, "%u%s%.*s %llu f%u", m->uid, m->uidl.len > 0 ? "=" : "", STR_ARG(m->uidl),
				   (unsigned long long)m->size, m->flags);
			for (unsigned k = 0; k < m->keyword_count; k++)
				buf_printf(&s->log, " %.*s", STR_ARG(m->keywords[k]));
			if (s->shows_dates)
				buf_printf(&s->log, " @%lld m%llu", (long long)m->date_ms,
					   (unsigned long long)m->modseq);
			buf_printf(&s->log, "%s", i + 1 < count ? "," : "");
		}
		if (s->uid_count < sizeof(s->uids) / sizeof(s->uids[0]))
			s->uids[s->uid_count++] = m->uid;
	}
	if (count > 20)
		buf_printf(&s->log, "%u..%u (%u)", messages[0].uid, messages[count - 1].uid, count);
	buf_add_c(&s->log, "|");
	if (!scripted_judge(s, failure))
		return;
	if (next != 0)
		remote_box_list(s->box, next, scripted_on_page, s);
	else
		scripted_next(s);
}

static void
scripted_on_message(void *arg, uint32_t uid, uint64_t size)
{
	struct scripted *s = arg;

	buf_clear(&s->message);
	buf_printf(&s->log, "%u(%llu)", uid, (unsigned long long)size);
}

static void
scripted_on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct scripted *s = arg;

	(void)fd;
	(void)what;
	if (s->box != NULL)
		remote_box_resume(s->box);
}

static void
scripted_on_piece(void *arg, struct str piece)
{
	struct scripted *s = arg;
	struct timeval tv = clock_timeval(2);

	assert_true(piece.len > 0);
	buf_add_str(&s->message, piece);
	if (s->free_in_piece) {
		scripted_end(s);
	} else if (s->pause_each) {
		remote_box_pause(s->box);
		event_base_once(s->base, -1, EV_TIMEOUT, scripted_on_resume, s, &tv);
	}
}

static void
scripted_on_message_end(void *arg, uint32_t uid, const struct remote_failure *failure)
{
	struct scripted *s = arg;

	if (failure == NULL)
		buf_printf(&s->log, "<%.*s>%u,", STR_ARG(buf_str(&s->message)), uid);
	else
		buf_printf(&s->log, "%u %s: %s,", uid, remote_trouble_name(failure->trouble), failure->text);
}

static const struct remote_fetch_events scripted_fetch = {scripted_on_message, scripted_on_piece,
							  scripted_on_message_end, scripted_on_done};

static void
scripted_on_deleted(void *arg, bool expunged, const struct remote_failure *failure)
{
	struct scripted *s = arg;

	if (failure == NULL)
		buf_add_c(&s->log, expunged ? "deleted|" : "marked|");
	if (scripted_judge(s, failure))
		scripted_next(s);
}

static void
scripted_next(struct scripted *s)
{
	switch (*s->plan++) {
	case 'f': remote_box_folders(s->box, scripted_on_folders, s); break;
	case 's': remote_box_select(s->box, STR("INBOX"), false, scripted_on_selected, s); break;
	case 'r': remote_box_select(s->box, STR("Entw\xc3\xbcrfe"), true, scripted_on_selected, s); break;
	case 'l':
		s->uid_count = 0;
		remote_box_list(s->box, 0, scripted_on_page, s);
		break;
	case 'g': remote_box_fetch(s->box, s->uids, s->uid_count, &scripted_fetch, s); break;
	case 'd': remote_box_delete(s->box, s->uids, s->uid_count, scripted_on_deleted, s); break;
	case 'c': remote_box_changes(s->box, 7, scripted_on_page, s); break;
	case 'i': remote_box_idle(s->box, scripted_on_done, s); break;
	case 'e':
		remote_box_idle(s->box, scripted_on_done, s);
		remote_box_idle_end(s->box);
		break;
	case 'q': remote_box_close(s->box, scripted_on_done, s); break;
	default: scripted_end(s); break;
	}
}

static bool
scripted_ip_is_allowed(void *arg, const struct ip *ip)
{
	struct scripted *s = arg;

	return ip_is_loopback(ip) && !s->refuse_address;
}

/* ---- Running ---- */
static int
scripted_init(void **state)
{
	struct scripted *s = calloc(1, sizeof(*s));
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(sin);

	s->base = event_base_new();
	s->listener = evconnlistener_new_bind(s->base, scripted_on_accept, s, LEV_OPT_CLOSE_ON_FREE, 16,
					      (struct sockaddr *)&sin, sizeof(sin));
	assert_non_null(s->listener);
	getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&sin, &len);
	s->port = ntohs(sin.sin_port);
	s->tick = event_new(s->base, -1, 0, scripted_on_tick, s);
	*state = s;
	return 0;
}

static int
scripted_fini(void **state)
{
	struct scripted *s = *state;

	scripted_hang_up(s);
	event_free(s->tick);
	evconnlistener_free(s->listener);
	buf_fini(&s->to_say);
	buf_fini(&s->heard);
	buf_fini(&s->log);
	buf_fini(&s->message);
	event_base_free(s->base);
	free(s);
	return 0;
}

/* Options as of the defaults below; what a test changes, it changes after this. */
static void
scripted_reset(struct scripted *s, enum remote_protocol protocol)
{
	s->options = (struct remote_options){
		.base = s->base,
		.protocol = protocol,
		.host = "127.0.0.1",
		.port = s->port,
		.tls_mode = REMOTE_TLS_NONE,
		.user = "u",
		.secret = "p",
		.ip_is_allowed = scripted_ip_is_allowed,
		.ip_arg = s,
		.answer_ms = 2000, /* a busy machine pauses for long; only a few scripts are silent */
		.connect_ms = 2000,
		.max_message_bytes = 1000,
	};
	s->slow = s->pause_each = s->free_in_piece = s->refuse_address = s->rests = s->shows_dates = false;
	s->cut = -1;
	s->drip_ms = 0;
	s->drip = 1;
}

/* The log of the session. */
static const char *
scripted_run(struct scripted *s, const char *const *script, const char *plan)
{
	scripted_hang_up(s);
	s->script = script;
	s->said = 0;
	s->plan = plan;
	s->done = false;
	s->uid_count = 0;
	buf_clear(&s->to_say);
	buf_clear(&s->heard);
	buf_clear(&s->log);
	buf_clear(&s->message);
	s->box = remote_box_open(&s->options, scripted_on_done, s);
	while (!s->done)
		event_base_dispatch(s->base);
	scripted_hang_up(s);
	return s->log.data != NULL ? s->log.data : "";
}

#define SCRIPT(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

#endif
