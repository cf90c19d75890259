/* A submission's envelope, as brokers and spam engines get it. */
#include "frontend/submit/private.h"

/* The envelope's strings are not const, and end with a NUL. */
static char *
envelope_text(struct submit *s, struct str text)
{
	return arena_dup(&s->op.arena, text.p, text.len);
}

static void
envelope_fill_options(struct submit *s, Stagepost__Envelope *e)
{
	const struct submit_options *o = &s->options;

	e->reverse_path = envelope_text(s, o->reverse_path);
	e->authenticated_as = envelope_text(s, str_c(o->account));
	e->client_helo = envelope_text(s, str_c(o->helo));
	e->protocol = envelope_text(s, str_c(o->protocol));
	e->tls = envelope_text(s, str_c(o->tls));
	e->smtputf8 = o->utf8;
	e->require_tls = o->require_tls;
	e->tls_optional = s->watch.tls_optional && !o->require_tls;
	e->mail_auth = envelope_text(s, str_c(s->mail_auth));
	e->authserv_id = envelope_text(s, s->results.len > 0 ? s->authserv_id : STR_NONE);
	e->spf_failed = s->spf_failed;
	e->dmarc_failed = s->dmarc_failed;
	e->eight_bit = o->eight_bit || s->reader.saw_eight_bit;
	e->dsn_ret = envelope_text(s, o->dsn_ret);
	e->dsn_envid = envelope_text(s, o->dsn_envid);
}

Stagepost__Envelope *
submit_envelope(struct submit *s)
{
	struct arena *arena = &s->op.arena;
	Stagepost__Envelope *e = arena_new(arena, Stagepost__Envelope);
	char client[IP_TEXT_MAX];

	stagepost__envelope__init(e);
	ip_text(&s->options.peer, client);
	e->body = arena_new(arena, Stagepost__Blob);
	stagepost__blob__init(e->body);
	e->body->pack = s->blob.pack;
	e->body->offset = s->blob.offset;
	e->body->length = s->blob.length;
	envelope_fill_options(s, e);
	e->id = s->id;
	e->recipients = submit_list_recipients(s);
	e->n_recipients = s->recipient_count;
	e->return_path_length = s->return_path_length;
	e->received_ms = (uint64_t)s->begun_ms;
	e->client_ip = arena_strdup(arena, client);
	e->frontend = s->frontend->service->id;
	e->priority = submit_priority_final(s);
	e->dkim = envelope_text(s, s->signatures);
	e->settings_version = settings_version(frontend_settings(s->frontend));
	e->checked = s->verdict;
	return e;
}
