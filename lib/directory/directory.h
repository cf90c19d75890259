/* The directory of domains, users and aliases, stored in Redis.
 *
 *   domains                    set of the names
 *   domain:{<name>}            hash: created_ms, disabled, catch_all, max_users, admins
 *   domain:{<name>}:users      set of addresses
 *   domain:{<name>}:aliases    set of addresses
 *   domain:{<name>}:dkim       hash: lib/dkim/keys.h
 *   user:{<address>}           hash: address, enabled, created_ms, display_name,
 *                              quota, password, password_id, password_from (lib/auth/upgrade.lua),
 *                              scram_sha256, roles, book, totp, totp_recovery, totp_changed, photo,
 *                              the fields that describe a person (fields_table.h), and a field
 *                              for each of its credentials (lib/auth/credential.h)
 *   photo:{<address>}          the photo of a user: JPEG
 *   alias:{<address>}          set of targets
 *   book:{<domain>}            hash: its address book, made from users and aliases (entry.h)
 *
 * An address is canonical: the domain lower case as A-labels, the local part lower case
 * in NFC (local parts are case-insensitive here). Every function that takes an address
 * or domain makes it canonical first. A user or alias that exists is always in its
 * domain's set, and a domain in the set of domains; after a crash half-way a set may
 * name one that does not exist (yet); repeating the command repairs that.
 *
 * Reads go through a cache of records, both existing and missing ones. Notices from
 * Redis keep it current, and entries expire after 60 s as a fallback. Cached records
 * are returned at once, without a callback. */
#ifndef SP_DIRECTORY_DIRECTORY_H
#define SP_DIRECTORY_DIRECTORY_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/directory/entry.h"
#include "lib/redis/redis.h"
#include "lib/redis/tracking.h"
#include "lib/settings/settings.h"

#define DIRECTORY_ADDRESS_MAX 330  /* with the NUL */
#define DIRECTORY_DOMAIN_MAX  256  /* with the NUL */
#define DIRECTORY_DETAIL_MAX  65   /* with the NUL */
#define DIRECTORY_TARGETS_MAX 1000 /* per alias, and per expansion */
#define DIRECTORY_DEPTH_MAX   10   /* nested aliases */

struct directory;

/* All are borrowed for its lifetime. tracking NULL (the tool): nothing is
 * cached. settings NULL: the defaults. */
struct directory *directory_new(struct event_base *base, struct redis *r, struct tracking *tracking,
				struct settings_live *settings);
/* Outstanding callbacks will not come. */
void directory_free(struct directory **d);
/* The server's name: "postmaster" without a domain belongs to the nearest local
 * domain at or above it, else to the setting mailbox.postmaster, else to the
 * first domain by name. */
void directory_set_hostname(struct directory *d, struct str hostname);
/* No callback with this arg will come any more (for a session that ends). Meant
 * for reads; a change in progress is completed silently. */
void directory_cancel(struct directory *d, const void *arg);

/* Called when a user's record changes (password, enabled, ...) or is deleted; STR_NONE:
 * any of them may have changed. Use this instead of a tracking prefix (the directory
 * already watches user:, alias: and domain:). After directory_free() the loop must not run
 * again before tracking_free(). */
void directory_watch_users(struct directory *d, void (*on_user_changed)(void *arg, struct str address), void *arg);

/* ---- Names ---- */
/* Makes canonical: IDNA (U-label = A-label), case, NFC, unnecessary quotes
 * removed. False: not an address ("postmaster" alone is not one). */
bool directory_canonical_address(struct str text, char out[DIRECTORY_ADDRESS_MAX]);
bool directory_canonical_domain(struct str text, char out[DIRECTORY_DOMAIN_MAX]);
/* The part after the last '@'. */
struct str directory_domain_of(struct str address);

/* ---- Resolving: whom an address belongs to ---- */
enum directory_kind {
	DIR_USER,      /* an enabled account */
	DIR_ALIAS,     /* see targets */
	DIR_CATCH_ALL, /* no such address; the domain's catch-all is targets[0] */
	DIR_UNKNOWN,   /* the domain is local, the address does not exist */
	DIR_NOT_LOCAL, /* the domain is not local (or the text is not an address) */
	DIR_DISABLED,  /* exists, but accepts no mail: refuse temporarily (4xx) if domain_disabled, else permanently */
	DIR_UNCLAIMED, /* postmaster or abuse without a recipient as yet: keep the mail, do not refuse it */
};

