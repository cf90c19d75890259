/* Accounts in a file: what an import reads, and what of it is wrong. Pure.
 *
 * CSV (csv.h): the first row names the columns: `address`, `password` (plain), `password_hash`,
 * `scram_sha256`, and the fields of an account, by their own names or those of LDAP. An empty
 * value removes the field; of password, hash, enabled and book it means: as it is.
 * LDIF (ldif.h): an entry of a person has `mail`, and attributes of fields_table.h;
 * `userPassword` is plain, or a hash behind its scheme, and `jpegPhoto` a photo, which CSV
 * cannot have. Entries that are no persons
 * (organizations, groups) are passed over. What an entry does not mention stays as it is. */
#ifndef SP_ADMIN_PEOPLE_H
#define SP_ADMIN_PEOPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/admin/ldif.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/directory/directory.h"

/* What an account has beside the fields of fields_table.h. */
#define PEOPLE_OWN_FIELDS(F) \
	F("quota", "stagepostQuota") \
	F("enabled", "stagepostEnabled") F("roles", "stagepostRoles") F("book", "stagepostBook")
#define PEOPLE_SCRAM_ATTRIBUTE "authPassword" /* RFC 3112 */
#define PEOPLE_PHOTO_ATTRIBUTE "jpegPhoto"

enum people_format { PEOPLE_CSV, PEOPLE_LDIF };
/* LDIF if it begins with a line such as "version: 1" or "dn: ...". */
enum people_format people_guess_format(struct str text);

struct people_account {
	uint64_t line;
	struct str address;		/* canonical */
	struct directory_field *fields; /* valid ones */
	unsigned count;
	struct str plain;	/* empty: none given */
	struct str hash, scram; /* verifiers to store; hash empty: none given */
	struct str photo;	/* if has_photo; empty: none from now on */
	bool has_photo;
	bool exists; /* filled by the import (import.h) */
};

struct people_complaint {
	uint64_t line;
	const char *text;
};

/* Further complaints are not kept; the file is not read to its end then. */
enum { PEOPLE_COMPLAINTS_MAX = 10000 };

/* Everything is in the arena, or in the text that was read. */
struct people {
	struct arena arena;
	bool with_roles;       /* set before reading; else roles are refused, and no roles (empty) mean: as it is */
	bool has_more;	       /* there were more complaints than are kept */
	struct buf accounts;   /* struct people_account */
	struct buf complaints; /* struct people_complaint, in the order in which they were found */
};

void people_init(struct people *p);
void people_fini(struct people *p); /* passwords are wiped */
/* Reads all. text must outlive p. Calls back now and then; on_progress may be NULL. */
void people_read(struct people *p, enum people_format format, struct str text,
		 void (*on_progress)(void *arg, size_t bytes), void *arg);

struct people_account *people_account(const struct people *p, size_t i);
size_t people_count(const struct people *p);
const struct people_complaint *people_complaint(const struct people *p, size_t i);
size_t people_complaint_count(const struct people *p);
/* What is no UTF-8 or a control character is shown as "?": the text goes to terminals. */
__attribute__((format(printf, 3, 4))) void people_complain(struct people *p, uint64_t line, const char *format, ...);

#endif
