/* Who has mail here: domains, users, aliases, in Redis.
 *
 *   domains                    set of the names
 *   domain:{<name>}            hash: created_ms, disabled, catch_all, max_users, admins
 *   domain:{<name>}:users      set of addresses
 *   domain:{<name>}:aliases    set of addresses
 *   domain:{<name>}:dkim       hash: lib/dkim/keys.h
 *   user:{<address>}           hash: address, enabled, created_ms, display_name,
 *                              quota, password, scram_sha256, roles
 *   alias:{<address>}          set of targets
 *
 * An address is canonical: the domain lower case as A-labels, the local part
 * lower case in NFC (local parts are case-insensitive here). Whatever takes an
 * address or domain makes it canonical first. A user or alias that exists is
 * always in its domain's set, and a domain in the set of domains; after a
 * crash half-way a set may name one that does not (yet) exist, and the same
 * command given again mends that.
 *
 * Reading goes through a cache of records (present ones and missing ones),
 * which notices from Redis keep true and 60 s limit behind them. What is
 * cached is answered at once, without a callback. */
#ifndef SP_DIRECTORY_DIRECTORY_H
#define SP_DIRECTORY_DIRECTORY_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/redis/redis.h"
#include "lib/redis/tracking.h"
#include "lib/settings/settings.h"

#define DIRECTORY_ADDRESS_MAX 330  /* with the NUL */
#define DIRECTORY_DOMAIN_MAX  256  /* with the NUL */
#define DIRECTORY_DETAIL_MAX  65   /* with the NUL */
#define DIRECTORY_TARGETS_MAX 1000 /* of one alias, and of one expansion */
#define DIRECTORY_DEPTH_MAX   10   /* aliases that lead to aliases */

struct directory;

/* All borrowed for its life. tracking NULL (the tool): nothing is cached.
 * settings NULL: the defaults. */
struct directory *directory_new(struct event_base *base, struct redis *r, struct tracking *tracking,
				struct settings_live *settings);
/* Callbacks that have not come will not come. */
void directory_free(struct directory **d);
/* The server's name: "postmaster" without a domain belongs to the local domain
 * that is the nearest at or above it, else to the setting mailbox.postmaster,
 * else to the first domain by name. */
void directory_set_hostname(struct directory *d, struct str hostname);
/* No callback with this arg will come any more (a session that ends). Meant
 * for reading; a change under way is carried through, silently. */
void directory_cancel(struct directory *d, const void *arg);

/* Told when a user's record changes (password, enabled, ...) or goes;
 * STR_NONE: any of them may have. Use this, not a tracking prefix of your own (notices are
 * for user:, alias: and domain:). After directory_free() the loop must not turn
 * again before tracking_free(). */
void directory_watch_users(struct directory *d, void (*on_user_changed)(void *arg, struct str address), void *arg);

/* ---- Names ---- */
/* Makes canonical: IDNA (U-label = A-label), case, NFC, quotes dropped where
 * not needed. False: not an address ("postmaster" alone is none). */
bool directory_canonical_address(struct str text, char out[DIRECTORY_ADDRESS_MAX]);
bool directory_canonical_domain(struct str text, char out[DIRECTORY_DOMAIN_MAX]);
/* Behind the last '@'. */
struct str directory_domain_of(struct str address);

/* ---- Resolving: whose is an address ---- */
enum directory_kind {
	DIR_USER,      /* an enabled account */
	DIR_ALIAS,     /* see targets */
	DIR_CATCH_ALL, /* no such address; the domain gives it to targets[0] */
	DIR_UNKNOWN,   /* the domain is local, the address does not exist */
	DIR_NOT_LOCAL, /* the domain is not ours (or the text is no address) */
	DIR_DISABLED,  /* exists, takes no mail: refuse for now (4xx) when domain_disabled, else for good */
	DIR_UNCLAIMED, /* postmaster or abuse, and nobody is there to take it yet: to be kept, not refused */
};

struct directory_result {
	enum directory_kind kind;
	bool domain_disabled; /* DIR_DISABLED: the whole domain is */
	char address
		[DIRECTORY_ADDRESS_MAX]; /* canonical; of the account where there is one (no +detail); else as asked */
	char detail[DIRECTORY_DETAIL_MAX]; /* what stood behind the '+', as it was written, in NFC; empty: none */
	uint64_t quota_bytes;		   /* DIR_USER: in force (its own or the default); 0: no limit */
	/* DIR_ALIAS, DIR_CATCH_ALL: canonical. Borrowed until the next call of
	 * the directory or until the loop goes on. */
	const struct str *targets;
	unsigned target_count;
};

/* err NULL: result stands. err: ERR_UNAVAILABLE, try later. */
typedef void directory_on_resolved(void *arg, const struct directory_result *result, const struct err *err);
/* True: answered at once into *result_out, cb will not come. False: cb comes
 * later, once, never from within the call. user+detail (setting
 * plus_addressing) is looked for as it stands first, then as user. postmaster
 * and abuse exist in every domain that is not disabled (RFC 5321, 4.5.1): where
 * there is no such account, or a disabled one, and no such alias, they are the
 * domain's admins, else its catch-all, else the setting mailbox.postmaster, of
 * these only who takes mail; else DIR_UNCLAIMED. */
bool directory_resolve(struct directory *d, struct str address, struct directory_result *result_out,
		       directory_on_resolved *cb, void *arg);

typedef void directory_on_bool(void *arg, bool is, const struct err *err);
/* True: answered at once into *is_out. A disabled domain is local too. */
bool directory_is_local_domain(struct directory *d, struct str domain, bool *is_out, directory_on_bool *cb, void *arg);

