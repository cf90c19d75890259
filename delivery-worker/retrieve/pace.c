/* How long a round may have its slot while others wait for one.
 *
 * A round is judged only by bytes that it waits for: what this worker holds up itself is not the remote's fault. */
#include <stdio.h>

#include "delivery-worker/retrieve/private.h"
#include "lib/base/clock.h"

enum {
	PACE_TURN_MS = 15 * 60 * 1000,
	PACE_MOVE_TURN_MS = 60 * 1000, /* of a move: others wait for new mail */
	/* Beyond its turn: a batch may be read to its end for so long, and a message. */
	PACE_BATCH_MS = 60 * 1000,
	PACE_MESSAGE_MS = 15 * 60 * 1000,
	PACE_WINDOW_MS = 15 * 1000,	   /* while messages are read */
	PACE_ANSWER_WINDOW_MS = 60 * 1000, /* a search in a large folder takes its time */
	PACE_LEAST_BYTES = 2 * 1024,	   /* a second */
};

/* Milliseconds since its turn ended; less than 0: it may go on, for nobody waits, or it is too early. */
static int64_t
pace_over_ms(const struct round *r)
{
	if (!r->has_protocol || !retriever_is_wanted(r->retriever, r->account.protocol))
		return -1;
	return clock_monotonic_ms() - r->pace.begun_ms - (r->account.once ? PACE_MOVE_TURN_MS : PACE_TURN_MS);
}

static void
pace_open_window(struct round *r)
{
	r->pace.window_ms = clock_monotonic_ms();
	r->pace.window_bytes = r->box != NULL ? remote_box_bytes(r->box) : 0;
	r->pace.window_reads = r->is_reading;
}

void
pace_begin(struct round *r)
{
	r->pace.begun_ms = clock_monotonic_ms();
	pace_open_window(r);
}

bool
pace_ends_batch(struct round *r)
{
	if (pace_over_ms(r) < 0)
		return false;
	r->has_more = true;
	r->pace.yields = true;
	return true;
}

static void
pace_yield(struct round *r)
{
	r->has_more = true;
	r->pace.yields = true;
	round_fail(r, false, "");
}

void
pace_on_message_end(struct round *r)
{
	if (pace_over_ms(r) >= PACE_BATCH_MS)
		pace_yield(r);
}

static void
pace_end_slow(struct round *r, uint64_t rate)
{
	char text[REMOTE_TEXT_MAX];

	snprintf(text, sizeof(text), "the remote is too slow (%llu bytes a second) while others wait",
		 (unsigned long long)rate);
	r->pace.is_slow = true;
	round_fail(r, false, text);
}

/* The window is complete: was it too slow? */
static void
pace_judge(struct round *r, int64_t lasted)
{
	uint64_t bytes = remote_box_bytes(r->box), rate = 0;
	bool is_slow;

	if (bytes > r->pace.window_bytes)
		rate = (bytes - r->pace.window_bytes) * 1000 / (uint64_t)lasted;
	/* Outside of messages most time goes into the way there and back: only silence is slow. */
	is_slow = r->pace.window_reads ? rate < PACE_LEAST_BYTES : rate == 0;
	if (is_slow && retriever_is_wanted(r->retriever, r->account.protocol))
		pace_end_slow(r, rate);
	else
		pace_open_window(r);
}

/* In the midst of a message, which begins anew next time. If it was the first one, it would do so for ever. */
static void
pace_end_message(struct round *r)
{
	if (r->list_ended == 0 && r->list_count > 0)
		r->puts_aside |=
			stuck_note(&r->stuck, r->list[0].id, "the message takes too long while others wait", true);
	pace_yield(r);
}

void
pace_look(struct round *r)
{
	int64_t lasted = clock_monotonic_ms() - r->pace.window_ms;

	if (!r->has_protocol || r->is_ending || r->box == NULL)
		return;
	if (r->is_reading && pace_over_ms(r) >= PACE_MESSAGE_MS)
		pace_end_message(r);
	else if (r->is_paused || r->on_drained != NULL || r->pace.window_reads != r->is_reading)
		pace_open_window(r);
	else if (lasted >= (r->is_reading ? PACE_WINDOW_MS : PACE_ANSWER_WINDOW_MS))
		pace_judge(r, lasted);
}
