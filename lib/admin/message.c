#include "lib/admin/message.h"

#include <stdio.h>
#include <string.h>

#include "lib/admin/private.h"
#include "lib/base/clock.h"

/* The content of an entry, unpacked. */
struct message_opened {
	Stagepost__Trace *trace;	/* owner, of a message that has left */
	Stagepost__Envelope *envelope;	/* owner, or the trace's */
	Stagepost__MessageState *state; /* the same; NULL: fresh */
};

static bool
message_open_entry(const struct spool_entry *e, struct message_opened *o)
{
	*o = (struct message_opened){0};
	if (e->trace.len != 0) {
		o->trace = stagepost__trace__unpack(NULL, e->trace.len, (const uint8_t *)e->trace.p);
		if (o->trace == NULL)
			return false;
		o->envelope = o->trace->envelope;
		o->state = o->trace->state;
		return o->envelope != NULL;
	}
	o->envelope = stagepost__envelope__unpack(NULL, e->envelope.len, (const uint8_t *)e->envelope.p);
	if (e->state.len != 0)
		o->state = stagepost__message_state__unpack(NULL, e->state.len, (const uint8_t *)e->state.p);
	return o->envelope != NULL;
}

static void
message_close_entry(struct message_opened *o)
{
	if (o->trace != NULL) {
		stagepost__trace__free_unpacked(o->trace, NULL);
		return;
	}
	if (o->envelope != NULL)
		stagepost__envelope__free_unpacked(o->envelope, NULL);
	if (o->state != NULL)
		stagepost__message_state__free_unpacked(o->state, NULL);
}

static const char *const message_state_names[] = {"queued", "delivered", "failed", "expanded"};

static const Stagepost__RecipientStatus *
message_status_of(const struct message_opened *o, size_t i)
{
	return o->state != NULL && i < o->state->n_status ? o->state->status[i] : NULL;
}

static size_t
message_recipient_count(const struct message_opened *o)
{
	return o->envelope->n_recipients + (o->state != NULL ? o->state->n_added : 0);
}

static const Stagepost__Recipient *
message_recipient_at(const struct message_opened *o, size_t i)
{
	return i < o->envelope->n_recipients ? o->envelope->recipients[i]
					     : o->state->added[i - o->envelope->n_recipients];
}

static const char *
message_state_name(const struct message_opened *o, size_t i)
{
	const Stagepost__RecipientStatus *s = message_status_of(o, i);

	if (s == NULL)
		return "queued";
	if (s->state == STAGEPOST__RECIPIENT_STATE__QUEUED && s->attempts != 0)
		return "deferred";
	return (unsigned)s->state < 4 ? message_state_names[s->state] : "unknown";
}

static void
message_add_recipients(cJSON *record, const struct message_opened *o)
{
	cJSON *list = cJSON_AddArrayToObject(record, "recipients");

	for (size_t i = 0; i < message_recipient_count(o); i++) {
		const Stagepost__RecipientStatus *s = message_status_of(o, i);
		cJSON *r = cJSON_CreateObject();
		cJSON_AddStringToObject(r, "address", message_recipient_at(o, i)->address);
		cJSON_AddStringToObject(r, "state", message_state_name(o, i));
		admin_add_text(r, "original", message_recipient_at(o, i)->original);
		if (s != NULL) {
			cJSON_AddNumberToObject(r, "attempts", s->attempts);
			admin_add_time(r, "next_try",
				       s->state == STAGEPOST__RECIPIENT_STATE__QUEUED ? s->next_try_ms : 0);
			admin_add_text(r, "code", s->last_code);
			admin_add_text(r, "answer", s->last_text);
			admin_add_text(r, "remote", s->last_remote);
		}
		cJSON_AddItemToArray(list, r);
	}
}