struct directory_result {
	enum directory_kind kind;
	bool domain_disabled; /* DIR_DISABLED: the whole domain is disabled */
	/* Canonical; that of the account if there is one (no +detail), else the address asked for. */
	char address[DIRECTORY_ADDRESS_MAX];
	char detail[DIRECTORY_DETAIL_MAX]; /* the part after the '+', as written, in NFC; empty: none */
	uint64_t quota_bytes;		   /* DIR_USER: in force (its own or the default); 0: no limit */
	/* DIR_ALIAS, DIR_CATCH_ALL: canonical. Borrowed until the next call of
	 * the directory, or until control returns to the loop. */
	const struct str *targets;
	unsigned target_count;
};

/* err NULL: result is valid. err: ERR_UNAVAILABLE, try later. */
typedef void directory_on_resolved(void *arg, const struct directory_result *result, const struct err *err);
/* True: answered at once in *result_out, cb will not be called. False: cb is
 * called later, once, never from within the call. user+detail (setting
 * plus_addressing) is looked up as written first, then as user. postmaster and
 * abuse exist in every domain that is not disabled (RFC 5321, 4.5.1): if there
 * is no such account, or it is disabled, and no such alias, they go to the
 * domain's admins, else its catch-all, else the setting mailbox.postmaster, as
 * far as these accept mail; else DIR_UNCLAIMED. */
bool directory_resolve(struct directory *d, struct str address, struct directory_result *result_out,
		       directory_on_resolved *cb, void *arg);

typedef void directory_on_bool(void *arg, bool is, const struct err *err);
/* True: answered at once in *is_out. A disabled domain is local too. */
bool directory_is_local_domain(struct directory *d, struct str domain, bool *is_out, directory_on_bool *cb, void *arg);

/* ---- Expanding: the final recipients of mail for an address ---- */
struct directory_target {
	struct str address; /* canonical */
	struct str detail;  /* DIR_USER: the part after the '+', else that of an alias on the way */
	/* DIR_USER, DIR_NOT_LOCAL (a remote address), or why it is undeliverable:
	 * DIR_UNKNOWN, DIR_DISABLED, DIR_UNCLAIMED */
	enum directory_kind kind;
	bool domain_disabled;
	uint64_t quota_bytes; /* DIR_USER */
};
/* Each address is listed once. Loops are dropped, so count 0 means that there
 * was nothing but a loop. Anything deeper than DIRECTORY_DEPTH_MAX counts as
 * DIR_UNKNOWN. More than DIRECTORY_TARGETS_MAX: ERR_LIMIT. Borrowed for the
 * call. The callback may come from within the call. */
typedef void directory_on_expanded(void *arg, const struct directory_target *targets, unsigned count,
				   const struct err *err);
void directory_expand(struct directory *d, struct str address, directory_on_expanded *cb, void *arg);

/* ---- Users in full ---- */
/* A field of the record whose name has a colon: "token:3f9a01c2". */
struct directory_credential {
	const char *field;
	const char *value;
};

/* Borrowed until the next call of the directory, or until control returns to the loop. */
struct directory_user {
	const char *address; /* canonical */
	bool enabled;	     /* may log in and receive mail (its domain is enabled too) */
	int64_t created_ms;
	const char *display_name; /* UTF-8; may be empty */
	bool has_quota;		  /* has its own quota, not the default */
	uint64_t quota_bytes;	  /* in force; 0: no limit */
	const char *password;	  /* "$argon2id$..."; empty: no login by password */
	const char *password_id;  /* another for each new password; empty: set by an older version */
	const char *scram_sha256; /* "SCRAM-SHA-256$iter:salt$stored:server"; may be empty */
	const char *roles;	  /* words separated by a space: domain_admin, system_admin */
	bool is_disabled_itself;  /* not only by its domain */
	bool is_in_book;	  /* shown in the address book of its domain */
	struct str person;	  /* private */
	const char *totp;	  /* sealed; empty: no second factor */
	const char *totp_recovery;
	const char *totp_changed; /* when it was given or taken away: another text each time; may be empty */
	const struct directory_credential *credentials; /* what else it can log in with */
	unsigned credential_count;
	const char *version; /* directory_user_show() only: another after each change of the record */
};
/* A field that describes the person: a row of fields_table.h. Empty: there is none. */
struct str directory_user_field(const struct directory_user *user, enum book_field field);
/* user NULL without err: there is no such account (aliases do not count). */
typedef void directory_on_user(void *arg, const struct directory_user *user, const struct err *err);
/* True: answered at once; *found_out says whether *user_out is filled. */
bool directory_get_user(struct directory *d, struct str address, struct directory_user *user_out, bool *found_out,
			directory_on_user *cb, void *arg);

