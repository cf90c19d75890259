/* The load generator: many clients on one event loop. Private to bench/load*.c. */
#ifndef SP_BENCH_LOAD_H
#define SP_BENCH_LOAD_H

#include <event2/buffer.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

struct options {
	int port;
	int sink_port;
	bool tls;	/* from the start of a connection */
	bool pipeline;	/* MAIL, RCPT and DATA in one go */
	bool reconnect; /* a connection for each message */
	bool retrieve;	/* POP3: read the messages, not only log in */
	int sessions;
	int count;	/* messages, logins or connections, in total */
	int size_bytes; /* of a message */
	int users;	/* bench0 to bench<n-1> */
	int first_user;
	int interval_ms;      /* between two messages of the latency run */
	const char *protocol; /* "smtp", "pop3", "imap": of idle connections */
	const char *domain;
	const char *prefix; /* a file with lines to put above each message; NULL: none */
	const char *search; /* LDAP: "exact", "substring", "four", "short", "all" */
};

/* ---- load.c ---- */
struct load {
	const struct options *options;
	struct event_base *base;
	SSL_CTX *tls; /* NULL: not wanted */
	/* The result. */
	int64_t begun_us, ended_us; /* monotonic */
	uint64_t done;		    /* messages, logins or connections */
	uint64_t arrived;	    /* messages at the sink */
	uint64_t bytes;
	uint64_t retries, errors;
	uint32_t *times_us; /* owner; the time of each completed item, for the percentiles */
	uint64_t times, times_room;
};

int64_t now_us(void);
/* Notes one completed item and the time that it took. */
void load_note(struct load *l, int64_t since_us);
/* Only the time. */
void load_note_time(struct load *l, int64_t since_us);
/* Something unexpected: printed on standard error (the first few) and counted; too many end the run. */
__attribute__((format(printf, 2, 3))) void load_error(struct load *l, const char *format, ...);
/* Everything is done: the loop ends. */
void load_end(struct load *l);

/* ---- load_client.c: a connection with a line protocol ---- */
struct client;
struct client_events {
	void (*on_line)(struct client *c, char *line, size_t len); /* without CRLF; not while raw */
	/* Not NULL: instead of lines, for other protocols. */
	void (*on_input)(struct client *c, struct evbuffer *in);
	void (*on_gone)(struct client *c); /* closed by the server, or failed: call client_free() */
};
struct client {
	struct load *load;
	struct bufferevent *bev;
	const struct client_events *events;
	void *owner;
	uint64_t skip;	  /* bytes that are not lines; counted in load->bytes */
	bool freed, busy; /* no callback may free its caller */
};
struct client *client_new(struct load *l, const struct client_events *events, void *owner);
void client_free(struct client **c);
void client_send(struct client *c, const char *text);
/* This many bytes come next that are not lines. */
void client_skip(struct client *c, uint64_t bytes);
/* data must stay. */
void client_send_reference(struct client *c, const char *data, size_t len);

/* ---- The modes: each fills in load and runs the loop ---- */
void run_message(struct load *l);
void run_smtp(struct load *l);	    /* `count` messages over `sessions` connections */
void run_pop3(struct load *l);	    /* `count` logins over `sessions` connections */
void run_imap(struct load *l);	    /* `count` logins over `sessions` connections */
void run_imap_body(struct load *l); /* `count` bodies over `sessions` connections */
void run_files(struct load *l);	    /* serves `size_bytes` at `port`; never returns */
void run_idle(struct load *l);	    /* holds `count` connections until standard input ends */
void run_ldap(struct load *l);	    /* `count` searches over `sessions` connections */
void run_ldap_idle(struct load *l); /* holds `count` bound connections until standard input ends */
/* The same as smtp, but a message is done when it has arrived at the sink at sink_port. */
void run_relay(struct load *l);
void run_sink(struct load *l);
/* One message at a time: from the end of its data to the sink's 250. */
void run_latency(struct load *l);

/* ---- load_sink.c: accepts all mail ---- */
struct sink;
/* on_message: one more message was answered with 250. */
struct sink *sink_new(struct event_base *base, int port, void (*on_message)(void *arg), void *arg);

/* ---- load_smtp.c, for the runs with a sink ---- */
struct sender;
/* Sends as fast as it is answered; calls on_done when everything is sent. Exists as long as the process. */
struct sender *sender_new(struct load *l, const char *domain, void (*on_done)(struct load *l));
/* One message at a time: calls on_done after each, and sends the next after sender_go(). */
void sender_pace(struct sender *s);
void sender_go(struct sender *s);
int64_t sender_body_sent_us(const struct sender *s); /* of the last one; monotonic */

#endif
