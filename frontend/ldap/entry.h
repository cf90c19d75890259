/* An entry of the directory as its attributes: what filters look at and answers show. */
#ifndef SP_FRONTEND_LDAP_ENTRY_H
#define SP_FRONTEND_LDAP_ENTRY_H

#include "frontend/ldap/dn.h"
#include "frontend/ldap/schema.h"
#include "lib/base/arena.h"
#include "lib/base/str.h"
#include "lib/book/book.h"

/* What the root DSE offers; StartTLS only where it is possible. */
#define LDAP_OID_START_TLS	"1.3.6.1.4.1.1466.20037"
#define LDAP_OID_WHO_AM_I	"1.3.6.1.4.1.4203.1.11.3"
#define LDAP_OID_PASSWORD	"1.3.6.1.4.1.4203.1.11.1"
#define LDAP_OID_CANCEL		"1.3.6.1.1.8"
#define LDAP_OID_PAGED		"1.2.840.113556.1.4.319"
#define LDAP_OID_SORT		"1.2.840.113556.1.4.473"
#define LDAP_OID_SORTED		"1.2.840.113556.1.4.474"
#define LDAP_OID_MANAGE_DSA_IT	"2.16.840.1.113730.3.4.2"
#define LDAP_OID_DISCONNECTION	"1.3.6.1.4.1.1466.20036"
#define LDAP_EXTENSIONS_OFFERED LDAP_OID_WHO_AM_I " " LDAP_OID_CANCEL
#define LDAP_CONTROLS_OFFERED	LDAP_OID_PAGED " " LDAP_OID_SORT " " LDAP_OID_MANAGE_DSA_IT
/* All operational attributes ("+", RFC 3673); absolute True and False filters (RFC 4526). */
#define LDAP_FEATURES_OFFERED "1.3.6.1.4.1.4203.1.5.1 1.3.6.1.4.1.4203.1.5.3"

/* What makes accounts and lists those of Linux machines (RFC 2307), by the settings of
 * their domain. */
struct ldap_posix {
	struct str home, shell;	  /* home: with variables */
	int64_t primary_group;	  /* gidNumber of accounts */
	const struct str *groups; /* local parts of lists that are groups */
	unsigned group_count;
};

/* Texts that are made, not stored, are in the arena of the call. */
struct ldap_entry {
	enum ldap_kind kind;
	struct str domain;		 /* from LDAP_DOMAIN on */
	const struct book_entry *person; /* LDAP_USER, LDAP_GROUP */
	const struct ldap_root *root;	 /* LDAP_ROOT */
	const struct book *book;	 /* LDAP_GROUP: tells members that are groups; NULL: not known */
	bool with_hidden;		 /* shows members that are hidden */
	struct str viewer;		 /* the address of a hidden one who sees itself */
	const struct ldap_posix *posix;	 /* NULL: they are not */
	struct str photo;		 /* LDAP_USER: once it has been read (photo.c) */
};

/* What the root DSE says to this client. */
struct ldap_root {
	struct str context;    /* DN of the naming context; empty: the client has yet to log in */
	struct str mechanisms; /* of SASL, separated by spaces */
	bool offers_tls;
};

/* The values of one attribute, none of its subtypes. */
struct ldap_values {
	const struct str *items;
	unsigned count;
};
struct ldap_values ldap_entry_values(const struct ldap_entry *e, enum ldap_attribute a, struct arena *arena);
/* The fields of the book in which all values of the attribute are found, at the beginning of the field's
 * value or of one of its words; 0: they are made by us. */
uint32_t ldap_attribute_fields(enum ldap_attribute a);
struct str ldap_entry_dn(const struct ldap_entry *e, struct arena *arena);
struct str ldap_entry_local_part(const struct ldap_entry *e);
/* A member of the list. False: it is hidden from the client. *found_out: has it an entry? */
bool ldap_entry_shows_member(const struct ldap_entry *e, struct str address, struct book_entry *entry_out,
			     bool *found_out);

/* ---- posix.c ---- */
/* Is it a posixAccount or posixGroup? */
bool ldap_posix_is(const struct ldap_entry *e);
struct ldap_values ldap_posix_values(const struct ldap_entry *e, enum ldap_attribute a, struct arena *arena);

/* ---- subschema.c ---- */
struct ldap_values ldap_subschema_values(enum ldap_attribute a); /* made once, for ever */

#endif
