/* Entries that were written while their bodies were being synced.
 *
 * A frontend hands a message over while its body is on the way to the disk, so that
 * both syncs run side by side; the client hears 250 when both are done. Until then
 * the entry is *unconfirmed*: durable and known, but not tried. In the store it has a
 * mark in place of its state (SPOOL_UNSYNCED), which the first save removes.
 *
 *   hand-over ──► WRITING ──► WRITTEN ──► CONFIRMED ──► a message like any other
 *                    │            │  ▲
 *                    │            │  └── read at a take-over, with its mark
 *                    └────────────┴─────► taken back: its body was lost
 *
 * It is confirmed by the frontend's word that the body is synced. If that does not
 * come (the frontend died, or the word was lost or sent to the shard's former owner),
 * the broker looks at the body itself, and syncs it first. So nothing that was
 * answered 250 depends on a word that may be lost.
 *
 * An incomplete body was not synced, so its client was not told 250, except by a
 * frontend that slept between the sync and its 250. A frontend trusts an answer only
 * for some seconds (lib/bus/hand_over.c); after that it hands the message over again.
 * The entry is kept for an hour and looked at again and again: an entry that is taken
 * back has had no complete body for an hour and no client that can still be waiting
 * (RFC 5321, 4.5.3.2.6: ten minutes). It is taken back only when its pack was read
 * and the body is not there. If its pack cannot be read for an hour, nothing is
 * proved: it becomes a message, and its missing body is then reported by name.
 *
 * A confirmed entry that still exists is saved a second later: from then on it is
 * never taken back, whatever happens to its body. */
#ifndef SP_BROKER_UNCONFIRMED_H
#define SP_BROKER_UNCONFIRMED_H

#include <stdbool.h>

#include "lib/spool/spool.h"
#include "spool-broker/broker.h"

struct shard;

/* A hand-over whose body is being synced is on its way to the store. */
void unconfirmed_begin(struct shard *s, struct str id);
/* It is in the store: waits for its body, unless that is synced by now. */
void unconfirmed_on_written(struct shard *s, struct str id, struct str envelope);
/* It is not in the store, or not known to be. */
void unconfirmed_on_refused(struct broker *b, const char *id);
/* The same id was handed over with a synced body. True: it is in the store, and confirmed. */
bool unconfirmed_confirm(struct shard *s, struct str id);
/* Is it known here, and waiting? */
bool unconfirmed_waits(struct shard *s, struct str id);
/* Read from the store with its mark. */
void unconfirmed_take(struct shard *s, const struct spool_entry *entry);
/* BodySynced. */
void unconfirmed_on_news(struct broker *b, struct str peer, const Stagepost__Frame *frame);
/* Looks at bodies and saves confirmed entries; every 500 ms. */
void unconfirmed_tick(struct broker *b);
/* The shard goes. */
void unconfirmed_forget(struct shard *s);

#endif
