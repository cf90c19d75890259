/* What milters send, and the header that they change: any input is read within its bounds, a
 * field that they add stays one field. */
#include <event2/buffer.h>
#include <string.h>

#include "frontend/milter/message.h"
#include "frontend/milter/wire.h"
#include "lib/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each line after the first begins with a blank. */
static void
fuzz_check_field(struct str raw)
{
	CHECK(str_ends_ci(raw, STR("\r\n")));
	for (size_t i = 0; i + 1 < raw.len; i++)
		if (raw.p[i] == '\n')
			CHECK(raw.p[i + 1] == ' ' || raw.p[i + 1] == '\t');
}

static void
fuzz_change(struct str header, struct str name, struct str value, uint32_t index)
{
	struct milter_message m;
	struct buf out = BUF_EMPTY;
	unsigned count;

	milter_message_init(&m);
	if (milter_message_parse(&m, header, true, STR("own"))) {
		CHECK(m.body_at <= header.len);
		for (unsigned i = 0; i < m.count; i++)
			milter_field_value(&m.fields[i], index % 2 == 0, &out);
		CHECK(out.len <= header.len);
		count = m.count;
		if (milter_message_insert(&m, index, name, value, index % 2 == 0)) {
			CHECK(m.count == count + 1);
			for (unsigned i = 0; i < m.count; i++)
				if (str_starts(m.fields[i].raw, name) && count == 0)
					fuzz_check_field(m.fields[i].raw);
		}
		milter_message_change(&m, index, name, value, false);
		CHECK(m.count <= count + 2);
	}
	buf_fini(&out);
	milter_message_fini(&m);
}

static void
fuzz_packet(const struct milter_packet *packet)
{
	struct str rest = packet->data, name, value;
	struct buf lines = BUF_EMPTY;
	uint32_t index = 0;

	if (milter_wire_reply(packet->data, &lines))
		CHECK(lines.len >= 6 && (lines.data[0] == '4' || lines.data[0] == '5'));
	buf_fini(&lines);
	if (milter_wire_take_number(&rest, &index) && milter_wire_take_text(&rest, &name) &&
	    milter_wire_take_text(&rest, &value))
		fuzz_change(rest, name, value, index);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct evbuffer *in = evbuffer_new();
	struct milter_packet packet;

	evbuffer_add(in, data, size);
	while (milter_wire_peek(in, &packet) == MILTER_WIRE_PACKET) {
		CHECK(packet.data.len < size);
		fuzz_packet(&packet);
		milter_wire_drop(in, &packet);
	}
	evbuffer_free(in);
	return 0;
}