/* ---- Changing and listing: for the tool ----
 * Asynchronous; the callback comes once, later. err describes the problem
 * (ERR_EXISTS, ERR_NOT_FOUND, ERR_INVALID, ERR_LIMIT, ERR_DENIED). */
typedef void directory_on_done(void *arg, const struct err *err);
typedef void directory_on_names(void *arg, const struct str *names, unsigned count, const struct err *err);

/* A field under the name that operators use. For a domain: disabled (on/off),
 * catch_all (address or empty), max_users (0: no limit); once it has users,
 * admins (a list of users, separated by spaces or commas, or empty), admins+
 * (adds these), admins- (removes these). An admin's own record gains or loses the
 * role domain_admin. For a user: enabled (on/off), display_name, quota (a size
 * such as 2G; empty: the default), roles, book (on/off: shown in the address book), and
 * the fields of fields_table.h. */
struct directory_field {
	struct str name;
	struct str value;
};

/* 0: the value may be stored in this field of a domain, or of a user. A field that
 * depends on others (admins) is only judged when it is set. */
int directory_domain_check_field(const struct directory_field *field, struct err *err);
int directory_user_check_field(const struct directory_field *field, struct err *err);
/* A size as a field has it: bytes, or with K, M, G or T. False: it is none. */
bool directory_parse_size(struct str text, uint64_t *bytes_out);

void directory_domain_add(struct directory *d, struct str domain, const struct directory_field *fields, unsigned count,
			  directory_on_done *cb, void *arg);
void directory_domain_set(struct directory *d, struct str domain, const struct directory_field *fields, unsigned count,
			  directory_on_done *cb, void *arg);
/* The same, if the record still has this version (empty: any); else ERR_FENCED, and
 * nothing is changed. */
void directory_domain_change(struct directory *d, struct str domain, struct str version,
			     const struct directory_field *fields, unsigned count, directory_on_done *cb, void *arg);
/* The beginning of a forced removal: from now on it accepts no mail, and nobody can be
 * added to it. */
void directory_domain_close(struct directory *d, struct str domain, directory_on_done *cb, void *arg);
/* If it has users or aliases: ERR_DENIED, unless forced, which deletes them all
 * first. The caller must delete their mailboxes before (mailbox_destroy()). */
void directory_domain_delete(struct directory *d, struct str domain, bool forced, directory_on_done *cb, void *arg);
void directory_domain_list(struct directory *d, directory_on_names *cb, void *arg); /* sorted */

struct directory_domain {
	const char *name;
	int64_t created_ms;
	bool disabled;
	bool deleting;	       /* its removal has begun: nothing can be added, it accepts no mail */
	const char *catch_all; /* empty: none */
	uint64_t max_users;    /* 0: no limit */
	const char *admins;    /* addresses separated by a space */
	uint64_t users, aliases;
	const char *version; /* another after each change of the record */
};
typedef void directory_on_domain(void *arg, const struct directory_domain *domain, const struct err *err);
void directory_domain_show(struct directory *d, struct str domain, directory_on_domain *cb, void *arg);

/* Verifiers come from auth_make_...(); either may be empty. */
void directory_user_add(struct directory *d, struct str address, struct str password, struct str scram_sha256,
			const struct directory_field *fields, unsigned count, directory_on_done *cb, void *arg);
void directory_user_set(struct directory *d, struct str address, const struct directory_field *fields, unsigned count,
			directory_on_done *cb, void *arg);
/* Adds the account, or changes it if it exists. password NULL: the verifiers stay as they are, or
 * a new account has none. */
void directory_user_put(struct directory *d, struct str address, const struct str *password,
			const struct str *scram_sha256, const struct directory_field *fields, unsigned count,
			directory_on_done *cb, void *arg);
/* Would directory_user_set() accept the field? */
int directory_check_user_field(const struct directory_field *field, struct err *err);
/* As for domains. */
void directory_user_change(struct directory *d, struct str address, struct str version,
			   const struct directory_field *fields, unsigned count, directory_on_done *cb, void *arg);
/* The record as it is stored now; `enabled` is his own, whatever his domain's. */
void directory_user_show(struct directory *d, struct str address, directory_on_user *cb, void *arg);
/* Any users of a domain, each once, at most `count`: for taking them away one after the other. */
void directory_user_pick(struct directory *d, struct str domain, unsigned count, directory_on_names *cb, void *arg);
void directory_user_passwd(struct directory *d, struct str address, struct str password, struct str scram_sha256,
			   directory_on_done *cb, void *arg);
/* Adds a credential under a name that no other of its kind has; name is the end of value.
 * kind: the part of the field up to the colon, with it. ERR_LIMIT: there are `most` already. */
