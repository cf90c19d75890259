/* Shared by the files of lib/directory; nobody else includes it. */
#ifndef SP_DIRECTORY_PRIVATE_H
#define SP_DIRECTORY_PRIVATE_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/directory/directory.h"
#include "lib/redis/keys.h"

#define uthash_fatal(message) CHECKF(false, "%s", message)
#include <uthash.h>
#include <utlist.h>

#define DIRECTORY_KEY_MAX (DIRECTORY_ADDRESS_MAX + 32)

/* "user+Detail@domain", also with the local part quoted → "user@domain",
 * canonical, and "Detail" as written, in NFC. False: there is no detail (or
 * this is not an address). */
bool names_split_detail(struct str address, char base[DIRECTORY_ADDRESS_MAX], char detail[DIRECTORY_DETAIL_MAX]);

/* ---- Records: the content of a key when it was read ---- lib/directory/record.c */
enum record_kind { RECORD_DOMAIN, RECORD_USER, RECORD_ALIAS, RECORD_FIRST_DOMAIN };

/* Immutable, reference-counted within one thread. */
struct record {
	enum record_kind kind;
	bool exists;
	unsigned references;
	char *pool; /* owner of all strings below */
	union {
		struct {
			int64_t created_ms;
			bool disabled;
			const char *catch_all; /* canonical; empty: none */
			uint64_t max_users;
			const char *admins;
		} domain;
		struct {
			bool enabled;
			int64_t created_ms;
			bool has_quota;
			uint64_t quota_bytes;
			bool is_in_book;
			struct str person; /* as an entry of the address book (entry.h) */
			const char *display_name, *password, *password_id, *scram_sha256, *roles;
			const char *totp, *totp_recovery, *totp_changed;
			struct directory_credential *credentials; /* owner of the array */
			unsigned credential_count;
		} user;
		struct {
			struct str *targets; /* owner of the array */
			unsigned count;
		} alias;
		const char *first_domain;
	};
};

/* Writes "user:{name}" to key; returns its length. */
size_t record_key(enum record_kind kind, struct str name, char key[DIRECTORY_KEY_MAX]);
/* Sends the command whose answer record_new() understands. */
void record_request(struct redis *r, enum record_kind kind, struct str key, redis_on_reply *cb, void *arg);
struct record *record_new(enum record_kind kind, const redisReply *reply); /* one reference */
struct record *record_ref(struct record *record);
void record_unref(struct record **record);

/* ---- The cache ---- lib/directory/cache.c */
struct cache_entry;
struct cache {
	struct cache_entry *table;   /* by key */
	struct cache_entry *entries; /* least recently used first; owner */
	unsigned capacity;
	int64_t max_age_ms;
};

void cache_init(struct cache *c, unsigned capacity, int64_t max_age_ms);
void cache_clear(struct cache *c);
struct record *cache_find(struct cache *c, struct str key); /* borrowed; NULL */
void cache_put(struct cache *c, struct str key, struct record *record);
void cache_drop(struct cache *c, struct str key);

/* ---- A query in progress ---- lib/directory/request.c */
struct fetch;
enum { REQUEST_RECORDS_MAX = 48 }; /* role.c needs the most */

struct request {
	struct directory *d; /* borrowed */
	/* Answers, or leaves lookups outstanding and returns false; called again
	 * once they are done. */
	bool (*step)(struct request *req);
	/* Passes the answer of the last step, or err, to the caller; arg may be
	 * gone if is_cancelled. */
	void (*deliver)(struct request *req, const struct err *err);
	void (*cb)(void); /* of the type that deliver() casts it to */
	void *arg;
	bool is_cancelled;
	char name[DIRECTORY_ADDRESS_MAX]; /* the address or domain in question, canonical */
	/* For an address with a '+': */
	bool has_base;
	char base[DIRECTORY_ADDRESS_MAX]; /* canonical, without the detail */
	char detail[DIRECTORY_DETAIL_MAX];
	struct {
		enum record_kind kind;
		size_t key_len;
		char key[DIRECTORY_KEY_MAX];
		struct record *record; /* owner of a reference; NULL: outstanding */
	} held[REQUEST_RECORDS_MAX];
	unsigned held_count, outstanding;
	struct err err;
	union {
		struct directory_result result;
		struct {
			struct directory_user user;
			bool found;
		};
		bool is;
	};
	struct request *prev, *next; /* in directory->requests, while it waits */
};

void request_init(struct request *req, struct directory *d);
void request_fini(struct request *req);
/* NULL: not known yet, and requested. Valid as long as the request. */
const struct record *request_lookup(struct request *req, enum record_kind kind, struct str name);
/* Runs the first step. True: answered. Otherwise a copy of *req is now waiting. */
bool request_start(struct request *req);

