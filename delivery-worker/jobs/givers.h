/* The brokers that send jobs. */
#ifndef SP_WORKER_JOBS_GIVERS_H
#define SP_WORKER_JOBS_GIVERS_H

#include "delivery-worker/worker.h"
#include "lib/base/buf.h"

struct giver {
	struct bus_peer *peer; /* borrowed until it is removed */
	struct giver *prev, *next;
};

struct givers {
	struct worker *worker; /* borrowed */
	struct giver *first;   /* owner */
	unsigned count;
};

void givers_init(struct givers *g, struct worker *w);
void givers_fini(struct givers *g);
/* Does nothing if it was added already. */
void givers_add(struct givers *g, struct bus_peer *peer);
void givers_remove(struct givers *g, const struct bus_peer *peer);

/* A frame that cannot be sent is logged; both sides cope with a lost frame. */
void givers_send(const struct givers *g, struct bus_peer *peer, const Stagepost__Frame *frame);
void givers_send_packed(const struct givers *g, struct bus_peer *peer, const struct buf *packed);

#endif
