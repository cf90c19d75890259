/* The internals of APPEND, for the files of this folder.
 *
 * The text between two literals is parsed into steps, which are then run in order: a
 * message begins, the data that a URL names is added to it, the announced literal is
 * let in, the message ends. */
#ifndef SP_FRONTEND_IMAP_APPEND_APPEND_PRIVATE_H
#define SP_FRONTEND_IMAP_APPEND_APPEND_PRIVATE_H

#include "frontend/imap/append/append.h"
#include "lib/blob/blob.h"
#include "lib/mime/digest.h"

struct imap_append_message {
	struct imap_session *session; /* held while its body is being synced */
	struct imap_append *append;   /* NULL: abandoned */
	struct blob_store *blobs;
	struct imap_flags flags;
	bool has_date;
	int64_t date;
	int16_t zone_minutes;
	struct blob_id body, digest;
	struct imap_append_message *next;
};

enum append_step_kind { APPEND_BEGIN, APPEND_URL, APPEND_LITERAL, APPEND_END };

struct append_step {
	enum append_step_kind kind;
	struct str url; /* APPEND_URL */
	struct append_step *next;
};

/* How far the text has advanced in the grammar. */
enum append_place {
	APPEND_AFTER_MESSAGE, /* or the mailbox: a message follows, or the end */
	APPEND_AFTER_UTF8,    /* after "UTF8 (" and its literal */
	APPEND_IN_CATENATE,   /* after a part */
};

/* The result of parsing the text; by value, so that parsing can be undone. */
struct append_reading {
	enum append_place place;
	struct imap_append_message *first, *last; /* in the arena */
	unsigned count, urls;
	struct append_step *steps, *last_step; /* still to run; in the arena */
	bool one_only;			       /* REPLACE */
};

struct imap_append {
	struct str mailbox;
	uint32_t folder_id;
	struct imap_literal literal; /* the last one announced */
	struct append_reading in;
	unsigned syncing; /* bodies being written to disk */
	bool whole;	  /* the command has been received completely */
	bool filing;	  /* the store has been asked */
	uint64_t bytes;	  /* of all announced literals */
	int64_t begun_ms; /* unix */
	/* REPLACE: */
	bool replaces;
	uint32_t replaced; /* as the client gave it, later the UID */
	/* Why the command cannot be done: the rest is read and discarded. */
	const char *refused; /* constant, or in the arena; NULL: no error */
	enum imap_reply refused_reply;
	/* The body being received. */
	struct imap_append_message *message; /* borrowed; the one it belongs to */
	struct blob_append *body;	     /* owner */
	struct mime_digest_builder *digest;  /* owner */
	char before;			     /* its last byte */
	struct append_fetch *fetch;	     /* owner; the data that a URL names */
};

/* ---- append_parse.c ---- */
enum append_parsed {
	APPEND_PARSED,	  /* up to the announced literal, or the end */
	APPEND_INLINE,	  /* the announced literal is part of the text: nothing was parsed */
	APPEND_MALFORMED, /* lex says why */
};
/* Is the announced literal at the lexer's position? */
bool append_is_announced(const struct imap_lexer *lex);
enum append_parsed append_parse(struct imap_session *s, struct imap_lexer *lex, bool announced);

/* ---- append_body.c ---- */
/* Records why the command cannot be done; the first reason is kept. */
void append_refuse(struct imap_append *a, enum imap_reply reply, const char *why);
/* For the next message in the list. */
void append_begin_body(struct imap_append *a);
/* Bytes of the body, unmodified. False: it has been refused. */
bool append_add(struct imap_append *a, const char *data, size_t len);
void append_end_body(struct imap_session *s);
/* Releases the space of its body and digest. */
void append_release(struct blob_store *blobs, const struct imap_append_message *m);

/* ---- cmd_append.c ---- */
/* Continues with the next step, after one that had to wait. */
void append_go_on(struct imap_session *s);
/* Everything was read and synced: stores the messages, or says why not. */
void append_finish(struct imap_session *s);

/* ---- append_url.c ---- */
/* Adds the data that the URL names to the body, then calls append_go_on(). */
void append_fetch_url(struct imap_session *s, struct str url);
void append_fetch_free(struct append_fetch **f);

#endif
