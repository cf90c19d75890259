/* Packs frames of proto/stagepost.proto into bytes, and unpacks them within bounds. */
#ifndef SP_BUS_FRAME_H
#define SP_BUS_FRAME_H

#include <stdint.h>

#include "proto/stagepost.pb-c.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

/* Appends to out. */
void bus_frame_pack(const Stagepost__Frame *frame, struct buf *out);

/* The same for a body with one member that is already packed (an envelope that
 * is stored packed). body does not contain it; member_field is its number. */
void bus_frame_pack_around(uint64_t request, unsigned body_field, const ProtobufCMessage *body, unsigned member_field,
			   struct str member, struct buf *out);

/* Everything is allocated in the arena. NULL (ERR_INVALID): malformed, too
 * long, no body, or needing a disproportionate amount of memory (2 bytes can
 * require 100). Members that are messages may still be NULL, and enums may have
 * any value: handlers check this. */
Stagepost__Frame *bus_frame_unpack(struct str bytes, struct arena *arena, struct err *err);

/* Unpacks any message within the same bounds; the caller casts. */
void *bus_message_unpack(const ProtobufCMessageDescriptor *type, struct str bytes, struct arena *arena);
/* The same for data from the spool. We wrote it ourselves, and its structs may be
 * larger than that (an empty member takes 2 bytes, but 140 in memory). */
void *bus_stored_unpack(const ProtobufCMessageDescriptor *type, struct str bytes, struct arena *arena);
/* Appends to out. */
void bus_message_pack(const ProtobufCMessage *message, struct buf *out);

/* "hand_over", for the log. */
const char *bus_frame_name(const Stagepost__Frame *frame);

#endif
