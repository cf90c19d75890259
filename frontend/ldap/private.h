/* Shared by the files of the LDAP server; nobody else includes this.
 *
 *   session.c      messages from the input; the end (the rest: core's session)
 *   message.c      the envelope, the table of operations and their dispatcher
 *   answer.c       results and entries on their way to the client
 *   bind.c         Bind, simple and SASL
 *   extended.c     extended operations; Abandon
 *   compare.c      Compare
 *   request.c      Search: the request, and whether it may be made
 *   search.c       searches in progress: their life and their end
 *   begin.c        what a search needs before it can run
 *   photo.c        photos of entries, which the book does not have
 *   walk.c         which entries a search looks at, and in which order
 *   page.c         paged results: the cookie
 *   sort.c         server-side sorting
 *   ber, dn, schema, normalize, entry, posix, subschema, filter, control, replies
 *                  independent, with their own headers
 *
 * Searches run beside each other and beside the reading of further requests. A Bind
 * is alone: the connection is paused until its answer. */
#ifndef SP_FRONTEND_LDAP_PRIVATE_H
#define SP_FRONTEND_LDAP_PRIVATE_H

#include "frontend/core/session.h"
#include "frontend/ldap/control.h"
#include "frontend/ldap/dn.h"
#include "frontend/ldap/entry.h"
#include "frontend/ldap/filter.h"
#include "frontend/ldap/replies.h"
#include "lib/base/buf.h"
#include "lib/service/metrics.h"

#define LDAP_MESSAGE_BEFORE_LOGIN (8 * 1024)
#define LDAP_MESSAGE_MAX	  (256 * 1024)

enum {
	LDAP_SEARCHES_MAX = 4,	/* in progress in a session; then no more is read */
	LDAP_SORTED_MAX = 2000, /* entries of one sorted answer, or page of one */
};

/* The result of an operation's handler. */
enum cmd_status {
	CMD_DONE,
	CMD_WAIT, /* paused; a named on_...() continues, ending in session_resume() */
};

struct ldap_search;

struct ldap_session {
	SESSION_BASE;
	bool binding;	       /* a Bind awaits its result */
	bool sasl_continues;   /* the next Bind is a step of the dialogue */
	int32_t bind_id;       /* message id of the current Bind */
	struct str sasl_final; /* raw: sent with the success of a SASL Bind; in the command's arena */
	char mechanism[24];    /* of the dialogue */
	/* A large message on its way: what has come of it. */
	struct buf partial;
	size_t partial_bytes;	      /* of the whole message; 0: there is none */
	bool is_admin;		      /* of its domain: sees hidden entries */
	int64_t roles_until_ms;	      /* monotonic; when to ask for that again */
	struct ldap_search *searches; /* list; owner */
	unsigned search_count;
};

struct ldap_operation;

/* A request, as long as its handler runs. Texts are in the command's arena. */
struct ldap_request {
	int32_t id;
	const struct ldap_operation *operation;
	struct str body; /* contents of the operation */
	struct ldap_controls controls;
};

/* ---- session.c ---- */
const struct settings_ldap *ldap_settings(const struct ldap_session *s);

/* ---- message.c ---- */
struct ldap_operation {
	unsigned request, response; /* tags; response 0: there is none */
	bool takes_search_controls;
	enum cmd_status (*handler)(struct ldap_session *s, const struct ldap_request *r);
};
/* message: contents of the SEQUENCE, in the command's arena. */
enum cmd_status ldap_dispatch(struct ldap_session *s, struct str message);
enum cmd_status ldap_cmd_bind(struct ldap_session *s, const struct ldap_request *r);
enum cmd_status ldap_cmd_search(struct ldap_session *s, const struct ldap_request *r);
enum cmd_status ldap_cmd_compare(struct ldap_session *s, const struct ldap_request *r);
enum cmd_status ldap_cmd_extended(struct ldap_session *s, const struct ldap_request *r);
enum cmd_status ldap_cmd_abandon(struct ldap_session *s, const struct ldap_request *r);

