/* How a viewer is told: by server-sent events (HTML, section 9.2) in the body of the
 * answer, or by a WebSocket, whose messages are JSON objects {"event", "id", "data"}. */
#include <stdio.h>

#include "frontend/web/live_viewer.h"

/* ---- A WebSocket ---- */

static void
output_ws_on_room(struct websocket *ws)
{
	viewer_go_on(websocket_state(ws));
}

static void
output_ws_on_shutdown(struct websocket *ws)
{
	viewer_end(websocket_state(ws), VIEWER_SHUTDOWN);
}

static void
output_ws_on_gone(struct websocket *ws)
{
	viewer_leave(websocket_state(ws));
}

/* It says nothing that we wait for: the parameters of the request have said all. */
static const struct websocket_handler output_ws = {
	.on_room = output_ws_on_room, .on_shutdown = output_ws_on_shutdown, .on_gone = output_ws_on_gone};

static void
output_ws_send(struct live_viewer *v, const char *name, const char *id, struct str data)
{
	struct buf out = BUF_EMPTY;

	buf_printf(&out, "{\"event\":\"%s\"", name);
	if (id != NULL)
		buf_printf(&out, ",\"id\":\"%s\"", id);
	if (data.len != 0)
		buf_printf(&out, ",\"data\":%.*s", STR_ARG(data));
	buf_add_c(&out, "}");
	websocket_send(v->ws, true, buf_str(&out));
	buf_fini(&out);
}

/* ---- A stream ---- */

static void
output_sse_on_room(struct http_request *r)
{
	viewer_go_on(http_state(r));
}

static void
output_sse_on_time(struct http_request *r)
{
	viewer_end(http_state(r), VIEWER_TIME);
}

static void
output_sse_on_shutdown(struct http_request *r)
{
	viewer_end(http_state(r), VIEWER_SHUTDOWN);
}

static void
output_sse_on_gone(struct http_request *r)
{
	viewer_leave(http_state(r));
}

static const struct http_handler output_sse = {.on_room = output_sse_on_room,
					       .on_time = output_sse_on_time,
					       .on_shutdown = output_sse_on_shutdown,
					       .on_gone = output_sse_on_gone};

static void
output_sse_send(struct live_viewer *v, const char *name, const char *id, struct str data)
{
	struct buf out = BUF_EMPTY;

	if (id != NULL)
		buf_printf(&out, "id: %s\n", id);
	if (name != NULL) {
		buf_printf(&out, "event: %s\ndata: ", name);
		buf_add_str(&out, data);
		buf_add_c(&out, "\n");
	}
	buf_add_c(&out, "\n");
	http_write(v->r, buf_str(&out));
	buf_fini(&out);
}

void
viewer_begin_stream(struct http_request *r)
{
	http_begin(r, 200, "text/event-stream; charset=utf-8", HTTP_CHUNKED);
	http_add_header(r, "Cache-Control", STR("no-store"));
	http_add_header(r, "X-Content-Type-Options", STR("nosniff"));
	http_add_header(r, "X-Accel-Buffering", STR("no")); /* nginx would collect what it gets */
	http_write(r, STR("retry: 1000\n"));
}

/* ---- Either ---- */

bool
viewer_may_write(struct live_viewer *v)
{
	return v->ws != NULL ? websocket_may_send(v->ws) : http_may_write(v->r);
}

void
viewer_send(struct live_viewer *v, const char *name, const struct spool_place *id, struct str data)
{
	char text[SPOOL_PLACE_MAX];

	if (id != NULL)
		spool_place_text(id, text);
	if (v->ws != NULL)
		output_ws_send(v, name, id != NULL ? text : NULL, data);
	else
		output_sse_send(v, name, id != NULL ? text : NULL, data);
}

void
viewer_send_place(struct live_viewer *v, const struct spool_place *place)
{
	char text[SPOOL_PLACE_MAX];

	spool_place_text(place, text);
	if (v->ws != NULL)
		output_ws_send(v, "place", text, STR_NONE);
	else
		output_sse_send(v, NULL, text, STR_NONE);
}

void
viewer_stay_alive(struct live_viewer *v)
{
	if (v->ws == NULL)
		http_write(v->r, STR(":\n\n")); /* a WebSocket has its pings */
}

void
viewer_close(struct live_viewer *v, enum viewer_end why)
{
	if (v->ws == NULL)
		http_finish(v->r);
	else
		websocket_close(v->ws, why == VIEWER_SESSION ? WEBSOCKET_CODE_POLICY : WEBSOCKET_CODE_GOING_AWAY, "");
}

static void
output_say_hello(struct live_viewer *v)
{
	cJSON *hello = cJSON_CreateObject();
	char *text;

	cJSON_AddStringToObject(hello, "process", v->live->web->frontend->service->id);
	text = cJSON_PrintUnformatted(hello);
	viewer_send(v, "hello", NULL, str_c(text));
	cJSON_free(text);
	cJSON_Delete(hello);
}

void
viewer_open(struct live_viewer *v, struct http_request *r)
{
	if (websocket_is_wanted(r)) {
		v->ws = websocket_accept(r, &output_ws, v);
		output_say_hello(v);
		return;
	}
	v->r = r;
	viewer_begin_stream(r);
	output_say_hello(v);
	http_stay(r, &output_sse, v);
	http_park(r, INT64_MAX);
}
