/* Envelope and state of one message while it is being worked on. */
#include "spool-broker/queue/work.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/bus/frame.h"
#include "lib/smtp/notify.h"
#include "spool-broker/broker.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/spool/shards.h"
#include "spool-broker/queue/verdict.h"

unsigned
work_recipient_count(const struct work *w)
{
	return (unsigned)(w->envelope->n_recipients + w->state->n_added);
}

Stagepost__Recipient *
work_recipient(const struct work *w, unsigned index)
{
	size_t own = w->envelope->n_recipients;

	CHECKF(index < work_recipient_count(w), "recipient %u", index);
	return index < own ? w->envelope->recipients[index] : w->state->added[index - own];
}

Stagepost__RecipientStatus *
work_status(const struct work *w, unsigned index)
{
	CHECKF(index < w->state->n_status, "recipient %u of %zu", index, w->state->n_status);
	return w->state->status[index];
}

struct str
recipient_destination(const Stagepost__Recipient *r)
{
	struct str address = str_c(r->address);
	ptrdiff_t at = str_rindex(address, '@');

	if (r->local)
		return STR("local");
	return at >= 0 ? str_from(address, (size_t)at + 1) : address;
}

Stagepost__JobKind
recipient_kind(const Stagepost__Recipient *r)
{
	return r->local ? STAGEPOST__JOB_KIND__LOCAL : STAGEPOST__JOB_KIND__REMOTE;
}

struct str
envelope_sender(const Stagepost__Envelope *e)
{
	struct str address = e->authenticated_as[0] != '\0' ? str_c(e->authenticated_as) : str_c(e->reverse_path);
	ptrdiff_t at = str_rindex(address, '@');

	return at >= 0 ? str_from(address, (size_t)at + 1) : address;
}

bool
check_is_due(const struct work *w)
{
	if (!w->envelope->spam_check || w->state->spam != NULL)
		return false;
	for (unsigned i = 0; i < work_recipient_count(w); i++)
		if (work_status(w, i)->state == STAGEPOST__RECIPIENT_STATE__QUEUED)
			return true;
	return false;
}

const char *
check_last_trouble(const Stagepost__MessageState *state)
{
	for (size_t i = state->spam == NULL ? state->n_events : 0; i-- > 0;)
		if (state->events[i]->recipient == 0 && strcmp(state->events[i]->kind, "deferred") == 0)
			return state->events[i]->detail;
	return NULL;
}

void
message_set_uncertain(struct message *m)
{
	m->flags |= MESSAGE_UNCERTAIN;
	if (m->work == NULL || m->work->state->uncertain)
		return;
	m->work->state->uncertain = true;
	m->work->dirty = true;
}

/* ---- Opening ---- */
static bool
work_envelope_is_sound(const Stagepost__Envelope *e, const char *id)
{
	if (e == NULL || strcmp(e->id, id) != 0 || e->body == NULL || e->n_recipients == 0 ||
	    e->n_recipients > RECIPIENTS_MAX)
		return false;
	for (size_t i = 0; i < e->n_recipients; i++)
		if (e->recipients[i] == NULL || e->recipients[i]->address[0] == '\0')
			return false;
	return true;
}

static bool
work_state_is_sound(const Stagepost__MessageState *state, size_t own)
{
	if (state == NULL || state->n_added > RECIPIENTS_MAX || state->n_events > EVENTS_MAX ||
	    state->n_status > own + state->n_added)
		return false;
	for (size_t i = 0; i < state->n_added; i++)
		if (state->added[i] == NULL || state->added[i]->address[0] == '\0')
			return false;
	return true;
}

/* A list with room for at least one more: the old one, or a copy of twice the
 * size (the space that this wastes in the arena is bounded by the total). */
static void *
work_grow(struct work *w, void *list, size_t count, size_t *room, size_t wanted)
{
	void *all;

	if (wanted <= *room)
		return list;
	*room = wanted * 2;
	all = arena_alloc(&w->arena, *room * sizeof(void *));
	if (count != 0)
		memcpy(all, list, count * sizeof(void *));
	return all;
}

/* `count` statuses; the new ones are fresh. */
static void
work_widen_status(struct work *w, size_t count)
{
	Stagepost__MessageState *state = w->state;

	state->status = work_grow(w, state->status, state->n_status, &w->status_room, count);
	for (; state->n_status < count; state->n_status++) {
		Stagepost__RecipientStatus *status = arena_new(&w->arena, Stagepost__RecipientStatus);
		stagepost__recipient_status__init(status);
		state->status[state->n_status] = status;
	}
}

