/* A ZeroMQ socket on an event loop. */
#include "lib/bus/socket.h"

#include <errno.h>
#include <zmq.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/bus/own_pid.h"

/* Messages handled per turn, so that other events of the loop get theirs. */
enum { TURN_MAX = 512, PARTS_MAX = 2 };

struct bus_socket {
	void *zmq; /* owner */
	struct bus_socket_events events;
	void *arg;
	bool has_routing;	/* ROUTER: two parts a message */
	struct event *readable; /* owner */
	struct event *recheck;	/* owner */
	bool taking;		/* a turn is in progress: it checks again after each message */
};

void
bus_socket_limit(void *zmq)
{
	const int64_t most_bytes = BUS_MESSAGE_MAX + 1024;
	const struct {
		int option, value;
	} options[] = {
		{ZMQ_SNDHWM, BUS_HIGH_WATER}, {ZMQ_RCVHWM, BUS_HIGH_WATER},   {ZMQ_LINGER, 500},
		{ZMQ_IMMEDIATE, 1},	      {ZMQ_RECONNECT_IVL, 50},	      {ZMQ_RECONNECT_IVL_MAX, 1000},
		{ZMQ_HEARTBEAT_IVL, 2000},    {ZMQ_HEARTBEAT_TIMEOUT, 10000}, {ZMQ_HANDSHAKE_IVL, 5000},
	};

	for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		CHECK(zmq_setsockopt(zmq, options[i].option, &options[i].value, sizeof(int)) == 0);
	CHECK(zmq_setsockopt(zmq, ZMQ_MAXMSGSIZE, &most_bytes, sizeof(most_bytes)) == 0);
}

static bool
socket_has_input(struct bus_socket *s)
{
	int events = 0;
	size_t size = sizeof(events);

	if (zmq_getsockopt(s->zmq, ZMQ_EVENTS, &events, &size) != 0)
		return false;
	return (events & ZMQ_POLLIN) != 0;
}

/* Receives all parts of one message; those that do not fit are discarded.
 * Returns their count, or 0 if there is no message. */
static unsigned
socket_receive(struct bus_socket *s, zmq_msg_t parts[PARTS_MAX])
{
	unsigned count = 0;
	bool more = true;

	for (unsigned i = 0; i < PARTS_MAX; i++)
		zmq_msg_init(&parts[i]);
	while (more) {
		zmq_msg_t extra;
		zmq_msg_t *part = count < PARTS_MAX ? &parts[count] : &extra;
		if (part == &extra)
			zmq_msg_init(&extra);
		if (zmq_msg_recv(part, s->zmq, ZMQ_DONTWAIT) < 0)
			more = false;
		else {
			more = zmq_msg_more(part) != 0;
			count++;
		}
		if (part == &extra)
			zmq_msg_close(&extra);
	}
	return count;
}

static bool
take_message(struct bus_socket *s)
{
	zmq_msg_t parts[PARTS_MAX];
	unsigned count = socket_receive(s, parts), wanted = s->has_routing ? 2 : 1;

	if (count == wanted) {
		zmq_msg_t *payload = &parts[wanted - 1];
		struct str from = s->has_routing ? str_of(zmq_msg_data(&parts[0]), zmq_msg_size(&parts[0])) : STR_NONE;
		s->events.on_message(s->arg, from, str_of(zmq_msg_data(payload), zmq_msg_size(payload)));
	} else if (count != 0)
		log_warning(NULL, "bus message of the wrong shape dropped", F_I64("parts", count));
	for (unsigned i = 0; i < PARTS_MAX; i++)
		zmq_msg_close(&parts[i]);
	return count != 0;
}

static void
socket_on_event(evutil_socket_t fd, short what, void *arg)
{
	struct bus_socket *s = arg;

	(void)fd, (void)what;
	s->taking = true;
	for (unsigned taken = 0; socket_has_input(s); taken++) {
		if (taken == TURN_MAX) {
			event_active(s->recheck, EV_TIMEOUT, 0);
			break;
		}
		if (!take_message(s))
			break;
	}
	s->taking = false;
}

struct bus_socket *
bus_socket_new(struct event_base *base, void *zmq, const struct bus_socket_events *events, void *arg)
{
	struct bus_socket *s = mem_new(struct bus_socket);
	size_t size = sizeof(int);
	int fd = -1, type = 0;

	own_pid_keep();
	s->zmq = zmq;
	s->events = *events;
	s->arg = arg;
	CHECK(zmq_getsockopt(zmq, ZMQ_TYPE, &type, &size) == 0);
	s->has_routing = type == ZMQ_ROUTER;
	size = sizeof(fd);
	CHECK(zmq_getsockopt(zmq, ZMQ_FD, &fd, &size) == 0);
	s->readable = event_new(base, fd, EV_READ | EV_PERSIST, socket_on_event, s);
	s->recheck = event_new(base, -1, 0, socket_on_event, s);
	CHECK(s->readable != NULL && s->recheck != NULL && event_add(s->readable, NULL) == 0);
	event_active(s->recheck, EV_TIMEOUT, 0);
	return s;
}

void
bus_socket_free(struct bus_socket **s)
{
	if (*s == NULL)
		return;
	event_free((*s)->readable);
	event_free((*s)->recheck);
	zmq_close((*s)->zmq);
	mem_free(*s);
	*s = NULL;
}

static int
send_failed(struct err *err)
{
	switch (errno) {
	case EAGAIN: return err_set(err, ERR_LIMIT, "the peer's queue is full");
	case EHOSTUNREACH: return err_set(err, ERR_NOT_FOUND, "the peer is gone");
	default: return err_set(err, ERR_IO, "sending on the bus: %s", zmq_strerror(errno));
	}
}

int
bus_socket_send(struct bus_socket *s, struct str to, struct str payload, struct err *err)
{
	int result = 0;

	CHECK((to.len != 0) == s->has_routing);
	if (payload.len > BUS_MESSAGE_MAX)
		return err_set(err, ERR_LIMIT, "a bus message of %zu bytes is too long", payload.len);
	if (s->has_routing && zmq_send(s->zmq, to.p, to.len, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
		result = send_failed(err);
	else if (zmq_send(s->zmq, payload.p, payload.len, ZMQ_DONTWAIT) < 0)
		result = send_failed(err);
	/* Sending may have swallowed the edge of new input: check at once, after
	 * all sends of this turn. */
	if (!s->taking)
		event_active(s->recheck, EV_TIMEOUT, 0);
	return result;
}
