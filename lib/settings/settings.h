/* Settings: read from Redis, checked, and in force in every process within a
 * second.
 *
 * A snapshot is immutable. Code that needs a setting asks for the current
 * snapshot at that moment and does not keep it beyond the current event (or
 * uses settings_ref() if it must). A value that does not parse or is out of
 * range changes nothing: the last valid value stays in force, one line is
 * logged, and the field is listed in the hash settings:errors until it is
 * corrected. */
#ifndef SP_SETTINGS_SETTINGS_H
#define SP_SETTINGS_SETTINGS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/ip.h"
#include "lib/base/str.h"
#include "lib/redis/redis.h"
#include "lib/redis/tracking.h"
#include "lib/settings/table.h"

struct settings_list {
	const struct str *items; /* owner: the snapshot */
	unsigned count;
};

#define SETTINGS_TYPE_BOOL     bool
#define SETTINGS_TYPE_INT      int64_t
#define SETTINGS_TYPE_DURATION int64_t /* ms */
#define SETTINGS_TYPE_SIZE     int64_t /* bytes */
#define SETTINGS_TYPE_TEXT     const char *
#define SETTINGS_TYPE_ENUM     int
#define SETTINGS_TYPE_LIST     struct settings_list
#define SETTINGS_TYPE_CIDRS    struct ip_blocks

#define SETTINGS_MEMBER(group, field, type, ...) SETTINGS_TYPE_##type field;
struct settings_pop {
	SETTINGS_POP(SETTINGS_MEMBER)
};
struct settings_imap {
	SETTINGS_IMAP(SETTINGS_MEMBER)
};
struct settings_ldap {
	SETTINGS_LDAP(SETTINGS_MEMBER)
};
struct settings_smtp_in {
	SETTINGS_SMTP_IN(SETTINGS_MEMBER)
};
struct settings_smtp_out {
	SETTINGS_SMTP_OUT(SETTINGS_MEMBER)
};
struct settings_destination {
	SETTINGS_DESTINATION(SETTINGS_MEMBER)
};
struct settings_xmpp {
	SETTINGS_XMPP(SETTINGS_MEMBER)
};
struct settings_ews {
	SETTINGS_EWS(SETTINGS_MEMBER)
};
struct settings_eas {
	SETTINGS_EAS(SETTINGS_MEMBER)
};
struct settings_http {
	SETTINGS_HTTP(SETTINGS_MEMBER)
};
struct settings_acme {
	SETTINGS_ACME(SETTINGS_MEMBER)
};
struct settings_spool {
	SETTINGS_SPOOL(SETTINGS_MEMBER)
};
struct settings_auth {
	SETTINGS_AUTH(SETTINGS_MEMBER)
};
struct settings_mailbox {
	SETTINGS_MAILBOX(SETTINGS_MEMBER)
};
struct settings_spam {
	SETTINGS_SPAM(SETTINGS_MEMBER)
};
struct settings_mail_auth {
	SETTINGS_MAIL_AUTH(SETTINGS_MEMBER)
};
#undef SETTINGS_MEMBER

/* Values of the ENUM settings, in the order of their words. */
enum { ALLOW_RELAY_NOBODY, ALLOW_RELAY_LOCAL_USERS, ALLOW_RELAY_LOCAL_DOMAINS, ALLOW_RELAY_ANYONE };
enum { RECEIVED_LINE_ALL, RECEIVED_LINE_AUTHENTICATED, RECEIVED_LINE_NONE };
enum { SMTP_PRIORITY_WORD_LOW, SMTP_PRIORITY_WORD_NORMAL, SMTP_PRIORITY_WORD_HIGH };
enum { MTA_STS_OFF, MTA_STS_NONE, MTA_STS_TESTING, MTA_STS_ENFORCE };
enum { AUTH_MATCH_NONE, AUTH_MATCH_DOMAIN, AUTH_MATCH_EMAIL };
enum { WHEN_FULL_LATER, WHEN_FULL_REFUSE, WHEN_FULL_REPORT };
enum { SPAM_UNAVAILABLE_ACCEPT, SPAM_UNAVAILABLE_DEFER };
enum { VIRUS_ACTION_HOLD, VIRUS_ACTION_JUNK };
enum { SPAM_ACTION_JUNK, SPAM_ACTION_TAG, SPAM_ACTION_NONE };
enum { MILTER_DEFAULT_ACCEPT, MILTER_DEFAULT_TEMPFAIL, MILTER_DEFAULT_REJECT };
enum { SPF_FAIL_NONE, SPF_FAIL_JUNK, SPF_FAIL_REFUSE };
enum { LDAP_VISIBLE_OWN_DOMAIN, LDAP_VISIBLE_ALL_DOMAINS, LDAP_VISIBLE_SELF };
enum { OUTBOUND_SPAM_SEND, OUTBOUND_SPAM_HOLD };