/* ---- An order in progress: a chain of changes ---- lib/directory/order.c */
struct order {
	struct directory *d; /* borrowed; NULL: freed meanwhile */
	struct redis *redis; /* borrowed */
	void (*cb)(void);    /* directory_on_done, on_names or on_domain; NULL: nobody waits */
	/* How cb is called; NULL: as a directory_on_done. */
	void (*deliver)(struct order *o, const struct err *err);
	void *arg;
	struct arena arena;
	char name[DIRECTORY_ADDRESS_MAX]; /* address or domain, canonical */
	char domain[DIRECTORY_DOMAIN_MAX];
	struct str version; /* that the record must have; in the arena; empty: any */
	struct buf pairs;   /* struct str: further arguments for a script; text in arena */
	struct buf names;   /* struct str: the list, or the admins given; text in arena */
	/* admins.c */
	char admins_mode;   /* '=', '+' or '-'; '\0': admins are not changed */
	struct buf changes; /* struct admin_change */
	size_t change_at;
	void (*on_found)(struct order *o); /* order_find_domain() */
	const char *set;		   /* "users" or "aliases" */
	const char *role;		   /* "": unchanged, "admin", "plain" */
	unsigned waiting;		   /* answers that are outstanding */
	bool is_walking;		   /* directory_walk() will call back */
	struct err err;			   /* the first error; in the end, the order's result */
	struct directory_domain shown;
	struct directory_user shown_user;
	struct order_page *page; /* page.c; in the arena */
	struct order *prev, *next;
};

struct order *order_new(struct directory *d, void (*cb)(void), void *arg);
/* Ends the order: calls back and frees it. */
void order_end(struct order *o, const struct err *err);
void order_free(struct order *o);
/* Refuses at the loop's next turn, so that no callback comes from within a call. */
__attribute__((format(printf, 3, 4))) void order_refuse(struct order *o, enum err_code code, const char *format, ...);
/* Put the canonical form into name and domain; false: refused. */
bool order_take_address(struct order *o, struct str address);
bool order_take_domain(struct order *o, struct str domain);
void order_add(struct order *o, struct str text); /* to pairs */
void order_add_name(struct order *o, struct str text);
/* For the set `set`, in the domain's slot; keys: domain, its users, its aliases. */
void order_eval_domain(struct order *o, redis_on_reply *cb, struct redis_script *script, size_t arg_count,
		       const struct str *args);
/* keys: user:{name}, alias:{name}, or the reverse; then pairs. */
void order_eval_address(struct order *o, redis_on_reply *cb, struct redis_script *script, enum record_kind first,
			size_t arg_count, const struct str *args);
/* A command without further arguments on the key of a record, or on a domain's
 * set of members ("users" or "aliases"). */
void order_call_record(struct order *o, redis_on_reply *cb, const char *verb, enum redis_key key, struct str name);
void order_call_members(struct order *o, redis_on_reply *cb, const char *verb, const char *set, struct str domain);
/* SADD or SREM of the order's domain in the set of all domains. */
void order_call_domains(struct order *o, redis_on_reply *cb, const char *verb);
/* Updates the index: o->name in o->set of the domain. */
void order_add_member(struct order *o, redis_on_reply *cb, const char *role);
void order_remove_member(struct order *o, redis_on_reply *cb);
/* A record was put: checks that its domain still exists, and deletes the record if it does not. Ends the order. */
void order_confirm(struct order *o, const char *role);
void on_order_done(void *arg, const redisReply *reply, const struct err *err); /* ends with err */
/* Iterates over all members of a set, however large, some hundreds at a time so
 * that Redis can do other work in between. A member may be reported twice. key is
 * copied; member is borrowed for the call. */
typedef void order_on_member(struct order *o, struct str member);
typedef void order_on_walked(struct order *o, const struct err *err);
void order_walk(struct order *o, struct str key, order_on_member *on_member, order_on_walked *on_end);
/* Goes on with `on_found` if the order's domain exists; else ends the order. */
typedef void order_on_found(struct order *o);
void order_find_domain(struct order *o, order_on_found *on_found);
/* Lists o->set of the domain (empty: of all domains) and ends the order. */
void order_list(struct order *o, struct str domain);
void order_deliver_names(struct order *o, const struct err *err);

/* ---- The address book ---- lib/directory/book.c */
/* The entry that account and alias of an address (replies to HGETALL and SMEMBERS) amount
 * to; nothing is added if there is neither. alias may be NULL. number: of numbers.c; may
 * be empty. */
void book_make_entry(struct buf *out, const redisReply *user, const redisReply *alias, struct str number);
/* has_changed: the entry was not what the records say. */
typedef void book_on_synced(void *arg, bool has_changed, const struct err *err);
struct number_rules;
/* Makes the entry of an address (canonical) what its records say now. rules: copied. */
void book_sync(struct redis *r, struct str address, const struct number_rules *rules, book_on_synced *cb, void *arg);
/* The same for o->name, then order_end() with o->err, else with err. */
void order_end_with_book(struct order *o, const struct err *err);

