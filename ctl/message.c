/* A message of the queue, as the tool shows it. */
#include "ctl/message.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"

/* What an entry holds, unpacked. */
struct opened {
	Stagepost__Trace *trace;	/* owner, of a message that has left */
	Stagepost__Envelope *envelope;	/* owner, or the trace's */
	Stagepost__MessageState *state; /* the same; NULL: fresh */
};

static bool
open_entry(const struct spool_entry *e, struct opened *o)
{
	*o = (struct opened){0};
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
close_entry(struct opened *o)
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

static const char *const state_names[] = {"queued", "delivered", "failed", "expanded"};

static const Stagepost__RecipientStatus *
status_of(const struct opened *o, size_t i)
{
	return o->state != NULL && i < o->state->n_status ? o->state->status[i] : NULL;
}

static size_t
recipient_count(const struct opened *o)
{
	return o->envelope->n_recipients + (o->state != NULL ? o->state->n_added : 0);
}

static const Stagepost__Recipient *
recipient_at(const struct opened *o, size_t i)
{
	return i < o->envelope->n_recipients ? o->envelope->recipients[i]
					     : o->state->added[i - o->envelope->n_recipients];
}

static const char *
state_name(const struct opened *o, size_t i)
{
	const Stagepost__RecipientStatus *s = status_of(o, i);

	if (s == NULL)
		return "queued";
	if (s->state == STAGEPOST__RECIPIENT_STATE__QUEUED && s->attempts != 0)
		return "deferred";
	return (unsigned)s->state < 4 ? state_names[s->state] : "unknown";
}

void
message_add_time(cJSON *o, const char *name, uint64_t unix_ms)
{
	char text[CLOCK_ISO8601_MAX];

	if (unix_ms == 0)
		return;
	clock_iso8601((int64_t)unix_ms, text, sizeof(text));
	cJSON_AddStringToObject(o, name, text);
}

static void
add_if(cJSON *o, const char *name, const char *value)
{
	if (value != NULL && value[0] != '\0')
		cJSON_AddStringToObject(o, name, value);
}

static void
add_recipients(cJSON *record, const struct opened *o)
{
	cJSON *list = cJSON_AddArrayToObject(record, "recipients");

	for (size_t i = 0; i < recipient_count(o); i++) {
		const Stagepost__RecipientStatus *s = status_of(o, i);
		cJSON *r = cJSON_CreateObject();
		cJSON_AddStringToObject(r, "address", recipient_at(o, i)->address);
		cJSON_AddStringToObject(r, "state", state_name(o, i));
		add_if(r, "original", recipient_at(o, i)->original);
		if (s != NULL) {
			cJSON_AddNumberToObject(r, "attempts", s->attempts);
			message_add_time(r, "next_try",
					 s->state == STAGEPOST__RECIPIENT_STATE__QUEUED ? s->next_try_ms : 0);
			add_if(r, "code", s->last_code);
			add_if(r, "answer", s->last_text);
			add_if(r, "remote", s->last_remote);
		}
		cJSON_AddItemToArray(list, r);
	}
}

static void
add_events(cJSON *record, const struct opened *o)
{
	cJSON *list = cJSON_AddArrayToObject(record, "events");

	for (size_t i = 0; o->state != NULL && i < o->state->n_events; i++) {
		const Stagepost__TraceEvent *event = o->state->events[i];
		cJSON *e = cJSON_CreateObject();
		message_add_time(e, "time", event->time_ms);
		cJSON_AddStringToObject(e, "kind", event->kind);
		if (event->recipient != 0 && event->recipient <= recipient_count(o))
			cJSON_AddStringToObject(e, "recipient", recipient_at(o, event->recipient - 1)->address);
		add_if(e, "host", event->host);
		add_if(e, "remote", event->remote);
		add_if(e, "code", event->code);
		add_if(e, "detail", event->detail);
		add_if(e, "tls", event->tls);
		if (event->duration_ms != 0)
			cJSON_AddNumberToObject(e, "duration_ms", event->duration_ms);
		cJSON_AddItemToArray(list, e);
	}
	/* A fresh message has no state yet: its acceptance is in the envelope. */
	if (o->state == NULL || o->state->n_events == 0) {
		cJSON *e = cJSON_CreateObject();
		message_add_time(e, "time", o->envelope->received_ms);
		cJSON_AddStringToObject(e, "kind", "accepted");
		add_if(e, "host", o->envelope->frontend);
		cJSON_AddItemToArray(list, e);
	}
}

/* "not checked", "not checked: why", "not spam", "spam". */
static void
add_verdict(cJSON *record, const struct opened *o)
{
	const Stagepost__SpamVerdict *v = o->state != NULL ? o->state->spam : NULL;
	cJSON *check, *symbols;
	char text[300];

	if (v == NULL || v->unchecked[0] != '\0') {
		snprintf(text, sizeof(text), "%s%s%s",
			 v == NULL && o->envelope->spam_check ? "waits for its check" : "not checked",
			 v != NULL ? ": " : "", v != NULL ? v->unchecked : "");
		cJSON_AddStringToObject(record, "spam", text);
		return;
	}
	cJSON_AddStringToObject(record, "spam", v->is_spam ? "spam" : "not spam");
	check = cJSON_AddObjectToObject(record, "spam_check");
	cJSON_AddStringToObject(check, "engine", v->engine);
	cJSON_AddNumberToObject(check, "score", v->score);
	cJSON_AddNumberToObject(check, "required", v->required);
	add_if(check, "action", v->action);
	message_add_time(check, "time", v->time_ms);
	cJSON_AddNumberToObject(check, "duration_ms", v->duration_ms);
	symbols = cJSON_AddArrayToObject(check, "symbols");
	for (size_t i = 0; i < v->n_symbols; i++)
		cJSON_AddItemToArray(symbols, cJSON_CreateString(v->symbols[i]));
}

cJSON *
message_record(const struct spool_entry *entry)
{
	struct opened o;
	cJSON *r;
	char version[24];

	if (!open_entry(entry, &o)) {
		close_entry(&o);
		return NULL;
	}
	r = cJSON_CreateObject();
	cJSON_AddStringToObject(r, "id", o.envelope->id);
	cJSON_AddStringToObject(r, "state",
				o.trace != NULL			   ? "finished"
				: o.state != NULL && o.state->held ? "held"
								   : "queued");
	cJSON_AddStringToObject(r, "sender", o.envelope->reverse_path);
	message_add_time(r, "received", o.envelope->received_ms);
	cJSON_AddNumberToObject(r, "size",
				o.trace != NULL		   ? (double)o.trace->size
				: o.envelope->body != NULL ? (double)o.envelope->body->length
							   : 0);
	add_if(r, "authenticated_as", o.envelope->authenticated_as);
	add_if(r, "client_ip", o.envelope->client_ip);
	add_if(r, "client_helo", o.envelope->client_helo);
	add_if(r, "protocol", o.envelope->protocol);
	add_if(r, "tls", o.envelope->tls);
	add_if(r, "frontend", o.envelope->frontend);
	if (o.envelope->priority != 0)
		cJSON_AddNumberToObject(r, "priority", o.envelope->priority);
	snprintf(version, sizeof(version), "%016llx", (unsigned long long)o.envelope->settings_version);
	cJSON_AddStringToObject(r, "settings_version", version);
	add_verdict(r, &o);
	add_recipients(r, &o);
	add_events(r, &o);
	if (o.state != NULL)
		message_add_time(r, "finished", o.state->finished_ms);
	close_entry(&o);
	return r;
}

/* What the last try to have the message checked ended with; NULL: none did. */
static const char *
last_check_failure(const struct opened *o)
{
	for (size_t i = o->state->n_events; i-- > 0;)
		if (o->state->events[i]->recipient == 0 && strcmp(o->state->events[i]->kind, "deferred") == 0)
			return o->state->events[i]->detail;
	return NULL;
}

cJSON *
message_summary(const struct spool_entry *entry)
{
	cJSON *waiting, *r;
	struct opened o;
	const char *answer = NULL;
	bool deferred = false;

	if (!open_entry(entry, &o)) {
		close_entry(&o);
		return NULL;
	}
	r = cJSON_CreateObject();
	cJSON_AddStringToObject(r, "id", o.envelope->id);
	cJSON_AddStringToObject(r, "sender", o.envelope->reverse_path);
	cJSON_AddNumberToObject(r, "age_ms", (double)clock_unix_ms() - (double)o.envelope->received_ms);
	cJSON_AddNumberToObject(r, "size", o.envelope->body != NULL ? (double)o.envelope->body->length : 0);
	waiting = cJSON_AddArrayToObject(r, "recipients");
	for (size_t i = 0; i < recipient_count(&o); i++) {
		const Stagepost__RecipientStatus *s = status_of(&o, i);
		if (s != NULL && s->state != STAGEPOST__RECIPIENT_STATE__QUEUED)
			continue;
		deferred = deferred || (s != NULL && s->attempts != 0);
		if (s != NULL && s->last_text != NULL && s->last_text[0] != '\0')
			answer = s->last_text;
		cJSON_AddItemToArray(waiting, cJSON_CreateString(recipient_at(&o, i)->address));
	}
	if (answer == NULL && o.state != NULL && o.state->spam == NULL)
		answer = last_check_failure(&o);
	cJSON_AddStringToObject(r, "state",
				o.state != NULL && o.state->held ? "held"
				: deferred			 ? "deferred"
								 : "active");
	add_if(r, "answer", answer);
	add_verdict(r, &o);
	close_entry(&o);
	return r;
}

static const char *
text_of(const cJSON *o, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(o, name));
	return text != NULL ? text : "";
}

