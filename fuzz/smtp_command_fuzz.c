/* The parsers behind SMTP commands: parameters, reply lines, and the watch on a
 * message's header, which must not depend on where its input is cut. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "frontend/smtp/params.h"
#include "frontend/smtp/replies.h"
#include "frontend/submit/header_watch.h"
#include "lib/base/check.h"
#include "lib/smtp/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_params(struct str text)
{
	struct smtp_mail_params mail;
	struct smtp_rcpt_params rcpt;
	struct str culprit;

	if (smtp_mail_params_parse(text, &mail, &culprit) == PARAMS_OK)
		CHECK(mail.envid.len <= 100);
	if (smtp_rcpt_params_parse(text, &rcpt, &culprit) == PARAMS_OK)
		CHECK((rcpt.notify & NOTIFY_NEVER) == 0 || rcpt.notify == NOTIFY_NEVER);
}

static void
fuzz_reply(enum smtp_reply_name name, struct str argument)
{
	struct evbuffer *out = evbuffer_new();

	smtp_reply_write(name, argument, out);
	size_t len = evbuffer_get_length(out);
	struct evbuffer_ptr end = evbuffer_search(out, "\n", 1, NULL);
	CHECK(len <= 512 && end.pos == (ssize_t)len - 1);
	evbuffer_free(out);
}

static void
watch(struct header_watch *w, struct str text, size_t piece)
{
	header_watch_init(w, true);
	for (size_t at = 0; at < text.len; at += piece)
		header_watch_feed(w, str_first(str_from(text, at), piece));
	header_watch_end(w);
}

static void
fuzz_header(struct str text, size_t piece)
{
	struct header_watch whole, cut;
	struct smtp_data_reader r;
	struct buf stored = BUF_EMPTY;
	bool ended;

	smtp_data_reader_init(&r, false);
	smtp_data_read(&r, text, &stored, &ended);
	smtp_data_read_end(&r, &stored);
	watch(&whole, buf_str(&stored), stored.len + 1);
	watch(&cut, buf_str(&stored), piece);
	CHECK(whole.received_count == cut.received_count && whole.no_header == cut.no_header);
	CHECK(whole.has_date == cut.has_date && whole.has_from == cut.has_from);
	CHECK(whole.has_message_id == cut.has_message_id);
	if (!whole.from_too_long && !cut.from_too_long)
		CHECK(str_eq(buf_str(&whole.from), buf_str(&cut.from)));
	header_watch_fini(&whole);
	header_watch_fini(&cut);
	buf_fini(&stored);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct str text = str_of((const char *)data + 1, size - 1);
	switch (data[0] % 3) {
	case 0: fuzz_params(text); break;
	case 1: fuzz_reply((enum smtp_reply_name)(data[0] / 3 % SMTP_REPLY_COUNT), text); break;
	default: fuzz_header(text, data[0] / 3 % 16 + 1u); break;
	}
	return 0;
}
