/* One connection to a Redis server, from its name to the last reply: looked up,
 * connected, TLS if the URL says so, greeted (AUTH, SELECT, PING). Private to
 * lib/redis.
 *
 * Commands go out at the loop's next turn, so that all that are given in one
 * turn cost one system call. Which reply belongs to which command is its
 * owner's to know: Redis answers in order. */
#ifndef SP_REDIS_LINK_H
#define SP_REDIS_LINK_H

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stddef.h>

#include "lib/redis/url.h"

struct link;

struct link_events {
	void (*on_up)(void *arg);			      /* greeted: commands are taken */
	void (*on_reply)(void *arg, const redisReply *reply); /* borrowed for the call */
	/* It could not be made within the time limit, or broke. The last callback;
	 * the link is then to be freed. */
	void (*on_down)(void *arg, const char *why);
};

/* url, events: borrowed, as long as the link lives. No callback comes from
 * within this or link_send(). */
struct link *link_new(struct event_base *base, const struct redis_url *url, const struct link_events *events,
		      void *arg);
/* Closes it; no callback follows. Also from within a callback. NULLs *l. */
void link_free(struct link **l);

/* A formatted command; after on_up. One that meets a broken link is lost. */
void link_send(struct link *l, const char *command, size_t len);
/* As hiredis formats: %s, %b, %lld. */
void link_sendf(struct link *l, const char *format, ...);

#endif
