#include "ctl/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum { PROGRESS_WIDTH = 40, PROGRESS_MS = 100 };

void
progress_begin(struct progress *p, const char *what)
{
	*p = (struct progress){.what = what, .is_terminal = isatty(STDERR_FILENO)};
}

void
progress_show(struct progress *p, uint64_t done, uint64_t total)
{
	int64_t now_ms = clock_monotonic_ms();
	char bar[PROGRESS_WIDTH + 1];
	size_t full = total == 0 ? 0 : (size_t)(done >= total ? PROGRESS_WIDTH : done * PROGRESS_WIDTH / total);

	if (!p->is_terminal || (p->shown_ms != 0 && now_ms - p->shown_ms < PROGRESS_MS && done != total))
		return;
	p->shown_ms = now_ms;
	memset(bar, '.', PROGRESS_WIDTH);
	memset(bar, '#', full);
	bar[PROGRESS_WIDTH] = '\0';
	if (total == 0)
		fprintf(stderr, "\r%s: %" PRIu64 " ", p->what, done);
	else
		fprintf(stderr, "\r%s: [%s] %" PRIu64 " of %" PRIu64 "%s\033[K ", p->what, bar, done, total, p->note);
	fflush(stderr);
}

void
progress_end(struct progress *p)
{
	if (p->shown_ms != 0)
		fprintf(stderr, "\r\033[K");
	p->shown_ms = 0;
}
