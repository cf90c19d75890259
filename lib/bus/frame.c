/* Packing and unpacking of frames. */
#include "lib/bus/frame.h"

#include "lib/bus/socket.h"

/* Limits the memory for unpacking: structs are larger than their packed bytes,
 * but not without limit. Honest frames stay below 10 times their size. */
enum { GROWTH_MAX = 24, GROWTH_BASE = 64 * 1024 };
/* For our own data: an empty status takes 2 bytes, but 140 in memory when unpacked. */
enum { STORED_GROWTH_MAX = 128 };
enum { WIRE_LENGTH_DELIMITED = 2, VARINT_MAX = 10 };

struct bounded {
	struct arena *arena;
	size_t left_bytes;
};

static void *
bounded_alloc(void *data, size_t size)
{
	struct bounded *b = data;

	if (size > b->left_bytes)
		return NULL;
	b->left_bytes -= size;
	return arena_alloc(b->arena, size);
}

static void
bounded_free(void *data, void *p)
{
	(void)data, (void)p; /* the arena frees everything */
}

static void *
frame_unpack(const ProtobufCMessageDescriptor *type, struct str bytes, struct arena *arena, size_t growth)
{
	struct bounded bounded = {.arena = arena, .left_bytes = bytes.len * growth + GROWTH_BASE};
	ProtobufCAllocator allocator = {.alloc = bounded_alloc, .free = bounded_free, .allocator_data = &bounded};

	if (bytes.len > BUS_MESSAGE_MAX)
		return NULL;
	return protobuf_c_message_unpack(type, &allocator, bytes.len, (const uint8_t *)bytes.p);
}

void *
bus_message_unpack(const ProtobufCMessageDescriptor *type, struct str bytes, struct arena *arena)
{
	return frame_unpack(type, bytes, arena, GROWTH_MAX);
}

void *
bus_stored_unpack(const ProtobufCMessageDescriptor *type, struct str bytes, struct arena *arena)
{
	return frame_unpack(type, bytes, arena, STORED_GROWTH_MAX);
}

Stagepost__Frame *
bus_frame_unpack(struct str bytes, struct arena *arena, struct err *err)
{
	Stagepost__Frame *frame = NULL;

	if (bytes.len > BUS_MESSAGE_MAX) {
		err_set(err, ERR_INVALID, "a frame of %zu bytes", bytes.len);
		return NULL;
	}
	frame = bus_message_unpack(&stagepost__frame__descriptor, bytes, arena);
	if (frame == NULL)
		err_set(err, ERR_INVALID, "a malformed frame of %zu bytes", bytes.len);
	else if (frame->body_case == STAGEPOST__FRAME__BODY__NOT_SET || frame->hand_over == NULL) {
		/* All members of the union are pointers. */
		err_set(err, ERR_INVALID, "a frame without a known body");
		frame = NULL;
	}
	return frame;
}

void
bus_message_pack(const ProtobufCMessage *message, struct buf *out)
{
	size_t size = protobuf_c_message_get_packed_size(message);

	protobuf_c_message_pack(message, (uint8_t *)buf_reserve(out, size));
	out->len += size;
}

void
bus_frame_pack(const Stagepost__Frame *frame, struct buf *out)
{
	bus_message_pack(&frame->base, out);
}

static size_t
put_varint(uint64_t v, uint8_t out[VARINT_MAX])
{
	size_t len = 0;

	for (; v >= 0x80; v >>= 7)
		out[len++] = (uint8_t)(v | 0x80);
	out[len++] = (uint8_t)v;
	return len;
}

/* Tag and length of a member. */
static size_t
put_member_head(unsigned field, size_t size, uint8_t out[2 * VARINT_MAX])
{
	size_t len = put_varint((uint64_t)field << 3 | WIRE_LENGTH_DELIMITED, out);
	return len + put_varint(size, out + len);
}

void
bus_frame_pack_around(uint64_t request, unsigned body_field, const ProtobufCMessage *body, unsigned member_field,
		      struct str member, struct buf *out)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	uint8_t head[2 * VARINT_MAX], member_head[2 * VARINT_MAX];
	size_t body_size = protobuf_c_message_get_packed_size(body);
	size_t member_head_len = put_member_head(member_field, member.len, member_head);

	frame.request = request;
	bus_message_pack(&frame.base, out);
	buf_add(out, head, put_member_head(body_field, body_size + member_head_len + member.len, head));
	bus_message_pack(body, out);
	buf_add(out, member_head, member_head_len);
	buf_add_str(out, member);
}

const char *
bus_frame_name(const Stagepost__Frame *frame)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field(&stagepost__frame__descriptor, (unsigned)frame->body_case);
	return field != NULL ? field->name : "nothing";
}