static void
work_note_history(struct message *m, struct work *w, bool fresh)
{
	const Stagepost__Envelope *e = w->envelope;
	bool dirty = w->dirty;
	Stagepost__TraceEvent *event;

	if (fresh) {
		event = work_add_event(w, "accepted", 0, e->frontend, e->protocol);
		event->time_ms = e->received_ms;
		event->remote = e->client_ip;
		event->tls = e->tls;
		w->news_count = 0; /* published when it was written */
	}
	if (w->state->spam == NULL && e->checked != NULL)
		work_set_verdict(w, e->checked, e->frontend);
	if ((m->flags & MESSAGE_TAKEN_OVER) != 0) {
		m->flags &= (uint16_t)~MESSAGE_TAKEN_OVER;
		event = work_add_event(w, "taken-over", 0, m->shard->broker->config.id, "");
		event->time_ms = (uint64_t)m->shard->taken_ms;
	}
	w->dirty = dirty; /* not worth a save of their own */
}

int
message_open_work(struct message *m, struct str envelope, struct str state, struct err *err)
{
	struct work *w = mem_new(struct work);

	CHECK(m->work == NULL);
	arena_init(&w->arena);
	w->envelope = bus_stored_unpack(&stagepost__envelope__descriptor, envelope, &w->arena);
	if (state.len != 0)
		w->state = bus_stored_unpack(&stagepost__message_state__descriptor, state, &w->arena);
	else {
		w->state = arena_new(&w->arena, Stagepost__MessageState);
		stagepost__message_state__init(w->state);
	}
	w->report_due = true; /* not known */
	m->work = w;
	if (!work_envelope_is_sound(w->envelope, m->id) || !work_state_is_sound(w->state, w->envelope->n_recipients)) {
		message_close_work(m);
		return err_set(err, ERR_CORRUPT, "the spool entry of %s is inconsistent", m->id);
	}
	w->status_room = w->state->n_status;
	w->added_room = w->state->n_added;
	w->event_room = w->state->n_events;
	work_widen_status(w, work_recipient_count(w));
	work_note_history(m, w, state.len == 0);
	if (w->state->uncertain || (m->flags & MESSAGE_UNCERTAIN) != 0)
		message_set_uncertain(m);
	return 0;
}

struct work *
message_work(struct message *m)
{
	if (m->work == NULL && m->packed != NULL)
		CHECK(message_open_work(m, str_of(m->packed, m->packed_len), STR_NONE, NULL) == 0);
	return m->work;
}

void
message_close_work(struct message *m)
{
	if (m->work == NULL)
		return;
	arena_fini(&m->work->arena);
	mem_free(m->work);
	m->work = NULL;
}

/* ---- Changing ---- */
static char *
work_copy(struct work *w, const char *text)
{
	return arena_strdup(&w->arena, text != NULL ? text : "");
}

/* What a status takes besides its two texts. */
enum { STATUS_BARE_BYTES = 48 };

/* At most this many bytes, and never part of a character. */
static char *
work_copy_cut(struct work *w, const char *text, size_t most)
{
	struct str cut = str_first(str_c(text != NULL ? text : ""), most);

	if (text != NULL && text[cut.len] != '\0')
		while (cut.len != 0 && ((unsigned char)text[cut.len] & 0xc0) == 0x80)
			cut.len--;
	return arena_dup(&w->arena, cut.p, cut.len);
}

/* For the texts of one status. */
static size_t
work_text_room(const struct work *w)
{
	size_t share = STATUS_BYTES_MAX / work_recipient_count(w);

	return share > STATUS_BARE_BYTES ? share - STATUS_BARE_BYTES : 0;
}

void
work_cut_texts(struct work *w)
{
	size_t room = work_text_room(w);

	for (size_t i = 0; i < w->state->n_status; i++) {
		Stagepost__RecipientStatus *status = w->state->status[i];
		status->last_text = work_copy_cut(w, status->last_text, room / 3 * 2);
		status->last_remote = work_copy_cut(w, status->last_remote, room / 3);
	}
}

void
work_set_status(struct work *w, unsigned index, Stagepost__RecipientState state, const char *code, const char *text,
		const char *remote)
{
	Stagepost__RecipientStatus *status = work_status(w, index);
	size_t room = work_text_room(w);

	status->state = state;
	status->last_code = work_copy(w, code);
	status->last_text = work_copy_cut(w, text, room / 3 * 2);
	status->last_remote = work_copy_cut(w, remote, room / 3);
	w->dirty = true;
	if (state == STAGEPOST__RECIPIENT_STATE__FAILED || (work_recipient(w, index)->notify & NOTIFY_SUCCESS) != 0)
		w->report_due = true;
}

/* The oldest event that may be dropped: a failed try, or none; the first event stays. */
static size_t
work_expendable_event(const Stagepost__MessageState *state)
{
	for (size_t i = 1; i < state->n_events; i++)
		if (strcmp(state->events[i]->kind, "deferred") == 0 || strcmp(state->events[i]->kind, "postponed") == 0)
			return i;
	return state->n_events > 1 ? 1 : 0;
}

