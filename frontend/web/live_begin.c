/* A viewer's beginning: what it asks for. */
#include <string.h>

#include "frontend/web/live_viewer.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

enum { VIEWER_SINCE_MAX_S = 24 * 60 * 60 };

static const char *const topic_names[LIVE_TOPIC_COUNT] = {"events", "queue", "status", "settings"};

static void
viewer_free(struct op *op)
{
	struct live_viewer *v = OP_OWNER(op, struct live_viewer, op);

	mem_free(v->kind);
	mem_free(v->text);
	mem_free(v->address);
	mem_free(v->session);
	mem_free(v->token);
	mem_free(v);
}

/* "events,queue"; none: all. False: refused. */
static bool
viewer_take_topics(struct live_viewer *v, struct web_request *w)
{
	struct str list, word;
	unsigned i;

	if (!http_parameter(w->r, STR("topics"), &list)) {
		for (i = 0; i < LIVE_TOPIC_COUNT; i++)
			v->topics[i] = true;
		return true;
	}
	while (str_next_word(&list, ",", &word)) {
		for (i = 0; i < LIVE_TOPIC_COUNT && !str_eq(word, str_c(topic_names[i])); i++)
			;
		if (i == LIVE_TOPIC_COUNT) {
			web_refuse(w, 422, "topics are events, queue, status and settings");
			return false;
		}
		v->topics[i] = true;
	}
	return true;
}

/* False: refused. */
static bool
viewer_take_filter(struct web_request *w, const char *name, char **out)
{
	struct str value;

	if (!http_parameter(w->r, str_c(name), &value) || value.len == 0)
		return true;
	if (value.len > VIEWER_FILTER_MAX) {
		web_refuse(w, 422, "%s is at most %d bytes", name, VIEWER_FILTER_MAX);
		return false;
	}
	*out = str_dup(value);
	return true;
}

/* Where it begins: behind the last event that it has, or some time ago, or now (false).
 * A place that makes no sense is that of another server: begin now. */
static bool
viewer_begins_at(struct http_request *r, struct spool_place *out)
{
	struct str text = http_field(r, STR("Last-Event-ID"));
	uint64_t since_s;

	if (text.len != 0 || http_parameter(r, STR("after"), &text))
		return spool_place_parse(text, out);
	if (!http_parameter(r, STR("since"), &text) || !str_to_u64(text, &since_s))
		return false;
	if (since_s > VIEWER_SINCE_MAX_S)
		since_s = VIEWER_SINCE_MAX_S;
	*out = spool_place_before((uint64_t)clock_unix_ms() - since_s * 1000);
	return true;
}

static void
viewer_enter(struct live_viewer *v, const struct web_request *w)
{
	struct spool_place from;
	bool has_place = viewer_begins_at(w->r, &from);

	v->address = str_dup(str_c(w->who.address));
	if (w->who.by_cookie)
		v->session = str_dup(admin_session_key(http_arena(w->r), str_c(w->who.session)));
	if (w->who.token_id[0] != '\0')
		v->token = str_dup(str_c(w->who.token_id));
	viewer_open(v, w->r); /* w is gone */
	viewer_start(v, has_place ? &from : NULL);
}

void
web_live(struct web_request *w)
{
	const struct settings_http *http = settings_http(frontend_settings(w->web->frontend), STR_NONE);
	struct live_viewer *v;

	if (w->web->live->viewer_count >= (unsigned)http->live_viewers) {
		web_refuse(w, 503, "too many are watching through this frontend; try again later");
		return;
	}
	v = mem_new(struct live_viewer);
	op_init(&v->op, viewer_free);
	v->live = w->web->live;
	if (!viewer_take_topics(v, w) || !viewer_take_filter(w, "event", &v->kind) ||
	    !viewer_take_filter(w, "text", &v->text)) {
		op_cancel(&v->op);
	} else if (http_head(w->r)->method == HTTP_HEAD) {
		op_cancel(&v->op);
		viewer_begin_stream(w->r);
		http_finish(w->r);
	} else {
		viewer_enter(v, w);
	}
}
