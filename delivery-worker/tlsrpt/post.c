/* A report posted to a web server (RFC 8460, section 5.4). Its host is looked up like all others. */
#include <stdio.h>

#include "delivery-worker/tlsrpt/private.h"

enum { POST_TIMEOUT_MS = 20000, ANSWER_MAX = 64 * 1024, HOST_IPS_MAX = 8 };

static void
post_on_answer(void *arg, const struct web_answer *answer, const struct err *err)
{
	struct making *m = arg;
	char why[64];

	if (err != NULL) {
		m->on_served(m, SERVED_LATER, err->text);
	} else if (answer->status / 100 == 2) {
		m->on_served(m, SERVED_DONE, NULL);
	} else {
		snprintf(why, sizeof(why), "the server answers %d", answer->status);
		m->on_served(m, SERVED_LATER, why);
	}
}

static void
post_start(struct making *m, const struct ip *ips, unsigned count)
{
	static const char *const headers[] = {"Content-Type: application/tlsrpt+gzip", NULL};
	struct str uri = m->rua.items[m->at].uri;
	struct web_options options = {
		.method = "POST",
		.url = arena_dup(&m->arena, uri.p, uri.len),
		.headers = headers,
		.body = buf_str(&m->gzip),
		.ips = ips,
		.ip_count = count < HOST_IPS_MAX ? count : HOST_IPS_MAX,
		.ca_file = m->reporter->worker->ca_file,
		.max_bytes = ANSWER_MAX,
		.timeout_ms = POST_TIMEOUT_MS,
	};

	web_start(m->reporter->web, &options, post_on_answer, m);
}

static void
post_on_ips(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct making *m = arg;

	m->query = NULL;
	if (err != NULL)
		m->on_served(m, SERVED_LATER, err->text);
	else if (answer->ip_count == 0)
		m->on_served(m, SERVED_LATER, "the server has no address");
	else
		post_start(m, answer->ips, answer->ip_count);
}

void
post_serve(struct making *m, struct str url)
{
	struct str host;
	uint16_t port;
	struct ip ip;

	if (!web_url_host(url, &host, &port)) {
		m->on_served(m, SERVED_NEVER, "no URL");
		return;
	}
	if (ip_parse(host, &ip))
		post_start(m, &ip, 1);
	else
		m->query = dns_query_ips(m->reporter->worker->dns, host, true, true, post_on_ips, m);
}
