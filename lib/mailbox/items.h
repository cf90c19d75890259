/* What other protocols than IMAP and POP3 need of mailboxes: folders of items
 * (calendars, contacts, ...), the log of folders, and ids as addresses.
 *
 * An item is a record like a message's, in a folder of another class than MAIL:
 * its body and digest lie in the blob store, it has a UID, an email id and flags,
 * and the change log tells of it. Rule for all that is built on this: what has a
 * body is a record. No other key holds the id of a blob, for `stagepost sweep`
 * asks records and the spool alone.
 *
 * Folders of items have names of their own beside those of mail, in one space
 * for all their classes. A folder's path, limits and life are as a mail folder's;
 * it is opened by id (mailbox_status()). */
#ifndef SP_MAILBOX_ITEMS_H
#define SP_MAILBOX_ITEMS_H

#include "lib/mailbox/mailbox.h"

/* ---- Folders, by class and by id ---- */
#define MAILBOX_CLASS_BIT(class) (1u << (class))
#define MAILBOX_CLASSES_ALL	 0xffu

/* Folders of these classes (bits), mail among them; in order of name. make_first: the
 * first folder of each class comes into being where it never was ("Calendar"); it
 * can be renamed, but is never deleted. */
void mailbox_items(struct mailbox_store *m, struct str address, unsigned classes, bool make_first,
		   mailbox_on_folders *cb, void *arg);
/* As mailbox_create(); class: not MAIL. ERR_EXISTS: a folder of items of any class has the name. */
void mailbox_create_items(struct mailbox_store *m, struct str address, enum mailbox_class class, struct str name,
			  mailbox_on_folder *cb, void *arg);
/* As mailbox_rename() and mailbox_delete(), of any class; the class stays. INBOX: ERR_DENIED. */
void mailbox_rename_id(struct mailbox_store *m, struct str address, uint32_t folder_id, struct str to,
		       mailbox_on_done *cb, void *arg);
void mailbox_delete_id(struct mailbox_store *m, struct str address, uint32_t folder_id, mailbox_on_done *cb, void *arg);
/* An empty folder of items becomes one of other items. ERR_DENIED: there is something
 * in it, or it is the first of its kind, or one of both is MAIL. */
void mailbox_reclass(struct mailbox_store *m, struct str address, uint32_t folder_id, enum mailbox_class class,
		     mailbox_on_done *cb, void *arg);

/* ---- The log of folders ----
 * Which folders changed after a modseq: made, renamed (those below go along, and
 * are not told of), of another class, deleted. In order; one that changes while it
 * is read may be told twice. A change of class is told as a deletion from the old
 * class and then as the folder, whose born_modseq is that of the change. */
struct mailbox_folder_change {
	uint64_t modseq;
	uint32_t id;
	uint32_t parent_id; /* the folder that it lies in, of any class; 0: in none, or it is gone */
	enum mailbox_class class;
	bool gone;
	struct mailbox_folder folder; /* unless gone; without keywords */
};
struct mailbox_folder_changes {
	const struct mailbox_folder_change *list;
	uint32_t count;
	uint64_t modseq; /* all up to it has been told */
	bool complete;	 /* false: the log does not reach back so far; compare with mailbox_items() */
};
typedef void mailbox_on_folder_changes(void *arg, const struct mailbox_folder_changes *changes, const struct err *err);
/* classes: bits. since_modseq 0: all that there are, and nothing that is gone. */
void mailbox_folders_since(struct mailbox_store *m, struct str address, unsigned classes, uint64_t since_modseq,
			   mailbox_on_folder_changes *cb, void *arg);

/* ---- By id ---- */
struct mailbox_place {
	uint32_t folder_id, uid;
};
typedef void mailbox_on_place(void *arg, const struct mailbox_place *place, const struct err *err);
/* A place where the message or item with this email id is, in a folder of any class;
 * where copies share the id, any of theirs. ERR_NOT_FOUND: it is no more. The last
 * thousand found are remembered; any other costs a look through the account: some
 * milliseconds for 100,000 messages, in slices. */
void mailbox_find_email(struct mailbox_store *m, struct str address, uint64_t email_id, mailbox_on_place *cb,
			void *arg);

/* ---- Items put into folders ----
 * An item may have a key (of the UID in its text: no two items of a folder have the
 * same) and a name (of its resource, likewise). Both lead to it; both stay with its
 * UID, and can be asked for until its tombstone goes. */
#define MAILBOX_KEY_BYTES     12
#define MAILBOX_ITEM_NAME_MAX 1000  /* bytes */
#define MAILBOX_EXTRA_MAX     32768 /* bytes */