struct settings;      /* a snapshot */
struct settings_live; /* the current snapshot of a process, kept up to date */

/* Reads the settings (until then, and while Redis has not been reached, the
 * defaults are in force), then follows changes by tracking, with a poll every
 * 30 s as a fallback. All three are borrowed for its lifetime; t NULL: only the
 * poll. report_errors: this process writes settings:errors (one kind of process
 * is enough, several do no harm). A tracking watch cannot be removed: after
 * settings_live_free() the loop must not run again before tracking_free(). */
struct settings_live *settings_live_new(struct event_base *base, struct redis *r, struct tracking *t,
					bool report_errors);
void settings_live_free(struct settings_live **l);
/* Called when the first read is done, then after each change, with the new
 * snapshot in force. Several watchers are called in the order in which they
 * were added. */
void settings_live_watch(struct settings_live *l, void (*on_change)(void *arg, const struct settings *s), void *arg);
/* Removes a watcher, also from within a watcher. Must be called before arg is
 * freed, unless the loop does not run again. */
void settings_live_unwatch(struct settings_live *l, void (*on_change)(void *arg, const struct settings *s), void *arg);
bool settings_live_is_read(const struct settings_live *l);

/* Never NULL: defaults before the first read. */
const struct settings *settings_current(const struct settings_live *l);
/* A 64-bit hash of the content in force: equal in all processes that have the
 * same settings in force, different otherwise. */
uint64_t settings_version(const struct settings *s);
const struct settings *settings_ref(const struct settings *s);
void settings_unref(const struct settings **s);
/* All defaults; static, need not be freed. */
const struct settings *settings_defaults(void);

/* A group with the overrides of a domain (STR_NONE: none; case is ignored).
 * Borrowed from the snapshot. */
#define SETTINGS_ACCESSOR(group, name, help) \
	const struct settings_##group *settings_##group(const struct settings *s, struct str domain);
SETTINGS_GROUPS(SETTINGS_ACCESSOR)
#undef SETTINGS_ACCESSOR

/* Our name in Authentication-Results: settings:mail-auth authserv_id, or that of this server. */
const char *settings_authserv_id(const struct settings *s, const char *hostname);

/* ---- For the tool: the table as data ---- */
enum settings_type {
	SETTING_BOOL,
	SETTING_INT,
	SETTING_DURATION,
	SETTING_SIZE,
	SETTING_TEXT,
	SETTING_ENUM,
	SETTING_LIST,
	SETTING_CIDRS
};
enum settings_scope { SCOPE_GLOBAL, SCOPE_DOMAIN };
enum { PLANNED = 0x100 }; /* a flag beside a scope in the table */

struct settings_row {
	const char *group; /* "smtp-in" */
	const char *field;
	enum settings_type type;
	const char *default_text;
	const char *unit; /* of a bare number, or the words of an ENUM */
	int64_t min, max;
	enum settings_scope scope;
	bool planned; /* not used yet */
	const char *help;
};
/* All rows, in the order of the table. */
const struct settings_row *settings_rows(unsigned *count_out);
const struct settings_row *settings_row_find(struct str group, struct str field);
/* Lists show only whether it is set. */
bool settings_is_secret(const struct settings_row *row);
/* The nearest known "field" of the group, or NULL if none is similar. */
const char *settings_nearest(struct str group, struct str field);
/* Does the row allow this text as a value? If not, the reason is in err. */
int settings_check_value(const struct settings_row *row, struct str text, struct err *err);
/* The allowed values in words: "1 to 1000", "nobody|local_users|...", "1s to 1d". */
void settings_describe_allowed(const struct settings_row *row, char *out, size_t size);
/* Appends the value in force as an operator would write it (STR_NONE: no
 * domain). */
void settings_value_text(const struct settings *s, const struct settings_row *row, struct str domain, struct buf *out);
/* "duration", "word", ... */
const char *settings_type_name(enum settings_type type);

/* name: "<group>.<field>", "<group>:<domain>.<field>" or the hash's "<group>". */
typedef void settings_on_finding(void *arg, const char *name, const char *text);
/* Values that are allowed but dangerous: an open relay, ... */
void settings_warnings(const struct settings *s, settings_on_finding *on_warning, void *arg);
/* The invalid entries in Redis: the content of settings:errors. */
void settings_live_errors(const struct settings_live *l, settings_on_finding *on_error, void *arg);

/* Appends docs/settings.md to out. */
void settings_reference(struct buf *out);

#endif
