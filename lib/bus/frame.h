/* Frames of proto/stagepost.proto as bytes, and back with bounds. */
#ifndef SP_BUS_FRAME_H
#define SP_BUS_FRAME_H

#include <stdint.h>

#include "proto/stagepost.pb-c.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

/* Appends. */
void bus_frame_pack(const Stagepost__Frame *frame, struct buf *out);

/* The same for a body whose one member is there as bytes already (an envelope
 * that is stored packed): body is without it, member_field its number. */
void bus_frame_pack_around(uint64_t request, unsigned body_field, const ProtobufCMessage *body, unsigned member_field,
			   struct str member, struct buf *out);

/* Everything lies in the arena. NULL (ERR_INVALID): malformed, too long, no
 * body, or wanting out of proportion memory (2 bytes can ask for 100). Members
 * that are messages may still be NULL, and enums any number: handlers look. */
Stagepost__Frame *bus_frame_unpack(struct str bytes, struct arena *arena, struct err *err);

/* Any message in the same bounds; the caller casts. */
void *bus_message_unpack(const ProtobufCMessageDescriptor *type, struct str bytes, struct arena *arena);
/* The same of what the spool has: our own words, whose structs may be larger than
 * that (an empty member has 2 bytes, and 140 of them in memory). */
void *bus_stored_unpack(const ProtobufCMessageDescriptor *type, struct str bytes, struct arena *arena);
/* Appends. */
void bus_message_pack(const ProtobufCMessage *message, struct buf *out);

/* "hand_over", for the log. */
const char *bus_frame_name(const Stagepost__Frame *frame);

#endif
