/* What happens in the cluster, as it happens: a stream of server-sent events for each
 * viewer, or a WebSocket with the same messages.
 *
 *	live.c         what is watched, once for all viewers of the process
 *	live_viewer.h  a viewer
 *
 * Messages:
 *
 *	hello     {"process"}            first; the client asks anew for what it shows
 *	status    processes, queue, store (admin_status_brief()), every 2 s
 *	queue     admin_queue_summary(), every 2 s
 *	settings  {"hashes": ["smtp-in", "smtp-in:example.com", "errors"]} that have been
 *	          written to; empty: any of them may have been
 *	event     an event of a message, as `stagepost events` prints it
 *	left_out  {"count"} events that were not sent, as there were too many
 *	gap       {} events were removed before the client came back for them
 *	place     of a WebSocket: only an id
 *	end       {"reason"} last
 *
 * The id of an event is its place in the order of all of them (lib/spool/follow.h), so
 * a viewer goes on where it stopped, on any frontend. A status has an id too: there may
 * be long nothing that a viewer's filter lets through. */
#ifndef SP_FRONTEND_WEB_LIVE_H
#define SP_FRONTEND_WEB_LIVE_H

#include "frontend/web/private.h"
#include "lib/spool/follow.h"

struct live_viewer;

enum live_topic { LIVE_EVENTS, LIVE_QUEUE, LIVE_STATUS, LIVE_SETTINGS, LIVE_TOPIC_COUNT };

struct live {
	struct web *web;	     /* borrowed */
	struct live_viewer *viewers; /* list */
	unsigned viewer_count;
	unsigned wanted[LIVE_TOPIC_COUNT]; /* viewers of each topic */
	struct event *tick, *poll, *soon;  /* owner */
	unsigned ticks;
	bool watches_settings;
	struct buf hashes;		   /* JSON texts of settings that were written to, with commas */
	bool lost_settings;		   /* any of them may have been */
	struct admin_call *status, *queue; /* in progress */
	struct spool_follower *follower;   /* owner; NULL: nobody watches events */
};

/* ---- live.c ---- */
struct live *live_new(struct web *web);
void live_free(struct live **l);
/* A viewer has come, or is leaving. */
void live_watch(struct live *l, const bool topics[LIVE_TOPIC_COUNT]);
void live_unwatch(struct live *l, const bool topics[LIVE_TOPIC_COUNT]);

/* ---- live_viewer.c ---- */
/* To all viewers of the topic. */
void live_broadcast(struct live *l, enum live_topic topic, const char *name, struct str data);
/* An event that the process has read, to all viewers that are not behind. */
void live_tell_event(struct live *l, const struct spool_place *place, struct str json);
/* Once a second: limits, sessions that have ended. */
void live_tick_viewers(struct live *l);

#endif