struct mailbox_put {
	struct str address;
	uint32_t folder_id;	   /* of another class than MAIL */
	uint32_t uid;		   /* of the item that it replaces, which keeps UID and email id; 0: a new one */
	uint64_t unchanged_since;  /* of the one replaced, a modseq; UINT64_MAX: no condition */
	const unsigned char *key;  /* MAILBOX_KEY_BYTES; NULL: none, or as it is */
	struct str name;	   /* empty: none, or as it is */
	const unsigned char *once; /* MAILBOX_ONCE_BYTES, as in struct mailbox_filing; NULL: none */
	struct blob_id body, digest;
	uint64_t size;		 /* counted in the quota, bytes */
	uint16_t flags;		 /* enum mailbox_flag */
	int64_t date;		 /* by class: what stands in a cold record for the internal date, */
	int16_t kind;		 /* and for the zone */
	const struct str *extra; /* what lies beside it; NULL: as it is; empty: nothing */
	uint64_t quota_bytes;	 /* 0: no limit */
};
struct mailbox_put_done {
	uint32_t folder_id, uid;
	uint64_t modseq, email_id;
	bool duplicate;	     /* of an earlier one with the same token: nothing changed, this is what was done then */
	bool took_reference; /* the references to body and digest are the record's; else (a duplicate) they are
			      * the caller's, to be dropped */
	uint32_t other_uid;  /* with ERR_EXISTS, and then nothing else is said: whose the key or the name is */
};
/* put is NULL when err is not, but for ERR_EXISTS. */
typedef void mailbox_on_put(void *arg, const struct mailbox_put_done *put, const struct err *err);
/* In one step: the old item or the new one is there, never half of it. The references
 * of what was replaced are dropped. ERR_NOT_FOUND (folder, item), ERR_FENCED (changed
 * since), ERR_EXISTS, ERR_OVER_QUOTA (one that does not grow always fits), ERR_LIMIT
 * (name, extra, UIDs), ERR_DENIED (a folder of mail).
 *
 * Each put brings references of its own, also where the body is the one that is there
 * already. After an error that is not certain (mailbox_is_certain()) they are in doubt: not
 * dropped, whatever a later try says, and not used again. So a try again brings a new
 * body, under the same token, so that it is done once. */
void mailbox_put(struct mailbox_store *m, const struct mailbox_put *put, mailbox_on_put *cb, void *arg);

/* To another folder of the same class, where it gets a new UID; or within its folder, to
 * another name. Email id, key, what lies beside it, and references go along; so does the name
 * (empty), or it gets this one. unchanged_since, and cb, as in mailbox_put(); of the answer
 * `duplicate` and `took_reference` say nothing. ERR_DENIED: the folders are of different
 * classes, or of mail. Where no answer came, mailbox_find_email() tells. */
void mailbox_move_item(struct mailbox_store *m, struct str address, uint32_t from_folder, uint32_t uid,
		       uint32_t to_folder, struct str name, uint64_t unchanged_since, mailbox_on_put *cb, void *arg);

/* The item with this key, or, where key is NULL, with this name. ERR_NOT_FOUND. */
void mailbox_find_item(struct mailbox_store *m, struct str address, uint32_t folder_id, const unsigned char *key,
		       struct str name, mailbox_on_place *cb, void *arg);

/* Names by UID, one for each that was asked for (some, not none), empty: none; also of items that are gone. */
typedef void mailbox_on_names(void *arg, const struct str *names, uint32_t count, const struct err *err);
void mailbox_get_names(struct mailbox_store *m, struct str address, uint32_t folder_id, const uint32_t *uids,
		       uint32_t count, mailbox_on_names *cb, void *arg);

/* ---- What lies beside records ----
 * Properties that have no place in a body, of items and of mail alike: for mail, whose
 * body never changes, the only place. At most MAILBOX_EXTRA_MAX bytes; no blob is named
 * there. It goes along with copies and moves. hot.marks has MAILBOX_EXTRA where
 * there is any. */
typedef void mailbox_on_extra(void *arg, const struct str *extra, uint32_t count, const struct err *err);
/* One for each UID that was asked for (some, not none); empty: nothing. */
void mailbox_get_extra(struct mailbox_store *m, struct str address, uint32_t folder_id, const uint32_t *uids,
		       uint32_t count, mailbox_on_extra *cb, void *arg);
/* modseq: of the record now; 0: it was so already. */
typedef void mailbox_on_extra_set(void *arg, uint64_t modseq, const struct err *err);
/* A change like that of a flag. ERR_NOT_FOUND, ERR_FENCED (unchanged_since), ERR_LIMIT. */
void mailbox_set_extra(struct mailbox_store *m, struct str address, uint32_t folder_id, uint32_t uid, struct str extra,
		       uint64_t unchanged_since, mailbox_on_extra_set *cb, void *arg);

#endif