/* ---- Expanding: where mail for an address goes in the end ---- */
struct directory_target {
	struct str address;	  /* canonical */
	struct str detail;	  /* DIR_USER: behind the '+', of an alias on the way if not its own */
	enum directory_kind kind; /* DIR_USER, DIR_NOT_LOCAL (a remote address), or why it goes nowhere:
				   * DIR_UNKNOWN, DIR_DISABLED, DIR_UNCLAIMED */
	bool domain_disabled;
	uint64_t quota_bytes; /* DIR_USER */
};
/* Each address once; loops are dropped, so count 0 means: nothing but a loop.
 * What is more than DIRECTORY_DEPTH_MAX deep counts as DIR_UNKNOWN. More than
 * DIRECTORY_TARGETS_MAX: ERR_LIMIT. Borrowed for the call. The callback may
 * come from within the call. */
typedef void directory_on_expanded(void *arg, const struct directory_target *targets, unsigned count,
				   const struct err *err);
void directory_expand(struct directory *d, struct str address, directory_on_expanded *cb, void *arg);

/* ---- Users in full ---- */
/* Borrowed until the next call of the directory or until the loop goes on. */
struct directory_user {
	const char *address; /* canonical */
	bool enabled;	     /* may log in and gets mail (the domain is enabled too) */
	int64_t created_ms;
	const char *display_name; /* UTF-8; may be empty */
	bool has_quota;		  /* a quota of its own, else the default */
	uint64_t quota_bytes;	  /* in force; 0: no limit */
	const char *password;	  /* "$argon2id$..."; empty: cannot log in with a password */
	const char *scram_sha256; /* "SCRAM-SHA-256$iter:salt$stored:server"; may be empty */
	const char *roles;	  /* words separated by a space: domain_admin, system_admin */
};
/* user NULL without err: there is no such account (aliases are none). */
typedef void directory_on_user(void *arg, const struct directory_user *user, const struct err *err);
/* True: answered at once; *found_out says whether *user_out is filled. */
bool directory_get_user(struct directory *d, struct str address, struct directory_user *user_out, bool *found_out,
			directory_on_user *cb, void *arg);

/* ---- Changing and listing: for the tool ----
 * Asynchronous, callback once, later; err says in words what is wrong
 * (ERR_EXISTS, ERR_NOT_FOUND, ERR_INVALID, ERR_LIMIT, ERR_DENIED). */
typedef void directory_on_done(void *arg, const struct err *err);
typedef void directory_on_names(void *arg, const struct str *names, unsigned count, const struct err *err);

/* A field as the operator names it. Of a domain: disabled (on/off), catch_all
 * (address or empty), max_users (0: no limit); once it has users, admins (some of
 * them, separated by spaces or commas, or empty), admins+ (these too), admins-
 * (these no more). An admin's own record gets, or loses, the role domain_admin.
 * Of a user: enabled (on/off),
 * display_name, quota (size as 2G; empty: the default), roles. */
struct directory_field {
	struct str name;
	struct str value;
};

void directory_domain_add(struct directory *d, struct str domain, const struct directory_field *fields, unsigned count,
			  directory_on_done *cb, void *arg);
void directory_domain_set(struct directory *d, struct str domain, const struct directory_field *fields, unsigned count,
			  directory_on_done *cb, void *arg);
/* With users or aliases: ERR_DENIED, unless forced, which deletes them all
 * first. Their mailboxes are the caller's (mailbox_destroy(), before). */
void directory_domain_delete(struct directory *d, struct str domain, bool forced, directory_on_done *cb, void *arg);
void directory_domain_list(struct directory *d, directory_on_names *cb, void *arg); /* sorted */

struct directory_domain {
	const char *name;
	int64_t created_ms;
	bool disabled;
	const char *catch_all; /* empty: none */
	uint64_t max_users;    /* 0: no limit */
	const char *admins;    /* addresses separated by a space */
	uint64_t users, aliases;
};
typedef void directory_on_domain(void *arg, const struct directory_domain *domain, const struct err *err);
void directory_domain_show(struct directory *d, struct str domain, directory_on_domain *cb, void *arg);

/* Verifiers from auth_make_...(); either may be empty. */
void directory_user_add(struct directory *d, struct str address, struct str password, struct str scram_sha256,
			const struct directory_field *fields, unsigned count, directory_on_done *cb, void *arg);
void directory_user_set(struct directory *d, struct str address, const struct directory_field *fields, unsigned count,
			directory_on_done *cb, void *arg);
void directory_user_passwd(struct directory *d, struct str address, struct str password, struct str scram_sha256,
			   directory_on_done *cb, void *arg);
/* The mailbox is the caller's. */
void directory_user_delete(struct directory *d, struct str address, directory_on_done *cb, void *arg);
/* Of a domain; empty: of all. Sorted. To show one: directory_get_user(). */
void directory_user_list(struct directory *d, struct str domain, directory_on_names *cb, void *arg);

/* Adds targets to the alias, which comes into being. A target that leads back
 * to the alias: ERR_INVALID. */
void directory_alias_add(struct directory *d, struct str address, const struct str *targets, unsigned count,
			 directory_on_done *cb, void *arg);
/* Removes these targets, or the whole alias: when none is named, or none is left. */
void directory_alias_delete(struct directory *d, struct str address, const struct str *targets, unsigned count,
			    directory_on_done *cb, void *arg);
void directory_alias_list(struct directory *d, struct str domain, directory_on_names *cb, void *arg);
void directory_alias_show(struct directory *d, struct str address, directory_on_names *cb, void *arg); /* its targets */

#endif
