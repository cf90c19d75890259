#include "delivery-worker/jobs/givers.h"

#include <utlist.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/bus/frame.h"

void
givers_init(struct givers *g, struct worker *w)
{
	*g = (struct givers){.worker = w};
}

static void
givers_drop(struct givers *g, struct giver *giver)
{
	DL_DELETE(g->first, giver);
	g->count--;
	mem_free(giver);
}

void
givers_fini(struct givers *g)
{
	while (g->first != NULL)
		givers_drop(g, g->first);
}

static struct giver *
givers_find(const struct givers *g, const struct bus_peer *peer)
{
	struct giver *giver = g->first;

	while (giver != NULL && giver->peer != peer)
		giver = giver->next;
	return giver;
}

void
givers_add(struct givers *g, struct bus_peer *peer)
{
	struct giver *giver;

	if (givers_find(g, peer) != NULL)
		return;
	giver = mem_new(struct giver);
	giver->peer = peer;
	DL_APPEND(g->first, giver);
	g->count++;
}

void
givers_remove(struct givers *g, const struct bus_peer *peer)
{
	struct giver *giver = givers_find(g, peer);

	if (giver != NULL)
		givers_drop(g, giver);
}

void
givers_send(const struct givers *g, struct bus_peer *peer, const Stagepost__Frame *frame)
{
	struct err err;

	if (bus_send(g->worker->bus, peer, frame, &err) != 0)
		log_warning(NULL, "frame not sent to the broker", F_C("broker", bus_peer_id(peer)),
			    F_C("frame", bus_frame_name(frame)), F_ERR(&err));
}

void
givers_send_packed(const struct givers *g, struct bus_peer *peer, const struct buf *packed)
{
	struct arena arena;
	Stagepost__Frame *frame;
	struct err err;

	arena_init(&arena);
	frame = bus_frame_unpack(buf_str(packed), &arena, &err);
	if (frame != NULL)
		givers_send(g, peer, frame);
	arena_fini(&arena);
}
