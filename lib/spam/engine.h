/* Spam engines: what is sent to each, and what its answers mean. This is only
 * about the text: spam/exchange.h transports it. A new engine is a row of the
 * table in engine.c. */
#ifndef SP_SPAM_ENGINE_H
#define SP_SPAM_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "proto/stagepost.pb-c.h"

#define SPAM_SYMBOLS_MAX      20
#define SPAM_SYMBOL_BYTES_MAX 80

struct spam_engine {
	const char *scheme; /* of its URLs */
	uint16_t port;	    /* if the URL names none */
	/* Does it get the Return-Path line in front of the message? Otherwise the request carries the envelope. */
	bool with_return_path;
	/* The message is sent in chunks, each with its length in front, and the answer ends with NUL. */
	bool in_chunks;
	/* What is sent before the size_bytes of the message. */
	void (*write_head)(const Stagepost__Envelope *e, uint64_t size_bytes, struct buf *out);
	/* Parses a complete answer. Fills is_spam, score, required, action, virus
	 * and symbols, in the arena. -1: ERR_CORRUPT (not an answer), ERR_UNAVAILABLE
	 * (the engine says that it could not do it). */
	int (*read_answer)(struct str answer, struct arena *arena, Stagepost__SpamVerdict *verdict, struct err *err);
};

/* NULL: there is no engine of that scheme. */
const struct spam_engine *spam_engine_find(struct str scheme);

extern const struct spam_engine spam_engine_rspamd; /* /checkv2 by HTTP */
extern const struct spam_engine spam_engine_spamd;  /* SPAMC/1.5 SYMBOLS */
extern const struct spam_engine spam_engine_clamd;  /* zINSTREAM: finds viruses only */

/* ---- For the engines ---- */
/* "first line, header fields, empty line, body", as both of them answer. */
struct spam_reply {
	struct str first; /* borrowed, without its line end, like all that follow */
	struct str fields;
	struct str body;     /* as much as has arrived, but not beyond its length */
	bool has_length;     /* otherwise the body ends with the connection */
	uint64_t body_bytes; /* by Content-Length */
};
/* False: the head is not complete yet. */
bool spam_reply_split(struct str text, struct spam_reply *reply_out);
/* The value of the first field of this name, any case; empty: none. */
struct str spam_reply_field(const struct spam_reply *reply, struct str name);
/* No answer is longer. */
#define SPAM_ANSWER_MAX (1024 * 1024)

/* A header field of a request. Characters that a line cannot contain are left
 * out of the value, so that no address can end the line; an empty value adds
 * nothing. */
void spam_add_field(struct buf *out, const char *name, const char *value);
/* Adds a symbol, shortened and cleaned; false: there are enough. */
bool spam_add_symbol(struct arena *arena, Stagepost__SpamVerdict *verdict, struct str symbol);

#endif