static void
message_add_events(cJSON *record, const struct message_opened *o)
{
	cJSON *list = cJSON_AddArrayToObject(record, "events");

	for (size_t i = 0; o->state != NULL && i < o->state->n_events; i++) {
		const Stagepost__TraceEvent *event = o->state->events[i];
		cJSON *e = cJSON_CreateObject();
		admin_add_time(e, "time", event->time_ms);
		cJSON_AddStringToObject(e, "kind", event->kind);
		if (event->recipient != 0 && event->recipient <= message_recipient_count(o))
			cJSON_AddStringToObject(e, "recipient", message_recipient_at(o, event->recipient - 1)->address);
		admin_add_text(e, "host", event->host);
		admin_add_text(e, "remote", event->remote);
		admin_add_text(e, "code", event->code);
		admin_add_text(e, "detail", event->detail);
		admin_add_text(e, "tls", event->tls);
		if (event->duration_ms != 0)
			cJSON_AddNumberToObject(e, "duration_ms", event->duration_ms);
		cJSON_AddItemToArray(list, e);
	}
	/* A fresh message has no state yet; its acceptance is recorded in the envelope. */
	if (o->state == NULL || o->state->n_events == 0) {
		cJSON *e = cJSON_CreateObject();
		admin_add_time(e, "time", o->envelope->received_ms);
		cJSON_AddStringToObject(e, "kind", "accepted");
		admin_add_text(e, "host", o->envelope->frontend);
		cJSON_AddItemToArray(list, e);
	}
}

/* "not checked", "not checked: why", "not spam", "spam". */
static void
message_add_verdict(cJSON *record, const struct message_opened *o)
{
	/* A fresh message has no state yet. */
	const Stagepost__SpamVerdict *v =
		o->state != NULL && o->state->spam != NULL ? o->state->spam : o->envelope->checked;
	cJSON *check, *symbols;
	char text[300];

	if (v == NULL || v->unchecked[0] != '\0') {
		snprintf(text, sizeof(text), "%s%s%s",
			 v == NULL && o->envelope->spam_check ? "waits for its spam check" : "not checked",
			 v != NULL ? ": " : "", v != NULL ? v->unchecked : "");
		cJSON_AddStringToObject(record, "spam", text);
		return;
	}
	cJSON_AddStringToObject(record, "spam", v->is_spam ? "spam" : "not spam");
	check = cJSON_AddObjectToObject(record, "spam_check");
	cJSON_AddStringToObject(check, "engine", v->engine);
	cJSON_AddNumberToObject(check, "score", v->score);
	cJSON_AddNumberToObject(check, "required", v->required);
	admin_add_text(check, "action", v->action);
	admin_add_text(check, "virus", v->virus);
	admin_add_time(check, "time", v->time_ms);
	cJSON_AddNumberToObject(check, "duration_ms", v->duration_ms);
	symbols = cJSON_AddArrayToObject(check, "symbols");
	for (size_t i = 0; i < v->n_symbols; i++)
		cJSON_AddItemToArray(symbols, cJSON_CreateString(v->symbols[i]));
}

cJSON *
admin_message_record(const struct spool_entry *entry)
{
	struct message_opened o;
	cJSON *r;
	char version[24];

	if (!message_open_entry(entry, &o)) {
		message_close_entry(&o);
		return NULL;
	}
	r = cJSON_CreateObject();
	cJSON_AddStringToObject(r, "id", o.envelope->id);
	cJSON_AddStringToObject(r, "state",
				o.trace != NULL			   ? "finished"
				: o.state != NULL && o.state->held ? "held"
								   : "queued");
	cJSON_AddStringToObject(r, "sender", o.envelope->reverse_path);
	admin_add_time(r, "received", o.envelope->received_ms);
	cJSON_AddNumberToObject(r, "size",
				o.trace != NULL		   ? (double)o.trace->size
				: o.envelope->body != NULL ? (double)o.envelope->body->length
							   : 0);
	admin_add_text(r, "authenticated_as", o.envelope->authenticated_as);
	admin_add_text(r, "client_ip", o.envelope->client_ip);
	admin_add_text(r, "client_helo", o.envelope->client_helo);
	admin_add_text(r, "protocol", o.envelope->protocol);
	admin_add_text(r, "tls", o.envelope->tls);
	admin_add_text(r, "frontend", o.envelope->frontend);
	admin_add_text(r, "mail_auth", o.envelope->mail_auth);
	if (o.envelope->priority != 0)
		cJSON_AddNumberToObject(r, "priority", o.envelope->priority);
	snprintf(version, sizeof(version), "%016llx", (unsigned long long)o.envelope->settings_version);
	cJSON_AddStringToObject(r, "settings_version", version);
	message_add_verdict(r, &o);
	message_add_recipients(r, &o);
	message_add_events(r, &o);
	if (o.state != NULL)
		admin_add_time(r, "finished", o.state->finished_ms);
	message_close_entry(&o);
	return r;
}

