/* How far a long command is: a bar on a terminal's standard error; elsewhere nothing. */
#ifndef SP_CTL_PROGRESS_H
#define SP_CTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; /* "importing" */
	bool is_terminal;
	int64_t shown_ms; /* monotonic; 0: not yet */
	char note[80];	  /* shown behind the numbers; may be empty */
};

void progress_begin(struct progress *p, const char *what);
/* At most ten times a second. total 0: not known. */
void progress_show(struct progress *p, uint64_t done, uint64_t total);
/* Clears the line. */
void progress_end(struct progress *p);

#endif
