/* Shared by client.c, peer.c, announced.c and hand_over.c. */
#ifndef SP_BUS_CLIENT_PRIVATE_H
#define SP_BUS_CLIENT_PRIVATE_H

#include <uthash.h>
#include <utlist.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/bus/client.h"
#include "lib/bus/curve.h"
#include "lib/bus/socket.h"
#include "lib/spool/id.h"

enum { BUS_PING_MS = 500 };

#define BUS_NAME_MAX 128
#define BUS_HOST_MAX 256

/* An announced broker. */
struct bus_peer {
	struct bus_client *client; /* borrowed */
	char id[BUS_NAME_MAX];
	char endpoint[300];
	char boot[64];		   /* identifies one run of that broker's process */
	struct bus_socket *socket; /* owner */
	void *zmq;		   /* borrowed from the socket */
	struct lookup *lookup;	   /* owner; while the host name of the endpoint is being looked up */
	int64_t connected_ms;	   /* monotonic */
	int64_t heard_ms;	   /* monotonic time of the last frame */
	bool is_heard;		   /* it has answered once: the watcher was told */
	bool draining;		   /* it said so; accepts nothing new */
	bool announced;		   /* found by the current refresh */
	struct bus_peer *prev, *next;
};

/* One message on its way to a broker. */
struct hand_over {
	uint64_t request;
	unsigned shard;
	struct buf envelope;	  /* owner; packed */
	unsigned sends;		  /* not 0: a broker may have received it */
	unsigned untaken;	  /* of these, how many were answered with certainty that nothing was written */
	struct bus_peer *sent_to; /* borrowed; NULL: waiting for an owner */
	int64_t sent_ms;	  /* monotonic */
	int64_t retry_ms;	  /* monotonic: not before this */
	int64_t failed_ms;	  /* monotonic: when a broker first reported that its store fails; 0: never */
	int64_t deadline_ms;	  /* monotonic */
	bus_on_handed_over *cb;
	void *arg;
	UT_hash_handle hh; /* by request */
};

struct bus_client {
	struct event_base *base;		    /* borrowed */
	struct redis *redis;			    /* borrowed */
	struct tracking_subscription *subscription; /* owner; NULL without tracking */
	char name[BUS_NAME_MAX];
	struct bus_keys keys;
	void *context;		/* owner: ZeroMQ */
	struct bus_peer *peers; /* owner: list */
	unsigned next_address;	/* of announced brokers */
	struct bus_events events;
	void *events_arg;

	/* Shards: the known owners. */
	struct bus_peer *owners[SPOOL_SHARDS_MAX]; /* borrowed; NULL: none */
	uint16_t open_shards[SPOOL_SHARDS_MAX];	   /* those with a live owner */
	unsigned open_count;
	unsigned next_open; /* round robin */

	/* Reading the announcements. */
	struct event *poll; /* owner: once a second, and earlier on demand */
	struct event *ping; /* owner */
	bool refreshing;
	bool refresh_again;
	bool refresh_failed;
	bool refresh_unlike; /* a broker was skipped because of its version */
	struct log_trouble unlike;
	unsigned replies_due; /* Redis callbacks still to come */
	bool closing;	      /* freed when no reply is due */

	/* Hand-overs without an answer. */
	struct hand_over *hand_overs; /* owner: hash by request */
	size_t hand_over_bytes;	      /* of their envelopes */
	struct event *hand_over_tick; /* owner: runs while there are any */
	uint64_t next_request;

	struct arena arena; /* of the current frame */
	struct buf out;	    /* of the frame being sent */
};

/* ---- client.c ---- */
/* An owner that accepts new messages, or NULL. */
struct bus_peer *bus_client_open_owner(struct bus_client *b, unsigned shard);
/* Call it whenever a peer, or the map, may have changed. */
void bus_client_find_open_shards(struct bus_client *b);
void bus_client_schedule(struct event *timer, int64_t ms);
uint64_t bus_random_u64(void);

/* ---- peer.c ---- */
/* Does it accept new messages? */
bool bus_peer_is_open(const struct bus_peer *p, int64_t now_ms);
void bus_peer_connect(struct bus_client *b, const char *id, struct str endpoint, struct str boot);
void bus_peer_drop(struct bus_client *b, struct bus_peer *p, const char *why);
void bus_peers_on_ping(evutil_socket_t fd, short what, void *arg);

/* ---- announced.c ---- */
/* Reads the announcements soon. */
void bus_client_refresh(struct bus_client *b);
void bus_announced_on_poll(evutil_socket_t fd, short what, void *arg);
void bus_announced_on_notice(void *arg, struct str channel, struct str payload);
void bus_announced_on_notices_lost(void *arg);

/* ---- hand_over.c ---- */
void hand_over_on_reply(struct bus_client *b, const Stagepost__Frame *frame);
void hand_over_peer_lost(struct bus_client *b, const struct bus_peer *p);
/* The map has changed: waiting messages may find their owner. */
void hand_over_retry(struct bus_client *b);
/* All remaining hand-overs fail. */
void hand_over_end_all(struct bus_client *b);
void hand_over_on_tick(evutil_socket_t fd, short what, void *arg);

#endif