/* ---- answer.c ---- */
enum {
	LDAP_TAG_BIND_RESPONSE = 0x61,
	LDAP_TAG_ENTRY = 0x64,
	LDAP_TAG_SEARCH_DONE = 0x65,
	LDAP_TAG_EXTENDED_RESPONSE = 0x78,
};
/* What a result may have beyond its code; all may be empty. */
struct ldap_extras {
	struct str matched_dn;
	struct str sasl; /* p NULL: none */
	struct str name; /* of an extended response */
	struct str value;
	bool has_value;
	const struct ldap_controls *controls; /* those of the search that are answered; NULL: none */
	struct str cookie;
};
void ldap_answer(struct ldap_session *s, int32_t id, unsigned tag, enum ldap_reply_name name,
		 const struct ldap_extras *extras);
/* The usual case: the operation's own response, nothing beyond. */
enum cmd_status ldap_refuse(struct ldap_session *s, const struct ldap_request *r, enum ldap_reply_name name);
/* The Notice of Disconnection (RFC 4511, section 4.4.1). */
void ldap_notice(struct conn *c, enum ldap_reply_name name);

/* Which attributes an answer shows. */
struct ldap_selection {
	uint64_t attributes;
	bool types_only;
	bool names_photo; /* not only by "*" */
};
/* Returns how many bytes of values it has. */
size_t ldap_answer_entry(struct ldap_session *s, int32_t id, const struct ldap_entry *e,
			 const struct ldap_selection *selection, struct arena *scratch);

/* ---- bind.c ---- */
/* What the root DSE names. A client's certificate is checked for it, which is work. */
struct str ldap_mechanisms(struct ldap_session *s, struct arena *arena);
void ldap_on_challenge(struct session *base, struct str challenge);
void ldap_on_final(struct session *base, struct str final);
bool ldap_on_login(struct session *base, enum auth_result result);

/* ---- request.c ---- */
/* The entry that a search or a Compare begins at. False: it has been answered. */
bool ldap_request_base(struct ldap_search *search, struct str dn);
/* What the client may see of the domain that it asks about. */
struct ldap_view {
	struct str own; /* the client's address */
	bool only_own;	/* no other entry of the book is visible */
	bool with_hidden;
	bool is_foreign; /* another domain than the client's: it may not exist */
};

/* ---- search.c: searches of a domain ---- */
enum ldap_scope { LDAP_SCOPE_BASE, LDAP_SCOPE_ONE, LDAP_SCOPE_SUB, LDAP_SCOPE_BELOW, LDAP_SCOPE_COUNT };

struct ldap_search {
	struct op op;		      /* its arena has everything that the search needs */
	struct ldap_session *session; /* borrowed; NULL once the session has let go */
	int32_t id;
	unsigned tag;	     /* of its result */
	bool compares;	     /* Compare: the result says whether the one entry matches */
	bool is_waiting;     /* it has returned to the loop at least once */
	bool is_sorted;	     /* the sorter has all entries */
	bool wants_drain;    /* goes on when the client has read */
	bool goes_on;	     /* it has read: its turn is next */
	struct event *timer; /* owner; NULL until it waits */
	/* The request. */
	struct ldap_name base;
	enum ldap_scope scope;
	unsigned kinds; /* mask of 1 << enum ldap_kind: which entries are within the scope */
	struct ldap_filter filter;
	struct ldap_selection selection;
	struct ldap_controls controls;
	uint64_t most; /* entries to be answered at most */
	int64_t time_ms;
	unsigned char digest[8]; /* of what a cookie belongs to */
	struct ldap_view view;
	struct ldap_posix posix;
	bool with_posix;       /* the domain's entries are those of Linux machines too */
	struct ldap_root root; /* what the root DSE says */
	/* Where it is. */
	struct book *book; /* held; NULL until it is there */
	struct ldap_plan plan;
	struct book_query query;
	uint64_t looked_at;   /* entries of the book, about */
	enum ldap_kind stage; /* LDAP_DOMAIN, LDAP_PEOPLE, LDAP_GROUPS, then LDAP_USER for all of the book */
	unsigned exact_at;
	struct book_cursor cursor;
	struct arena scratch;
	uint64_t sent;
	/* For the cookie: the last entry that was sent. */
	enum ldap_kind last_kind;
	char last[DIRECTORY_ADDRESS_MAX];
	char photo_of[DIRECTORY_ADDRESS_MAX]; /* the entry to be sent once its photo is read */
	struct str after;		      /* of a sorted search: its key; entries up to it were on earlier pages */
	struct ldap_sorter *sorter;	      /* owner; NULL: unsorted */
	struct ldap_search *prev, *next;
};

