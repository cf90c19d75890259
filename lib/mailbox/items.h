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

#endif