Stagepost__TraceEvent *
work_add_event(struct work *w, const char *kind, unsigned recipient_number, const char *host, const char *detail)
{
	Stagepost__MessageState *state = w->state;
	Stagepost__TraceEvent *event = arena_new(&w->arena, Stagepost__TraceEvent);

	stagepost__trace_event__init(event);
	event->time_ms = (uint64_t)clock_unix_ms();
	event->kind = work_copy(w, kind);
	event->recipient = recipient_number;
	event->host = work_copy(w, host);
	event->detail = work_copy(w, detail);
	w->dirty = true;
	if (state->n_events >= EVENTS_MAX) {
		size_t gone = work_expendable_event(state);
		memmove(state->events + gone, state->events + gone + 1, (state->n_events - gone - 1) * sizeof(event));
		state->n_events--;
	}
	state->events = work_grow(w, state->events, state->n_events, &w->event_room, state->n_events + 1);
	state->events[state->n_events++] = event;
	w->news = work_grow(w, w->news, w->news_count, &w->news_room, w->news_count + 1);
	w->news[w->news_count++] = event;
	return event;
}

/* ---- Recipients by address ----
 * Open addressing: a slot is 0, or the index of a recipient plus 1. A recipient
 * that has been expanded since stays in the table but does not count any more;
 * its status says whether it has. */

/* The slot of a recipient with this address who has not been expanded, or the
 * free one where it would be. */
static uint32_t *
work_address_slot(const struct work *w, const char *address)
{
	size_t mask = w->by_address_room - 1, at = hash_str(str_c(address), 0) & mask;

	for (; w->by_address[at] != 0; at = (at + 1) & mask) {
		unsigned index = w->by_address[at] - 1;
		if (work_status(w, index)->state != STAGEPOST__RECIPIENT_STATE__EXPANDED &&
		    strcmp(work_recipient(w, index)->address, address) == 0)
			break;
	}
	return &w->by_address[at];
}

/* Packed, including tags and lengths. */
static size_t
work_bytes_of(const Stagepost__Recipient *r)
{
	return strlen(r->address) + strlen(r->orcpt) + strlen(r->original) + 20;
}

/* For at least this many; a third stays free. */
static void
work_make_address_table(struct work *w, size_t count)
{
	size_t room = 64;

	while (room < count + count / 2)
		room *= 2;
	if (w->by_address != NULL && room <= w->by_address_room)
		return;
	w->by_address = arena_array(&w->arena, uint32_t, room);
	memset(w->by_address, 0, room * sizeof(*w->by_address));
	w->by_address_room = room;
	w->recipient_bytes = 0;
	for (unsigned i = 0; i < work_recipient_count(w); i++) {
		w->recipient_bytes += work_bytes_of(work_recipient(w, i));
		if (work_status(w, i)->state != STAGEPOST__RECIPIENT_STATE__EXPANDED)
			*work_address_slot(w, work_recipient(w, i)->address) = i + 1;
	}
}

bool
work_has_room(struct work *w, Stagepost__Recipient *const *list, size_t count)
{
	size_t all = work_recipient_count(w) + count, bytes;

	if (all > RECIPIENTS_MAX)
		return false;
	work_make_address_table(w, all);
	bytes = w->recipient_bytes;
	for (size_t i = 0; i < count; i++)
		bytes += list[i] != NULL ? work_bytes_of(list[i]) : 0;
	return bytes <= SPOOL_ENVELOPE_MAX;
}

bool
work_add_recipient(struct work *w, const Stagepost__Recipient *r)
{
	Stagepost__MessageState *state = w->state;
	Stagepost__Recipient *added;
	unsigned count = work_recipient_count(w);
	uint32_t *slot;

	if (r == NULL || r->address[0] == '\0' || count >= RECIPIENTS_MAX)
		return false;
	work_make_address_table(w, count + 1);
	slot = work_address_slot(w, r->address);
	if (*slot != 0)
		return false;
	added = arena_new(&w->arena, Stagepost__Recipient);
	stagepost__recipient__init(added);
	added->address = work_copy(w, r->address);
	added->orcpt = work_copy(w, r->orcpt);
	added->original = work_copy(w, r->original);
	added->notify = r->notify;
	added->local = r->local;
	state->added = work_grow(w, state->added, state->n_added, &w->added_room, state->n_added + 1);
	state->added[state->n_added++] = added;
	work_widen_status(w, count + 1);
	*slot = count + 1;
	w->recipient_bytes += work_bytes_of(added);
	w->dirty = true;
	return true;
}
