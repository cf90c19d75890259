/* What protocols other than IMAP and POP3 need from mailboxes: folders of items
 * (calendars, contacts, ...), the log of folders, and ids as addresses.
 *
 * An item is a record like a message's, in a folder of another class than MAIL:
 * its body and digest are in the blob store, it has a UID, an email id and flags,
 * and the change log records its changes. One rule holds for everything built on
 * this: whatever has a body is a record. No other key may hold the id of a blob,
 * because `stagepost sweep` looks only at records and at the spool.
 *
 * Folders of items have a namespace of their own, separate from that of mail
 * folders and shared by all item classes. A folder's path, limits and life cycle
 * are those of a mail folder; it is opened by id (mailbox_status()). */
#ifndef SP_MAILBOX_ITEMS_H
#define SP_MAILBOX_ITEMS_H

#include "lib/mailbox/mailbox.h"

/* ---- Folders, by class and by id ---- */
#define MAILBOX_CLASS_BIT(class) (1u << (class))
#define MAILBOX_CLASSES_ALL	 0xffu

/* Lists the folders of these classes (bits), which may include MAIL, sorted by name.
 * make_first: creates the first folder of each class ("Calendar") if the account
 * never had it. It can be renamed, but not deleted. */
void mailbox_items(struct mailbox_store *m, struct str address, unsigned classes, bool make_first,
		   mailbox_on_folders *cb, void *arg);
/* Like mailbox_create(), for any class but MAIL. ERR_EXISTS: a folder of items, of any class, has this name. */
void mailbox_create_items(struct mailbox_store *m, struct str address, enum mailbox_class class, struct str name,
			  mailbox_on_folder *cb, void *arg);
/* Like mailbox_rename() and mailbox_delete(), for any class; the class does not change. INBOX: ERR_DENIED. */
void mailbox_rename_id(struct mailbox_store *m, struct str address, uint32_t folder_id, struct str to,
		       mailbox_on_done *cb, void *arg);
void mailbox_delete_id(struct mailbox_store *m, struct str address, uint32_t folder_id, mailbox_on_done *cb, void *arg);
/* Changes the class of an empty folder of items. ERR_DENIED: it is not empty, or it
 * is the first folder of its class, or one of the two classes is MAIL. */
void mailbox_reclass(struct mailbox_store *m, struct str address, uint32_t folder_id, enum mailbox_class class,
		     mailbox_on_done *cb, void *arg);

/* ---- The log of folders ----
 * Which folders changed after a modseq: created, renamed (the folders below move
 * along and are not reported), given another class, or deleted. In order. A folder
 * that changes during the read may be reported twice. A change of class is
 * reported as a deletion from the old class, then as a folder whose born_modseq is
 * that of the change. */
struct mailbox_folder_change {
	uint64_t modseq;
	uint32_t id;
	uint32_t parent_id; /* the folder that contains it, of any class; 0: none, or it is gone */
	enum mailbox_class class;
	bool gone;
	struct mailbox_folder folder; /* unless gone; without keywords */
};
struct mailbox_folder_changes {
	const struct mailbox_folder_change *list;
	uint32_t count;
	uint64_t modseq; /* everything up to here has been reported */
	bool complete;	 /* false: the log does not reach back that far; compare with mailbox_items() */
};
typedef void mailbox_on_folder_changes(void *arg, const struct mailbox_folder_changes *changes, const struct err *err);
/* classes: bits. since_modseq 0: all existing folders, and no deletions. */
void mailbox_folders_since(struct mailbox_store *m, struct str address, unsigned classes, uint64_t since_modseq,
			   mailbox_on_folder_changes *cb, void *arg);

/* ---- By id ---- */
struct mailbox_place {
	uint32_t folder_id, uid;
};
typedef void mailbox_on_place(void *arg, const struct mailbox_place *place, const struct err *err);
/* Finds the message or item with this email id, in a folder of any class. If copies
 * share the id, any of them is returned. ERR_NOT_FOUND: it no longer exists. The
 * last thousand places found are remembered; for any other the account is searched,
 * in slices, which takes some milliseconds for 100,000 messages. */
void mailbox_find_email(struct mailbox_store *m, struct str address, uint64_t email_id, mailbox_on_place *cb,
			void *arg);

/* ---- Items put into folders ----
 * An item may have a key (derived from the UID in its text) and a name (that of its
 * resource). Each is unique within the folder, and the item can be found by either.
 * Both stay with its UID and can be queried until its tombstone is removed. */
#define MAILBOX_KEY_BYTES     12
#define MAILBOX_ITEM_NAME_MAX 1000  /* bytes */
#define MAILBOX_EXTRA_MAX     32768 /* bytes */