/* ---- Numbers on Linux machines ---- lib/directory/numbers.c */
/* Which records of an address are to have a number, and from which range. */
struct number_rules {
	bool of_user, of_group;
	int64_t first, last;
};
/* As the settings are now. d NULL: none is to have one. */
struct number_rules numbers_rules(const struct directory *d, struct str address);
/* Another text for other settings of the domain; empty: none has a number. In the arena. */
struct str numbers_fingerprint(const struct directory *d, struct str domain, struct arena *arena);
/* Answers with the number that the address has from now on. ERR_LIMIT: there is none left. */
void numbers_claim(struct redis *r, struct str address, const struct number_rules *rules, redis_on_reply *cb,
		   void *arg);
/* Says so in the log, now and then. */
void numbers_complain(struct str address, const struct err *err);

/* ---- Fields as operators write them ---- lib/directory/fields.c */
struct field_rule {
	const char *name;
	/* Appends the stored form to out (empty: the field is removed). NULL: not
	 * a field that is stored from a single value. */
	int (*normalise)(struct str value, struct buf *out, struct err *err);
};
extern const struct field_rule directory_domain_fields[], directory_user_fields[]; /* ended by a NULL name */
/* Adds them to o->pairs. */
int order_add_fields(struct order *o, const struct field_rule *rules, const struct directory_field *fields,
		     unsigned count, struct err *err);

/* ---- Values of fields ---- lib/directory/values.c */
bool directory_is_on(struct str text); /* on, true, yes, 1 */

/* ---- The admins of a domain ---- lib/directory/admins.c */
bool admins_is_field(struct str name); /* admins, admins+, admins- */
/* Takes the field into the order, whose domain is known. */
int admins_take_field(struct order *o, const struct directory_field *field, struct err *err);
void admins_change(struct order *o); /* makes the change, and ends the order */

/* ---- Expanding ---- lib/directory/expand.c */
/* Like directory_expand(), for several addresses at once. *is_met tells whether
 * `watched` (canonical) was among the addresses visited. */
typedef void directory_on_walked(void *arg, const struct directory_target *targets, unsigned count, bool is_met,
				 const struct err *err);
void directory_walk(struct directory *d, const struct str *addresses, unsigned count, struct str watched,
		    directory_on_walked *cb, void *arg);

/* ---- Role addresses ---- lib/directory/role.c */
enum { ROLE_TARGETS_MAX = 8 };	      /* admins that are checked for accepting mail */
bool role_is_one(struct str address); /* canonical: postmaster@ or abuse@ */
/* A step: who gets its mail if there is no account or alias of that name? */
bool role_step(struct request *req, const struct record *domain, struct str address);
/* A step, for "postmaster" alone. */
bool role_step_without_domain(struct request *req);

/* ---- The directory ---- lib/directory/directory.c */
struct user_watch {
	void (*on_user_changed)(void *arg, struct str address);
	void *arg;
	struct user_watch *next;
};

struct expansion;
struct comparison;

struct directory {
	struct event_base *base; /* borrowed, like the next three */
	struct redis *redis;
	struct tracking *tracking;
	struct settings_live *settings;
	char hostname[DIRECTORY_DOMAIN_MAX];
	struct cache cache;
	struct fetch *fetches;		/* by key; owner */
	struct fetch *detached;		/* whose answer may be stale: only for requests that already wait; owner */
	struct request *requests;	/* owner */
	struct expansion *expansions;	/* owner */
	struct order *orders;		/* owner */
	struct comparison *comparisons; /* owner */
	struct user_watch *watches;	/* owner */
	struct str single_target;	/* of the last result that has one */
	struct str role_targets[ROLE_TARGETS_MAX]; /* of the last role address */
	char role_text[ROLE_TARGETS_MAX][DIRECTORY_ADDRESS_MAX];
	char last_address[DIRECTORY_ADDRESS_MAX]; /* of the last user returned at once */
};

static inline const struct settings *
directory_settings(const struct directory *d)
{
	return d->settings != NULL ? settings_current(d->settings) : settings_defaults();
}

/* What is known of the key is not to be relied on any more. */
void directory_forget_key(struct directory *d, struct str key);
void directory_forget_all(struct directory *d);
void fetches_fini(struct directory *d);
void requests_cancel(struct directory *d, const void *arg);
void requests_fini(struct directory *d);
void expansions_cancel(struct directory *d, const void *arg);
void expansions_fini(struct directory *d);
void orders_cancel(struct directory *d, const void *arg);
void orders_fini(struct directory *d);
void comparisons_cancel(struct directory *d, const void *arg); /* NULL: all */
/* In resolve.c, for role.c. */
bool resolve_is_done(struct request *req, enum directory_kind kind); /* builds the answer; always true */
bool resolve_step(struct request *req);				     /* for req->name */

/* What a record says, but for the address. Borrowed from it. enabled: his own. */
struct directory_user resolve_user(const struct directory *d, const struct record *user, struct str domain);

/* Initialises a request for resolving, without starting it; the address need not be canonical. */
void resolve_request_init(struct request *req, struct directory *d, struct str address);

#endif
