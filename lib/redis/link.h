/* One connection to a Redis server, from the name lookup to the last reply:
 * connect, TLS if the URL says so, greeting (AUTH, SELECT, PING). Private to
 * lib/redis.
 *
 * Commands are sent at the loop's next turn, so that all commands of one turn
 * take one system call. The owner has to know which reply belongs to which
 * command: Redis answers in order. */
#ifndef SP_REDIS_LINK_H
#define SP_REDIS_LINK_H

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stddef.h>

#include "lib/redis/url.h"

struct link;

struct link_events {
	void (*on_up)(void *arg);			      /* greeted: commands are accepted */
	void (*on_reply)(void *arg, const redisReply *reply); /* borrowed for the call */
	/* The connection could not be made within the time limit, or broke. This
	 * is the last callback; the owner must free the link. */
	void (*on_down)(void *arg, const char *why);
};

/* url and events are borrowed for the link's lifetime. Neither this function
 * nor link_send() calls back from within. */
struct link *link_new(struct event_base *base, const struct redis_url *url, const struct link_events *events,
		      void *arg);
/* Closes it; no callback follows. Allowed within a callback. Sets *l to NULL. */
void link_free(struct link **l);

/* Sends a formatted command; only after on_up. If the link is broken, the command is lost. */
void link_send(struct link *l, const char *command, size_t len);
/* As hiredis formats: %s, %b, %lld. */
void link_sendf(struct link *l, const char *format, ...);

#endif