struct mailbox_put {
	struct str address;
	uint32_t folder_id;	   /* of any class but MAIL */
	uint32_t uid;		   /* of the item to replace, which keeps its UID and email id; 0: a new item */
	uint64_t unchanged_since;  /* modseq of the replaced item; UINT64_MAX: no condition */
	const unsigned char *key;  /* MAILBOX_KEY_BYTES; NULL: none, or unchanged */
	struct str name;	   /* empty: none, or unchanged */
	const unsigned char *once; /* MAILBOX_ONCE_BYTES, as in struct mailbox_filing; NULL: none */
	struct blob_id body, digest;
	uint64_t size;		 /* counts towards the quota, bytes */
	uint16_t flags;		 /* enum mailbox_flag */
	int64_t date;		 /* by class: stored in the cold record in place of the internal date, */
	int16_t kind;		 /* and of the zone */
	const struct str *extra; /* data beside the record; NULL: unchanged; empty: none */
	uint64_t quota_bytes;	 /* 0: no limit */
};
struct mailbox_put_done {
	uint32_t folder_id, uid;
	uint64_t modseq, email_id;
	bool duplicate;	     /* the token was used before: nothing changed, and this is the first result */
	bool took_reference; /* the record owns the references to body and digest; false: the caller drops them */
	uint32_t other_uid;  /* with ERR_EXISTS, when no other field is set: the item that has the key or the name */
};
/* put is NULL when err is not, except with ERR_EXISTS. */
typedef void mailbox_on_put(void *arg, const struct mailbox_put_done *put, const struct err *err);
/* Atomic: readers see the old item or the new one, never a mixture. The references of a
 * replaced item are dropped. ERR_NOT_FOUND (folder, item), ERR_FENCED (changed since),
 * ERR_EXISTS, ERR_OVER_QUOTA (an item that does not grow always fits), ERR_LIMIT (name,
 * extra, UIDs), ERR_DENIED (a mail folder).
 *
 * Each put needs references of its own, even if the body is already stored. After an error
 * that is not certain (mailbox_is_certain()) they are in doubt: they must not be dropped,
 * whatever a later attempt reports, and must not be used again. A retry therefore brings a
 * new body under the same token, so that the put happens once. */
void mailbox_put(struct mailbox_store *m, const struct mailbox_put *put, mailbox_on_put *cb, void *arg);

/* Moves an item to another folder of the same class, where it gets a new UID, or renames it
 * within its folder. Email id, key, extra data and references move along. An empty name keeps
 * the item's name. unchanged_since and cb are as in mailbox_put(); `duplicate` and
 * `took_reference` have no meaning in the result. ERR_DENIED: the folders differ in class, or
 * hold mail. If no answer came, mailbox_find_email() tells where the item is. */
void mailbox_move_item(struct mailbox_store *m, struct str address, uint32_t from_folder, uint32_t uid,
		       uint32_t to_folder, struct str name, uint64_t unchanged_since, mailbox_on_put *cb, void *arg);

/* Finds the item with this key or, if key is NULL, with this name. ERR_NOT_FOUND. */
void mailbox_find_item(struct mailbox_store *m, struct str address, uint32_t folder_id, const unsigned char *key,
		       struct str name, mailbox_on_place *cb, void *arg);

/* One name for each UID in the request (at least one); empty: none. Items that are gone keep their names.
 * For unit tests. */
typedef void mailbox_on_names(void *arg, const struct str *names, uint32_t count, const struct err *err);
void mailbox_get_names(struct mailbox_store *m, struct str address, uint32_t folder_id, const uint32_t *uids,
		       uint32_t count, mailbox_on_names *cb, void *arg);

/* ---- Extra data of records ----
 * Properties of items and of mail that have no place in a body. For mail, whose body
 * never changes, this is the only place. At most MAILBOX_EXTRA_MAX bytes, which must
 * not refer to a blob. Copies and moves take the data along. hot.marks has
 * MAILBOX_EXTRA set if there is any. */
typedef void mailbox_on_extra(void *arg, const struct str *extra, uint32_t count, const struct err *err);
/* One for each UID in the request (at least one); empty: none. */
void mailbox_get_extra(struct mailbox_store *m, struct str address, uint32_t folder_id, const uint32_t *uids,
		       uint32_t count, mailbox_on_extra *cb, void *arg);
/* modseq: that of the record now; 0: nothing changed. */
typedef void mailbox_on_extra_set(void *arg, uint64_t modseq, const struct err *err);
/* Counts as a change, like that of a flag. ERR_NOT_FOUND, ERR_FENCED (unchanged_since), ERR_LIMIT. */
void mailbox_set_extra(struct mailbox_store *m, struct str address, uint32_t folder_id, uint32_t uid, struct str extra,
		       uint64_t unchanged_since, mailbox_on_extra_set *cb, void *arg);

#endif