/* The result of the last failed attempt to have the message checked; NULL: none failed. */
static const char *
message_last_check_failure(const struct message_opened *o)
{
	for (size_t i = o->state->n_events; i-- > 0;)
		if (o->state->events[i]->recipient == 0 && strcmp(o->state->events[i]->kind, "deferred") == 0)
			return o->state->events[i]->detail;
	return NULL;
}

/* A summary for one line: id, state, sender, recipients still waiting, age, last answer. */
static cJSON *
message_summary(const struct spool_entry *entry)
{
	cJSON *waiting, *r;
	struct message_opened o;
	const char *answer = NULL;
	bool deferred = false;

	if (!message_open_entry(entry, &o)) {
		message_close_entry(&o);
		return NULL;
	}
	r = cJSON_CreateObject();
	cJSON_AddStringToObject(r, "id", o.envelope->id);
	cJSON_AddStringToObject(r, "sender", o.envelope->reverse_path);
	cJSON_AddNumberToObject(r, "age_ms", (double)clock_unix_ms() - (double)o.envelope->received_ms);
	cJSON_AddNumberToObject(r, "size", o.envelope->body != NULL ? (double)o.envelope->body->length : 0);
	waiting = cJSON_AddArrayToObject(r, "recipients");
	for (size_t i = 0; i < message_recipient_count(&o); i++) {
		const Stagepost__RecipientStatus *s = message_status_of(&o, i);
		if (s != NULL && s->state != STAGEPOST__RECIPIENT_STATE__QUEUED)
			continue;
		deferred = deferred || (s != NULL && s->attempts != 0);
		if (s != NULL && s->last_text != NULL && s->last_text[0] != '\0')
			answer = s->last_text;
		cJSON_AddItemToArray(waiting, cJSON_CreateString(message_recipient_at(&o, i)->address));
	}
	if (answer == NULL && o.state != NULL && o.state->spam == NULL)
		answer = message_last_check_failure(&o);
	cJSON_AddStringToObject(r, "state",
				o.state != NULL && o.state->held ? "held"
				: deferred			 ? "deferred"
								 : "active");
	admin_add_text(r, "answer", answer);
	message_add_verdict(r, &o);
	message_close_entry(&o);
	return r;
}

const char *
admin_kind_name(Stagepost__JobKind kind)
{
	static const char *const kinds[] = {"local", "remote", "report", "retrieve", "check"};

	return (unsigned)kind < 5 ? kinds[kind] : "other";
}

void
admin_message_add_entry(cJSON *record, const Stagepost__QueueEntry *entry)
{
	cJSON *list;

	cJSON_DeleteItemFromObject(record, "state");
	cJSON_AddStringToObject(record, "state", entry->status);
	list = cJSON_AddArrayToObject(record, "parts");
	for (size_t i = 0; i < entry->n_parts; i++) {
		const Stagepost__QueuePart *p = entry->parts[i];
		cJSON *o = cJSON_CreateObject();
		cJSON_AddStringToObject(o, "destination", p->destination);
		cJSON_AddStringToObject(o, "kind", admin_kind_name(p->kind));
		cJSON_AddStringToObject(o, "state", p->state);
		admin_add_text(o, "site", p->site);
		admin_add_time(o, "next_try", p->next_try_ms);
		admin_add_text(o, "worker", p->worker);
		admin_add_time(o, "started", p->started_ms);
		admin_add_text(o, "trouble", p->trouble);
		admin_add_time(o, "ill_until", p->probe_ms);
		cJSON_AddItemToArray(list, o);
	}
}

cJSON *
admin_message_listed(const Stagepost__QueueEntry *entry)
{
	struct spool_entry e = {.id = str_c(entry->id),
				.envelope = str_of((const char *)entry->envelope.data, entry->envelope.len),
				.state = str_of((const char *)entry->state.data, entry->state.len)};
	cJSON *m = message_summary(&e);

	if (m != NULL)
		admin_message_add_entry(m, entry);
	return m;
}
