/* libcurl says which sockets and which timer it waits for; we tell it when they
 * are ready. Finished requests are reported to the callers after libcurl has
 * returned, never from within. */
#include "lib/net/web.h"

#include <curl/curl.h>
#include <string.h>
#include <utlist.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

struct web_client {
	struct event_base *base; /* borrowed */
	CURLM *multi;
	struct event *timer;
	struct web_request *requests; /* owner of each */
};

struct web_request {
	struct web_client *client; /* borrowed */
	web_on_answer *cb;
	void *arg;
	CURL *easy;
	struct curl_slist *headers, *addresses;
	struct buf body; /* of the answer */
	size_t max_bytes;
	bool too_large;
	char error[CURL_ERROR_SIZE];
	struct web_request *prev, *next;
};

static void
web_request_free(struct web_request *r)
{
	DL_DELETE(r->client->requests, r);
	curl_multi_remove_handle(r->client->multi, r->easy);
	curl_easy_cleanup(r->easy);
	curl_slist_free_all(r->headers);
	curl_slist_free_all(r->addresses);
	buf_fini(&r->body);
	mem_free(r);
}

/* ---- Finished requests ---- */
static void
set_error(const struct web_request *r, CURLcode code, struct err *err)
{
	const char *text = r->error[0] != '\0' ? r->error : curl_easy_strerror(code);

	switch (code) {
	case CURLE_OPERATION_TIMEDOUT: err_set(err, ERR_TIMEOUT, "%s", text); break;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL: err_set(err, ERR_INVALID, "%s", text); break;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE: err_set(err, ERR_DENIED, "%s", text); break;
	default:
		if (r->too_large)
			err_set(err, ERR_LIMIT, "the answer is larger than %zu bytes", r->max_bytes);
		else
			err_set(err, ERR_UNAVAILABLE, "%s", text);
	}
}

static void
request_end(struct web_request *r, CURLcode code)
{
	struct web_answer answer = {.body = buf_str(&r->body), .request = r};
	char *type = NULL;
	long status = 0;
	struct err err;

	if (code == CURLE_OK) {
		curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(r->easy, CURLINFO_CONTENT_TYPE, &type);
		answer.status = (int)status;
		answer.content_type = str_c(type);
		r->cb(r->arg, &answer, NULL);
	} else {
		set_error(r, code, &err);
		r->cb(r->arg, NULL, &err);
	}
	web_request_free(r);
}

static void
take_ended(struct web_client *c)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(c->multi, &left)) != NULL) {
		CURLcode code = message->data.result;
		char *request = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
		request_end((struct web_request *)(void *)request, code);
	}
}

/* ---- The loop ---- */
static void
on_socket_ready(evutil_socket_t fd, short what, void *arg)
{
	struct web_client *c = arg;
	int running, action = 0;

	if ((what & EV_READ) != 0)
		action |= CURL_CSELECT_IN;
	if ((what & EV_WRITE) != 0)
		action |= CURL_CSELECT_OUT;
	curl_multi_socket_action(c->multi, fd, action, &running);
	take_ended(c);
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct web_client *c = arg;
	struct event *event = socket_arg;
	short wanted = EV_PERSIST;

	(void)easy;
	if (event != NULL)
		event_free(event);
	event = NULL;
	if ((what & CURL_POLL_IN) != 0)
		wanted |= EV_READ;
	if ((what & CURL_POLL_OUT) != 0)
		wanted |= EV_WRITE;
	if (what != CURL_POLL_REMOVE) {
		event = event_new(c->base, fd, wanted, on_socket_ready, c);
		event_add(event, NULL);
	}
	curl_multi_assign(c->multi, fd, event);
	return 0;
}

static void
web_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct web_client *c = arg;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	take_ended(c);
}

static int
on_timer_wanted(CURLM *multi, long ms, void *arg)
{
	struct web_client *c = arg;
	struct timeval tv = clock_timeval(ms);

	(void)multi;
	if (ms < 0)
		evtimer_del(c->timer);
	else
		evtimer_add(c->timer, &tv);
	return 0;
}

struct web_client *
web_client_new(struct event_base *base)
{
	struct web_client *c = mem_new(struct web_client);

	CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
	c->base = base;
	c->multi = curl_multi_init();
	CHECK(c->multi != NULL);
	c->timer = evtimer_new(base, web_on_timer, c);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	return c;
}

void
web_client_free(struct web_client **c)
{
	struct web_request *r, *tmp;

	if (*c == NULL)
		return;
	DL_FOREACH_SAFE ((*c)->requests, r, tmp)
		web_request_free(r);
	curl_multi_cleanup((*c)->multi);
	event_free((*c)->timer);
	mem_free(*c);
	*c = NULL;
}

