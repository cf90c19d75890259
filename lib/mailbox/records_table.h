/* The packed records of mailboxes, one table each: field, bytes, format for
 * Lua's struct.pack. All are little-endian, without gaps.
 *
 * C code gets offsets from MAILBOX_AT(), and the sizes. For a record X the
 * scripts get X (its size in bytes), X_FORMAT, and X_AT.<field>, the offset from
 * 0. */
#ifndef SP_MAILBOX_RECORDS_TABLE_H
#define SP_MAILBOX_RECORDS_TABLE_H

#include <stddef.h>

/* The fields of a message that SELECT, FLAGS and SEARCH need. */
#define MAILBOX_RECORD_HOT(F) \
	F(uid, 4, "I4") \
	F(flags, 2, "I2") /* enum mailbox_flag */ \
	F(size, 6, "I6")  /* RFC822.SIZE, bytes */ \
	F(modseq, 6, "I6") \
	F(email_id, 6, "I6") \
	F(keywords_low, 4, "I4") /* bit n: the folder's keyword n */ \
	F(keywords_high, 4, "I4")

/* The places of the body and the digest, and dates. */
#define MAILBOX_RECORD_COLD(F) \
	F(body, 20, "c20")	  /* BLOB_ID_PACKED */ \
	F(digest, 20, "c20")	  /* none: not yet computed */ \
	F(internal_date, 8, "i8") /* unix seconds */ \
	F(save_date, 4, "I4")	  /* unix seconds: when it was added to this folder */ \
	F(zone_minutes, 2, "i2")  /* of internal_date, as APPEND gave it */ \
	F(reserved, 2, "I2")

/* A tombstone: what an expunge or a move leaves in the folder's log. */
#define MAILBOX_RECORD_STONE(F) \
	F(modseq, 6, "I6") \
	F(uid, 4, "I4") \
	F(email_id, 6, "I6") \
	F(buried, 4, "I4") /* unix seconds */

/* In answers: a message that is gone. A tombstone begins with the same fields. */
#define MAILBOX_RECORD_GONE(F) \
	F(modseq, 6, "I6") \
	F(uid, 4, "I4")

/* A tombstone of a deleted folder in the account's log of folders; its score there is the modseq. */
#define MAILBOX_RECORD_FGONE(F) \
	F(id, 4, "I4") \
	F(class, 2, "I2")  /* enum mailbox_class */ \
	F(buried, 4, "I4") /* unix seconds */

/* The result of a request that carried a token to be executed once. */
#define MAILBOX_RECORD_ONCE(F) \
	F(folder, 4, "I4") \
	F(uid, 4, "I4") \
	F(modseq, 6, "I6") \
	F(email_id, 6, "I6") \
	F(body, 20, "c20") /* BLOB_ID_PACKED */

/* In arguments: UIDs from the first to the last. */
#define MAILBOX_RECORD_RANGE(F) \
	F(first, 4, "I4") \
	F(last, 4, "I4")

/* What a folder holds, and the name of the first folder of that class. IMAP, POP3
 * and delivery see only folders of class MAIL. */
#define MAILBOX_CLASSES_TABLE(F) \
	F(MAIL, 0, INBOX) \
	F(CALENDAR, 1, Calendar) \
	F(CONTACTS, 2, Contacts) \
	F(TASKS, 3, Tasks) \
	F(NOTES, 4, Notes) \
	F(CHAT, 5, Chat) \
	F(FILES, 6, Files) \
	F(NODES, 7, Nodes)

/* Bits of `flags` that IMAP shows and sets. The others are marks: see MAILBOX_MARKS. */
#define MAILBOX_FLAGS_TABLE(F) \
	F(SEEN, 1) \
	F(ANSWERED, 2) \
	F(FLAGGED, 4) \
	F(DELETED, 8) \
	F(DRAFT, 16)

/* Marks that the scripts themselves set. */
#define MAILBOX_MARKS_TABLE(F) F(EXTRA, 32768) /* there is extra data: mailbox_get_extra() */

/* What a change of flags does with the given flags. */
#define MAILBOX_MODES_TABLE(F) \
	F(SET, 0) \
	F(ADD, 1) \
	F(REMOVE, 2)

#define MAILBOX_CHUNK_UIDS 256
#define MAILBOX_KEYWORDS   64 /* at most, per folder */

#define MAILBOX_LAYOUT_FIELD(field, bytes, format) char field[bytes];
struct mailbox_hot_layout {
	MAILBOX_RECORD_HOT(MAILBOX_LAYOUT_FIELD)
};
struct mailbox_cold_layout {
	MAILBOX_RECORD_COLD(MAILBOX_LAYOUT_FIELD)
};
struct mailbox_gone_layout {
	MAILBOX_RECORD_GONE(MAILBOX_LAYOUT_FIELD)
};
struct mailbox_fgone_layout {
	MAILBOX_RECORD_FGONE(MAILBOX_LAYOUT_FIELD)
};
struct mailbox_range_layout {
	MAILBOX_RECORD_RANGE(MAILBOX_LAYOUT_FIELD)
};

/* The offset of a field in the record: MAILBOX_AT(hot, uid). */
#define MAILBOX_AT(record, field) offsetof(struct mailbox_##record##_layout, field)
#define MAILBOX_HOT_BYTES	  sizeof(struct mailbox_hot_layout)
#define MAILBOX_COLD_BYTES	  sizeof(struct mailbox_cold_layout)

#endif
