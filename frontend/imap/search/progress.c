#include "frontend/imap/search/progress.h"

#include "lib/base/clock.h"

enum { PROGRESS_MS = 10000 };

void
imap_tell_progress(struct imap_session *s, struct imap_progress *p, uint32_t done, uint32_t total)
{
	int64_t now = clock_monotonic_ms();
	struct buf out = BUF_EMPTY;

	if (p->told_ms == 0)
		p->told_ms = now;
	if (now - p->told_ms < PROGRESS_MS)
		return;
	p->told_ms = now;
	buf_add_c(&out, "* OK [INPROGRESS (");
	imap_print_string(s, s->tag, &out);
	buf_printf(&out, " %u %u)] in progress\r\n", done, total);
	imap_write(s, &out);
	buf_fini(&out);
}
