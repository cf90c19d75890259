/* Requests to web servers: libcurl on the caller's event loop. https only, no
 * redirects, no proxy; the server's certificate must be valid for the URL's host. */
#ifndef SP_NET_WEB_H
#define SP_NET_WEB_H

#include <event2/event.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/ip.h"
#include "lib/base/str.h"

struct web_client;

struct web_client *web_client_new(struct event_base *base);
/* Requests in progress end without a callback. */
void web_client_free(struct web_client **c);

/* Everything is copied. */
struct web_options {
	const char *method; /* "GET", "POST" */
	const char *url;
	const char *const *headers; /* "Name: value", ended by NULL; may be NULL */
	struct str body;	    /* empty: none */
	const struct ip *ips;	    /* of the URL's host; none: curl uses the system's resolver */
	unsigned ip_count;
	const char *ca_file; /* NULL: the system's authorities */
	size_t max_bytes;    /* of the answer's body; more: ERR_LIMIT */
	int64_t timeout_ms;  /* for the whole request */
};

struct web_answer {
	int status; /* 200, 404, ... */
	struct str body;
	struct str content_type;	   /* may be empty */
	const struct web_request *request; /* private */
};

/* answer: borrowed for the call; any status counts as an answer. NULL: err.
 * ERR_INVALID: the URL; ERR_DENIED: the certificate; ERR_TIMEOUT; ERR_LIMIT; else
 * ERR_UNAVAILABLE. The callback may start and cancel requests; it must not free
 * the client. */
typedef void web_on_answer(void *arg, const struct web_answer *answer, const struct err *err);

/* The value of the answer's last field of this name, in any case; empty: there is none.
 * Valid until the next call, within the callback. */
struct str web_answer_field(const struct web_answer *answer, const char *name);

struct web_request;
/* cb is called once, never from within. */
struct web_request *web_start(struct web_client *c, const struct web_options *options, web_on_answer *cb, void *arg);
/* The callback will not come. Sets *r to NULL. After the callback the handle is invalid. */
void web_cancel(struct web_request **r);

/* The host of an https URL (without brackets), and its port. False: not such a URL. */
bool web_url_host(struct str url, struct str *host_out, uint16_t *port_out);

#endif