void
message_add_entry(cJSON *record, const Stagepost__QueueEntry *entry)
{
	static const char *const kinds[] = {"local", "remote", "report", "retrieve", "check"};
	cJSON *list;

	cJSON_DeleteItemFromObject(record, "state");
	cJSON_AddStringToObject(record, "state", entry->status);
	list = cJSON_AddArrayToObject(record, "parts");
	for (size_t i = 0; i < entry->n_parts; i++) {
		const Stagepost__QueuePart *p = entry->parts[i];
		cJSON *o = cJSON_CreateObject();
		cJSON_AddStringToObject(o, "destination", p->destination);
		cJSON_AddStringToObject(o, "kind", (unsigned)p->kind < 5 ? kinds[p->kind] : "other");
		cJSON_AddStringToObject(o, "state", p->state);
		add_if(o, "site", p->site);
		message_add_time(o, "next_try", p->next_try_ms);
		add_if(o, "worker", p->worker);
		message_add_time(o, "started", p->started_ms);
		add_if(o, "trouble", p->trouble);
		message_add_time(o, "ill_until", p->probe_ms);
		cJSON_AddItemToArray(list, o);
	}
}

cJSON *
message_listed(const Stagepost__QueueEntry *entry)
{
	struct spool_entry e = {.id = str_c(entry->id),
				.envelope = str_of((const char *)entry->envelope.data, entry->envelope.len),
				.state = str_of((const char *)entry->state.data, entry->state.len)};
	cJSON *m = message_summary(&e);

	if (m != NULL)
		message_add_entry(m, entry);
	return m;
}

