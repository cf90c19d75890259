/* Entries that were written while their bodies were being synced.
 *
 * A frontend hands a message over while its body is on the way to the disk, so that
 * both syncs run side by side; the client hears 250 when both are done. Until then
 * the entry is *unconfirmed*: durable, known, and tried by nobody. In the store it
 * bears a mark in place of its state (SPOOL_UNSYNCED), which the first save removes.
 *
 *   hand-over ──► WRITING ──► WRITTEN ──► CONFIRMED ──► a message like any other
 *                    │            │  ▲
 *                    │            │  └── read at a take-over, with its mark
 *                    └────────────┴─────► taken back: its body was lost
 *
 * What confirms it is the frontend's word that the body is synced, or, where that
 * does not come (the frontend died, the word was lost or went to the shard's former
 * owner), the broker's own look at the body, which syncs it first. So nothing that
 * was answered 250 depends on a word that may be lost.
 *
 * A body that is not whole was not synced, so its client was not told 250, unless by
 * a frontend that slept between the sync and its 250. A frontend does not trust an
 * answer for longer than some seconds (lib/bus/hand_over.c); it hands the message
 * over anew then. The entry is kept for an hour, in which it is looked at again and
 * again: one that is taken back has had neither a whole body for an hour nor a client
 * who can still be waiting (RFC 5321, 4.5.3.2.6: ten minutes). It is taken back only
 * when its pack was read and the body is not there. If its pack cannot be read for an
 * hour, nothing is proved: it becomes a message, whose body is then missed by name.
 *
 * What was confirmed is saved a second later, if it is still there: from then on it
 * is never taken back, whatever becomes of its body. */
#ifndef SP_BROKER_UNCONFIRMED_H
#define SP_BROKER_UNCONFIRMED_H

#include <stdbool.h>

#include "lib/spool/spool.h"
#include "spool-broker/broker.h"

struct shard;

/* A hand-over whose body is being synced is on its way to the store. */
void unconfirmed_begin(struct shard *s, struct str id);
/* It is there: waits for its body, unless that is synced by now. */
void unconfirmed_on_written(struct shard *s, struct str id, struct str envelope);
/* It is not, or not known to be. */
void unconfirmed_on_refused(struct broker *b, const char *id);
/* The same id was handed over with its body synced. True: it is in the store, and
 * confirmed. */
bool unconfirmed_confirm(struct shard *s, struct str id);
/* Is it known here, and waits? */
bool unconfirmed_waits(struct shard *s, struct str id);
/* Read from the store with its mark. */
void unconfirmed_take(struct shard *s, const struct spool_entry *entry);
/* BodySynced. */
void unconfirmed_on_news(struct broker *b, struct str peer, const Stagepost__Frame *frame);
/* Looks at bodies, saves what was confirmed; every 500 ms. */
void unconfirmed_tick(struct broker *b);
/* The shard goes. */
void unconfirmed_forget(struct shard *s);

#endif