/* ---- A request ---- */
static size_t
on_data(char *data, size_t size, size_t count, void *arg)
{
	struct web_request *r = arg;
	size_t len = size * count;

	if (len > r->max_bytes - r->body.len) {
		r->too_large = true;
		return 0;
	}
	buf_add(&r->body, data, len);
	return len;
}

/* "+host:port:address,address". Without the plus the client would remember each host forever. */
static void
set_addresses(struct web_request *r, const struct web_options *o)
{
	struct buf text = BUF_EMPTY;
	struct str host;
	uint16_t port;

	if (o->ip_count == 0 || !web_url_host(str_c(o->url), &host, &port))
		return;
	buf_printf(&text, "+%.*s:%u:", STR_ARG(host), (unsigned)port);
	for (unsigned i = 0; i < o->ip_count; i++) {
		char ip[IP_TEXT_MAX];

		ip_text(&o->ips[i], ip);
		buf_printf(&text, "%s%s", i > 0 ? "," : "", ip);
	}
	r->addresses = curl_slist_append(NULL, text.data);
	curl_easy_setopt(r->easy, CURLOPT_RESOLVE, r->addresses);
	buf_fini(&text);
}

static void
set_content(struct web_request *r, const struct web_options *o)
{
	for (unsigned i = 0; o->headers != NULL && o->headers[i] != NULL; i++)
		r->headers = curl_slist_append(r->headers, o->headers[i]);
	/* Some servers never answer it. */
	r->headers = curl_slist_append(r->headers, "Expect:");
	curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers);
	if (o->body.len > 0) {
		curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body.len);
		curl_easy_setopt(r->easy, CURLOPT_COPYPOSTFIELDS, o->body.p);
	}
	curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, o->method);
}

static void
set_connection(struct web_request *r, const struct web_options *o)
{
	curl_easy_setopt(r->easy, CURLOPT_URL, o->url);
	curl_easy_setopt(r->easy, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(r->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(r->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(r->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (o->ca_file != NULL) {
		curl_easy_setopt(r->easy, CURLOPT_CAINFO, o->ca_file);
		curl_easy_setopt(r->easy, CURLOPT_CAPATH, NULL);
	}
	curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
	curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(r->easy, CURLOPT_USERAGENT, "Stagepost");
}

struct web_request *
web_start(struct web_client *c, const struct web_options *o, web_on_answer *cb, void *arg)
{
	struct web_request *r = mem_new(struct web_request);

	r->client = c;
	r->cb = cb;
	r->arg = arg;
	r->max_bytes = o->max_bytes;
	r->easy = curl_easy_init();
	CHECK(r->easy != NULL);
	curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
	curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->error);
	curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
	set_connection(r, o);
	set_content(r, o);
	set_addresses(r, o);
	DL_APPEND(c->requests, r);
	CHECK(curl_multi_add_handle(c->multi, r->easy) == CURLM_OK);
	return r;
}

struct str
web_answer_field(const struct web_answer *answer, const char *name)
{
	struct curl_header *field, *last = NULL;

	for (size_t i = 0;
	     curl_easy_header(answer->request->easy, name, i, CURLH_HEADER, -1, &field) == CURLHE_OK && i < 100; i++)
		last = field;
	return last != NULL ? str_c(last->value) : STR_NONE;
}

void
web_cancel(struct web_request **r)
{
	if (*r != NULL)
		web_request_free(*r);
	*r = NULL;
}

bool
web_url_host(struct str url, struct str *host_out, uint16_t *port_out)
{
	CURLU *u = curl_url();
	char *text = NULL, *host = NULL, *port = NULL, *scheme = NULL;
	uint64_t number = 0;
	ptrdiff_t at = -1;
	bool ok;

	CHECK(u != NULL);
	text = str_dup(url);
	ok = curl_url_set(u, CURLUPART_URL, text, 0) == CURLUE_OK &&
	     curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK && strcmp(scheme, "https") == 0 &&
	     curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	     curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	     str_to_u64(str_c(port), &number);
	if (ok) {
		struct str bare = str_c(host);
		const char *found;

		if (bare.len > 2 && bare.p[0] == '[')
			bare = str_of(bare.p + 1, bare.len - 2);
		found = memmem(url.p, url.len, bare.p, bare.len);
		at = found != NULL ? found - url.p : -1;
		if (at >= 0)
			*host_out = str_of(url.p + at, bare.len);
		*port_out = (uint16_t)number;
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	mem_free(text);
	return ok && at >= 0;
}