static double
verdict_number(const cJSON *m, const char *name)
{
	return cJSON_GetNumberValue(cJSON_GetObjectItem(cJSON_GetObjectItem(m, "spam_check"), name));
}

void
message_print_listed(const cJSON *m)
{
	const cJSON *recipient;

	printf("%s  %-8s %8.0f s  %9.0f  <%s>\n", text_of(m, "id"), text_of(m, "state"),
	       cJSON_GetNumberValue(cJSON_GetObjectItem(m, "age_ms")) / 1000,
	       cJSON_GetNumberValue(cJSON_GetObjectItem(m, "size")), text_of(m, "sender"));
	cJSON_ArrayForEach (recipient, cJSON_GetObjectItem(m, "recipients"))
		printf("    <%s>\n", cJSON_GetStringValue(recipient));
	if (text_of(m, "answer")[0] != '\0')
		printf("    (%s)\n", text_of(m, "answer"));
	if (cJSON_HasObjectItem(m, "spam_check"))
		printf("    [%s, %.2f of %.2f]\n", text_of(m, "spam"), verdict_number(m, "score"),
		       verdict_number(m, "required"));
}

void
message_print_trace(const cJSON *r)
{
	const cJSON *item;

	printf("%s  %s  from <%s>  %.0f bytes\n", text_of(r, "id"), text_of(r, "state"), text_of(r, "sender"),
	       cJSON_GetNumberValue(cJSON_GetObjectItem(r, "size")));
	printf("  client %s (%s) by %s %s%s%s\n", text_of(r, "client_ip"), text_of(r, "client_helo"),
	       text_of(r, "protocol"), text_of(r, "tls"), text_of(r, "authenticated_as")[0] != '\0' ? ", as " : "",
	       text_of(r, "authenticated_as"));
	printf("  received %s by %s, settings %s; spam: %s\n", text_of(r, "received"), text_of(r, "frontend"),
	       text_of(r, "settings_version"), text_of(r, "spam"));
	cJSON_ArrayForEach (item, cJSON_GetObjectItem(r, "recipients"))
		printf("  to <%s>: %s %s %s\n", text_of(item, "address"), text_of(item, "state"), text_of(item, "code"),
		       text_of(item, "answer"));
	cJSON_ArrayForEach (item, cJSON_GetObjectItem(r, "parts"))
		printf("  now, for %s: %s %s%s%s%s %s\n", text_of(item, "destination"), text_of(item, "state"),
		       text_of(item, "next_try"), text_of(item, "worker")[0] != '\0' ? "by " : "",
		       text_of(item, "worker"),
		       text_of(item, "ill_until")[0] != '\0' ? "; the destination is ill:" : "",
		       text_of(item, "trouble"));
	cJSON_ArrayForEach (item, cJSON_GetObjectItem(r, "events"))
		printf("  %s  %-10s %s %s %s %s %s\n", text_of(item, "time"), text_of(item, "kind"),
		       text_of(item, "recipient"), text_of(item, "host"), text_of(item, "remote"), text_of(item, "tls"),
		       text_of(item, "detail"));
}