void directory_credential_add(struct directory *d, struct str address, struct str kind,
			      const struct directory_credential *credential, struct str name, unsigned most,
			      directory_on_done *cb, void *arg);
/* Sets the second factor of an account that has none: the sealed secret, and hashes of
 * recovery codes, separated by spaces. sealed empty: removes it. */
void directory_totp_set(struct directory *d, struct str address, struct str sealed, struct str recovery,
			directory_on_done *cb, void *arg);
/* Removes the credential of this kind with this id (the part after the colon) or name. */
void directory_credential_remove(struct directory *d, struct str address, struct str kind, struct str id_or_name,
				 directory_on_done *cb, void *arg);

/* ---- Photos: what LDAP (jpegPhoto), the page and later protocols show ---- */
#define DIRECTORY_PHOTO_MAX (100 * 1024) /* bytes */
/* 0: it is a whole JPEG of a size that can be stored. */
int directory_photo_check(struct str photo, struct err *err);
/* photo empty: none from now on. directory_user_field(u, BOOK_PHOTO) and the address book tell
 * that there is one; the text differs for each photo. */
void directory_photo_set(struct directory *d, struct str address, struct str photo, directory_on_done *cb, void *arg);
/* photo empty: there is none. Borrowed for the call. */
typedef void directory_on_photo(void *arg, struct str photo, const struct err *err);
/* address: canonical. cb is called once, later; it cannot be cancelled. */
void directory_photo_read(struct redis *r, struct str address, directory_on_photo *cb, void *arg);

/* The caller must delete the mailbox. */
void directory_user_delete(struct directory *d, struct str address, directory_on_done *cb, void *arg);
/* Users of one domain; empty: of all. Sorted. To show one user: directory_get_user(). */
void directory_user_list(struct directory *d, struct str domain, directory_on_names *cb, void *arg);

/* Adds targets to the alias, and creates it if needed. A target that leads back
 * to the alias: ERR_INVALID. */
void directory_alias_add(struct directory *d, struct str address, const struct str *targets, unsigned count,
			 directory_on_done *cb, void *arg);
/* Removes these targets. Removes the whole alias if none is given, or none is left. */
void directory_alias_delete(struct directory *d, struct str address, const struct str *targets, unsigned count,
			    directory_on_done *cb, void *arg);
void directory_alias_list(struct directory *d, struct str domain, directory_on_names *cb, void *arg);
void directory_alias_show(struct directory *d, struct str address, directory_on_names *cb, void *arg); /* its targets */

/* ---- Pages of lists: however long the list is, one page costs little memory, and
 * neither the loop nor the store is held ---- */
enum directory_list { DIRECTORY_DOMAINS, DIRECTORY_USERS, DIRECTORY_ALIASES };

#define DIRECTORY_PAGE_MAX 1000

struct directory_page {
	struct str after; /* the names behind this one; empty: from the first */
	struct str query; /* only names that contain it, in any case; empty: all */
	unsigned limit;	  /* 1 to DIRECTORY_PAGE_MAX */
};
/* is_last: there are no further names. */
typedef void directory_on_page(void *arg, const struct str *names, unsigned count, bool is_last, const struct err *err);
/* Sorted. domain: whose users or aliases; ERR_NOT_FOUND if there is no such domain. */
void directory_page(struct directory *d, enum directory_list list, struct str domain, const struct directory_page *page,
		    directory_on_page *cb, void *arg);
/* ---- Address books ----
 * The orders above keep the book of the domain (book:{<domain>}, lib/book/book.h) what the
 * records say. A comparison mends what a crash left, and makes the book of a domain whose
 * accounts are older than books. */
struct directory_comparison {
	uint64_t examined; /* accounts, aliases, and entries of neither */
	uint64_t mended;   /* entries that were missing, wrong or left over */
};
struct directory_comparison_options {
	const char *name; /* of the process, for the lease; copied */
	int64_t due_ms;	  /* since the last one; 0: compare in any case */
	int64_t pause_ms; /* between pages of 250 */
	void (*on_progress)(void *arg, const struct directory_comparison *so_far); /* may be NULL */
};
/* err: ERR_EXISTS (another process compares it now), ERR_DENIED (none is due),
 * ERR_NOT_FOUND (no such domain), ERR_FENCED, ERR_UNAVAILABLE. */
typedef void directory_on_compared(void *arg, const struct directory_comparison *figures, const struct err *err);
/* domain: canonical. directory_cancel() ends it. The callback comes once, later. */
void directory_book_compare(struct directory *d, struct str domain, const struct directory_comparison_options *options,
			    directory_on_compared *cb, void *arg);

#endif
