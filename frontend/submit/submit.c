/* A submission's beginning and end. */
#include "frontend/submit/private.h"

#include "lib/base/clock.h"
#include "lib/base/mem.h"

/* ---- The end ---- */

/* Nobody waits for it, and nothing can call back. */
static void
submit_on_end(struct op *op)
{
	struct submit *s = OP_OWNER(op, struct submit, op);

	if (s->append != NULL)
		blob_append_abort(&s->append);
	if (s->is_blob_ours)
		blob_release(s->frontend->service->blobs, &s->blob);
	header_watch_fini(&s->watch);
	auth_results_filter_fini(&s->filter);
	verify_check_free(&s->check);
	submit_rewrite_free(&s->rewrite);
	submit_milters_free(&s->milters);
	submit_engines_free(&s->engines);
	dkim_stream_free(&s->dkim);
	buf_fini(&s->held);
	mem_free(s);
}

void
submit_free(struct submit **submission)
{
	struct submit *s = *submission;

	if (s == NULL)
		return;
	*submission = NULL;
	s->log.parent = s->options.log = NULL;
	/* The check's result will not come. Without a client there is nothing to wait for. */
	verify_check_free(&s->check);
	if (s->is_checking)
		op_back(&s->op);
	s->is_checking = false;
	/* Nor will that of milters, which is not needed either. */
	submit_rewrite_free(&s->rewrite);
	submit_milters_free(&s->milters);
	if (s->is_milting)
		op_back(&s->op);
	s->is_milting = false;
	submit_engines_free(&s->engines);
	if (s->is_asking_engines)
		op_back(&s->op);
	s->is_asking_engines = false;
	op_cancel(&s->op);
}

/* ---- The beginning ---- */

static void
submit_copy_options(struct submit *s, const struct submit_options *options)
{
	struct arena *arena = &s->op.arena;
	struct submit_options *own = &s->options;

	*own = *options;
	own->account = options->account != NULL ? arena_strdup(arena, options->account) : NULL;
	own->helo = arena_strdup(arena, options->helo);
	own->protocol = arena_strdup(arena, options->protocol);
	own->tls = arena_strdup(arena, options->tls);
	own->reverse_path = arena_str(arena, options->reverse_path);
	own->dsn_ret = arena_str(arena, options->dsn_ret);
	own->dsn_envid = arena_str(arena, options->dsn_envid);
}

struct submit *
submit_begin(struct frontend *f, const struct submit_options *options)
{
	int shard = bus_client_pick_shard(f->bus);
	struct submit *s;

	if (shard < 0)
		return NULL;
	s = mem_new(struct submit);
	op_init(&s->op, submit_on_end);
	s->frontend = f;
	s->begun_ms = clock_unix_ms();
	s->recipients_end = &s->recipients;
	submit_room_init(&s->room);
	submit_copy_options(s, options);
	s->priority = submit_priority_allowed(s);
	spool_id_new((unsigned)shard, s->id);
	s->log = (struct log_context){.parent = options->log, .fields = {F_C("id", s->id)}};
	return s;
}

/* ---- Queries ---- */

const struct settings_smtp_in *
submit_settings(const struct submit *s)
{
	return settings_smtp_in(frontend_settings(s->frontend), STR_NONE);
}

enum submit_result
submit_result(const struct submit *s)
{
	return s->result;
}

struct str
submit_objection(const struct submit *s)
{
	return s->objection;
}

const char *
submit_id(const struct submit *s)
{
	return s->id;
}

const struct submit_options *
submit_options(const struct submit *s)
{
	return &s->options;
}

int
submit_priority(const struct submit *s)
{
	return s->priority;
}

uint64_t
submit_max_size_bytes(const struct submit *s)
{
	return s->max_size_bytes;
}

const struct log_context *
submit_log(const struct submit *s)
{
	return &s->log;
}
