/* Frames of the bus: a frame that unpacks can be packed and unpacked again to
 * the same frame (or, with unknown members of an impossible kind, not at all);
 * memory stays in proportion. */
#include <stdint.h>
#include <stdlib.h>

#include "lib/bus/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct buf first = BUF_EMPTY, second = BUF_EMPTY;
	Stagepost__Frame *frame;

	arena_init(&arena);
	frame = bus_frame_unpack(str_of((const char *)data, size), &arena, NULL);
	if (arena.total_bytes > 24 * size + 256 * 1024)
		abort();
	if (frame != NULL) {
		(void)bus_frame_name(frame);
		bus_frame_pack(frame, &first);
		frame = bus_frame_unpack(buf_str(&first), &arena, NULL);
		if (frame != NULL)
			bus_frame_pack(frame, &second);
		if (frame != NULL && !str_eq(buf_str(&first), buf_str(&second)))
			abort();
	}
	buf_fini(&first);
	buf_fini(&second);
	arena_fini(&arena);
	return 0;
}