struct ldap_search *ldap_search_new(struct ldap_session *session, const struct ldap_request *r);
/* Ends it without an answer. */
void ldap_search_drop(struct ldap_search **s);
void ldap_search_drop_all(struct ldap_session *session);
struct ldap_search *ldap_search_find(struct ldap_session *session, int32_t id);
/* Ends it with this result. */
void ldap_search_end(struct ldap_search *s, enum ldap_reply_name name);
/* The client has read: those that waited for that go on. */
void ldap_search_on_drained(struct session *base);
struct frontend *ldap_search_frontend(const struct ldap_search *s);
/* From now on others have their turns: the search gets its time limit. */
void ldap_search_begin_waiting(struct ldap_search *s);
/* The entry at the base. False: it does not exist, or is not visible. */
bool ldap_search_base_entry(const struct ldap_search *s, struct ldap_entry *out, struct book_entry *person);
void ldap_search_send(struct ldap_search *s, struct slice *slice, const struct ldap_entry *e);
/* Goes on, from where it is, until its slice is over or it has to wait. */
void ldap_search_run(struct ldap_search *s);
/* There are no further entries. */
void ldap_search_end_walk(struct ldap_search *s);

/* ---- begin.c ---- */
/* Begins to run; search is freed when it ends. */
void ldap_search_start(struct ldap_search *s);

/* ---- photo.c ---- */
/* Is the entry to be answered with a photo, which must be read first? */
bool ldap_photo_is_needed(const struct ldap_search *s, const struct ldap_entry *e);
/* Reads it; the search goes on with this entry when it is there. */
void ldap_photo_read(struct ldap_search *s, const struct ldap_entry *e);

/* ---- walk.c ---- */
enum ldap_step { LDAP_STEP_ENTRY, LDAP_STEP_PAUSE, LDAP_STEP_END };
/* To the beginning, or behind the place of a cookie. */
void ldap_walk_begin(struct ldap_search *s);
/* The next entry that matches the filter. */
enum ldap_step ldap_walk_next(struct ldap_search *s, struct slice *slice, struct ldap_entry *out,
			      struct book_entry *person);
/* The entry of this address, if the client may see it. */
bool ldap_walk_find(const struct ldap_search *s, struct str address, struct ldap_entry *out, struct book_entry *person);

/* ---- page.c ---- */
/* False: the cookie is not of this search, or the cluster's secret is not known yet. */
bool ldap_page_open(struct ldap_search *s);
/* The cookie for what comes after the last entry sent; in the search's arena. False: the
 * cluster's secret is not known yet. */
bool ldap_page_cookie(struct ldap_search *s, struct str *cookie_out);

/* ---- sort.c: keeps the first entries in the order of the keys ---- */
struct ldap_sorter;
struct ldap_sorter *ldap_sorter_new(const struct ldap_controls *controls, unsigned most, struct str after);
void ldap_sorter_free(struct ldap_sorter **sorter);
void ldap_sorter_add(struct ldap_sorter *sorter, const struct ldap_entry *e, struct arena *scratch);
/* All have been added: puts them in order. */
void ldap_sorter_finish(struct ldap_sorter *sorter);
/* The next in order. False: there is no more. address: of the entry; empty: a container of
 * the kind. key: for the cookie. */
bool ldap_sorter_next(struct ldap_sorter *sorter, enum ldap_kind *kind_out, struct str *address_out,
		      struct str *key_out);

#endif
