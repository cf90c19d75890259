/* PREVIEW (RFC 8970): reads what the message's preview needs from its body. */
#include "frontend/imap/fetch/fetch.h"

static void preview_read_on(struct fetch *f);

static void
preview_tell(struct fetch *f)
{
	fetch_begin_item(f, STR("PREVIEW "));
	imap_print_string(f->session, message_preview_text(&f->preview), &f->line);
}

static void
preview_on_text(void *arg, const char *data, size_t len, const struct err *err)
{
	struct fetch *f = arg;

	if (!session_back(&f->session->base))
		return;
	if (err != NULL || len == 0) {
		fetch_begin_item(f, STR("PREVIEW NIL"));
		f->on_section(f);
		return;
	}
	message_preview_feed(&f->preview, str_of(data, len));
	preview_read_on(f);
}

/* False: there is nothing more to read. */
static bool
preview_read(struct fetch *f)
{
	size_t bytes;

	if (!message_preview_wants(&f->preview, &f->offset, &bytes))
		return false;
	f->end = f->offset + bytes;
	fetch_read(f, bytes, preview_on_text);
	return true;
}

static void
preview_read_on(struct fetch *f)
{
	if (preview_read(f))
		return;
	preview_tell(f);
	f->on_section(f);
}

bool
fetch_tell_preview(struct fetch *f)
{
	message_preview_begin(&f->preview, &fetch_record(f)->digest.digest);
	if (preview_read(f))
		return false;
	preview_tell(f);
	return true;
}
