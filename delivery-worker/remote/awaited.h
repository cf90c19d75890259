/* Replies that are expected on a connection, in order, and what each one answers. */
#ifndef SP_WORKER_REMOTE_AWAITED_H
#define SP_WORKER_REMOTE_AWAITED_H

#include <stdbool.h>
#include <stdint.h>

enum smtp_step {
	STEP_GREETING,
	STEP_EHLO,
	STEP_HELO,
	STEP_STARTTLS,
	STEP_AUTH,
	STEP_RSET,
	STEP_MAIL,
	STEP_RCPT,
	STEP_DATA,
	STEP_CHUNK, /* a BDAT that is not the last */
	STEP_END,   /* the final dot, or the last BDAT */
};

struct expectation {
	enum smtp_step step;
	unsigned rcpt; /* STEP_RCPT */
};

/* Zeroed: none. */
struct awaited {
	struct expectation *list; /* owner; outstanding ones: [at, count) */
	unsigned at, count, size;
};

void awaited_fini(struct awaited *a);
void awaited_add(struct awaited *a, enum smtp_step step, unsigned rcpt);
unsigned awaited_count(const struct awaited *a);
/* Only if there is one. */
struct expectation awaited_take(struct awaited *a);
/* "EHLO"; NULL: none is awaited. */
const char *awaited_name(const struct awaited *a);
/* How long the next one may take, where ms is the usual limit. */
int64_t awaited_timeout(const struct awaited *a, int64_t ms);

#endif
