/* Reporting the state of the blob store. */
#include "lib/service/bodies.h"

#include "lib/base/log.h"

enum { LOOK_MS = 5000 };

static const char *const bodies_states[] = {
	[BLOB_UNKNOWN] = "unknown",
	[BLOB_TAKES] = "ok",
	[BLOB_FULL] = "full",
	[BLOB_FAILS] = "failing",
};

/* One line per state. */
static void
bodies_log(enum blob_state before, const struct blob_health *h)
{
	if (h->state == before || (before == BLOB_UNKNOWN && h->state == BLOB_TAKES))
		return;
	if (h->state == BLOB_TAKES)
		log_info(NULL, "the blob store accepts bodies again", F_I64("free_bytes", (int64_t)h->free_bytes));
	else
		log_error(NULL, h->state == BLOB_FULL ? "the blob store is full" : "the blob store accepts no bodies",
			  F_I64("free_bytes", (int64_t)h->free_bytes), F_ERR(&h->why));
}

static void
bodies_keep_free(struct service *s)
{
	if (s->description->bodies == SERVICE_TAKES_BODIES)
		blob_store_keep_free(s->blobs,
				     (uint64_t)settings_spool(settings_current(s->settings), STR_NONE)->min_free_space);
}

static void
bodies_on_look(void *arg, const struct blob_health *h)
{
	struct service *s = arg;

	bodies_log(s->bodies.state, h);
	s->bodies = *h;
	metrics_set(M_BLOBS_WRITABLE, h->state == BLOB_TAKES);
	metrics_set(M_BLOBS_FREE, (int64_t)h->free_bytes);
	bodies_keep_free(s);
}

static void
bodies_on_settings(void *arg, const struct settings *settings)
{
	(void)settings;
	bodies_keep_free(arg);
}

void
bodies_watch(struct service *s)
{
	if (s->description->bodies == SERVICE_WRITES_NONE)
		return;
	blob_store_watch(s->blobs, LOOK_MS, bodies_on_look, s);
	settings_live_watch(s->settings, bodies_on_settings, s);
}

const char *
bodies_why_not_ready(const struct service *s)
{
	/* Users must be able to read and delete on a full disk, or they could not make room. */
	return s->bodies.state == BLOB_FAILS ? "the blob store cannot be written" : NULL;
}

void
bodies_add_status(const struct service *s, cJSON *status)
{
	cJSON *o;

	if (s->description->bodies == SERVICE_WRITES_NONE)
		return;
	o = cJSON_AddObjectToObject(status, "blobs");
	cJSON_AddStringToObject(o, "state", bodies_states[s->bodies.state]);
	cJSON_AddNumberToObject(o, "free_bytes", (double)s->bodies.free_bytes);
	if (s->bodies.state == BLOB_FULL || s->bodies.state == BLOB_FAILS)
		cJSON_AddStringToObject(o, "problem", s->bodies.why.text);
}
