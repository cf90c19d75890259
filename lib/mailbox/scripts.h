/* The arguments and answers of each script in this directory, by name.
 *
 * MAILBOX_SCRIPT(copy); in a C file embeds copy.lua, preceded by the
 * declarations made from this file and records_table.h, and by prelude/:
 *
 *  - MAILBOX_TAKES_copy gives C a struct mailbox_copy_args and
 *    mailbox_copy_ask(), which calls the script with it; the script finds each
 *    argument in a local of its name. Where more follow than a table can name,
 *    C makes them with mailbox_copy_takes(), and `more` is their place in ARGV.
 *  - MAILBOX_ANSWERS_copy gives the script answer{name = value, ...}, and C a
 *    struct mailbox_copy_answer with mailbox_copy_answer(). What the script
 *    left out is a nil reply.
 *
 * Kinds of arguments:
 *	TEXT	struct str	a string
 *	ID	uint64_t	its decimal digits, for names of keys
 *	NUMBER	uint64_t	a number
 *	OPTION	uint64_t	a number; UINT64_MAX: nil
 *	FLAG	bool		true or false */
#ifndef SP_MAILBOX_SCRIPTS_H
#define SP_MAILBOX_SCRIPTS_H

#include "lib/mailbox/script_made.h"

/* ---- The tables ---- */

/* A message filed into an account: lib/mailbox/file.c. */
#define MAILBOX_TAKES_file(A) \
	A(TEXT, name)	     /* of the folder; empty: INBOX */ \
	A(FLAG, create)	     /* if it is missing */ \
	A(NUMBER, quota)     /* bytes; 0: none */ \
	A(NUMBER, now)	     /* unix seconds, of the caller */ \
	A(OPTION, exchange)  /* folder of a message to remove in exchange */ \
	A(NUMBER, old)	     /* its UID */ \
	A(TEXT, once)	     /* token; empty: none */ \
	A(NUMBER, retention) /* of its tombstone, s */ \
	A(TEXT, spool_id)    /* empty: not a delivery, and the arguments below are unused */ \
	A(TEXT, way_name)    /* what chose the folder; empty: nothing did */ \
	A(NUMBER, spooled)   /* when it entered the spool, unix seconds */ \
	A(NUMBER, begun)     /* when this attempt began */ \
	A(NUMBER, life)	     /* of the ledger, s */ \
	A(FLAG, in_doubt) \
	A(FLAG, passes) /* the spool's reference */
/* For a duplicate found in the ledger, only `duplicate` and `had_passed`. */
#define MAILBOX_ANSWERS_file(F) \
	F(duplicate)  /* 1: it was delivered before */ \
	F(had_passed) /* 1: the earlier delivery took the spool's reference; by `once`: the reference to this body */ \
	F(uid_validity) \
	F(first_uid) \
	F(modseq) \
	F(first_email_id) \
	F(removal)  /* modseq of the removal in exchange */ \
	F(previous) /* modseq of its folder before */ \
	F(cold)	    /* its record */

#define MAILBOX_TAKES_copy(A) \
	A(ID, from)	/* folder */ \
	A(TEXT, packed) /* ranges */ \
	A(TEXT, name)	/* of the target folder */ \
	A(FLAG, move) \
	A(TEXT, uids)	     /* of a copy: packed, all in the ranges */ \
	A(TEXT, cold)	     /* and their records, to which references were added */ \
	A(NUMBER, quota)     /* bytes; 0: none */ \
	A(NUMBER, now)	     /* unix seconds */ \
	A(NUMBER, retention) /* s */
#define MAILBOX_ANSWERS_copy(F) \
	F(uid_validity) \
	F(from_uids) /* packed */ \
	F(to_uids)   /* packed, in the order of the sources */ \
	F(modseq)    /* 0: there was nothing to copy */

/* Messages that are about to be copied. */
#define MAILBOX_TAKES_source(A) \
	A(ID, id)     /* folder */ \
	A(TEXT, uids) /* packed, ascending */
#define MAILBOX_ANSWERS_source(F) \
	F(uids) /* packed: those that exist */ \
	F(cold) /* their records */

/* A copy in steps (staging.c): opened, filled, then published or dropped. */
#define MAILBOX_TAKES_stage_open(A) \
	A(ID, from)	 /* folder */ \
	A(TEXT, name)	 /* of the target folder */ \
	A(TEXT, token)	 /* unique to this copy */ \
	A(NUMBER, lease) /* ms */
#define MAILBOX_ANSWERS_stage_open(F) \
	F(copy)	  /* handle for the other steps */ \
	F(doomed) /* ids of folders that are being removed */
#define MAILBOX_TAKES_stage_add(A) \
	A(TEXT, copy) \
	A(ID, from) \
	A(TEXT, uids)	 /* packed, ascending */ \
	A(TEXT, cold)	 /* their records */ \
	A(NUMBER, quota) /* bytes; 0: none */ \
	A(NUMBER, now)	 /* unix seconds */ \
	A(NUMBER, lease)
#define MAILBOX_ANSWERS_stage_add(F) F(uids) /* packed: those that are still there */
#define MAILBOX_TAKES_stage_publish(A) \
	A(TEXT, copy) \
	A(NUMBER, count) /* of its messages */ \
	A(NUMBER, quota)
#define MAILBOX_ANSWERS_stage_publish(F) \
	F(uid_validity) \
	F(first_uid) /* of `count` consecutive ones */ \
	F(modseq)
#define MAILBOX_TAKES_stage_drop(A) A(TEXT, copy)
#define MAILBOX_ANSWERS_stage_drop(F)

#define MAILBOX_TAKES_store(A) \
	A(ID, id) \
	A(TEXT, packed)	  /* ranges */ \
	A(NUMBER, mode)	  /* MODE */ \
	A(NUMBER, mask)	  /* the flags that the call may change */ \
	A(NUMBER, set)	  /* flags, within the mask */ \
	A(TEXT, keywords) /* names, separated by spaces */ \
	A(OPTION, limit)  /* modseq: newer messages are left alone (UNCHANGEDSINCE) */
#define MAILBOX_ANSWERS_store(F) \
	F(modseq)   /* 0: nothing changed */ \
	F(hot)	    /* records of all that exist, as they are now */ \
	F(modified) /* packed UIDs: newer than the limit */ \
	F(keywords) /* bit, name, ...: of the folder, now */ \
	F(previous) /* modseq of the folder before */

#define MAILBOX_TAKES_expunge(A) \
	A(ID, id) \
	A(TEXT, packed)	     /* ranges */ \
	A(FLAG, only)	     /* only those with \Deleted */ \
	A(NUMBER, now)	     /* unix seconds */ \
	A(NUMBER, retention) /* s */
#define MAILBOX_ANSWERS_expunge(F) \
	F(modseq) \
	F(uids)	    /* packed */ \
	F(cold)	    /* records */ \
	F(previous) /* modseq of the folder before */

/* Pages: so many chunks of a folder at a time (lib/mailbox/read.c). */
#define MAILBOX_TAKES_read(A) \
	A(ID, id) \
	A(NUMBER, first) /* UID */ \
	A(NUMBER, last) \
	A(FLAG, want_cold) \
	A(NUMBER, since) /* modseq; 0: all */ \
	A(OPTION, begun) /* modseq of the folder at the first page of this pass */ \
	A(OPTION, from)	 /* modseq: also return what is gone after it */
/* Whole chunks; the caller drops what is outside the range. */
#define MAILBOX_ANSWERS_read(F) \
	F(modseq) \
	F(uid_next) \
	F(uid_validity) \
	F(hot) /* chunks */ \
	F(cold) \
	F(next)	    /* UID to continue with; nil: that was all, and if nothing changed since `begun`: */ \
	F(gone)	    /* packed */ \
	F(more)	    /* modseq: gone.lua returns what is gone after it; 0: that was all */ \
	F(complete) /* 1: the log reaches back that far */

#define MAILBOX_TAKES_changes(A) \
	A(ID, id) \
	A(NUMBER, first) /* UID to continue with */ \
	A(NUMBER, since) /* modseq */ \
	A(OPTION, begun) \
	A(NUMBER, from) \
	A(FLAG, take) /* claim the recent messages */
#define MAILBOX_ANSWERS_changes(F) \
	F(modseq) \
	F(uid_next) \
	F(uid_validity) \
	F(hot)	/* chunks */ \
	F(next) /* as above; then with the other fields: */ \
	F(gone) \
	F(more) \
	F(complete) \
	F(fields) /* of the folder, before the claim */ \
	F(keywords)

#define MAILBOX_TAKES_gone(A) \
	A(ID, id) \
	A(NUMBER, since) /* modseq */
#define MAILBOX_ANSWERS_gone(F) \
	F(gone) \
	F(more) \
	F(complete)

#define MAILBOX_TAKES_bodies(A) \
	A(NUMBER, since) /* modseq; 0: all */ \
	A(NUMBER, id)	 /* folder to begin with */ \
	A(NUMBER, chunk) /* and the chunk in it */
#define MAILBOX_ANSWERS_bodies(F) \
	F(modseq) /* of the account */ \
	F(folder) /* to continue with; 0: that was all */ \
	F(chunk) \
	F(cold)	  /* chunks */ \
	F(doomed) /* ids of folders that are being removed */

#define MAILBOX_TAKES_digest(A) \
	A(ID, id) \
	A(NUMBER, wanted) /* UID */ \
	A(TEXT, digest)	  /* packed blob id */
#define MAILBOX_ANSWERS_digest(F)

#define MAILBOX_TAKES_lock(A) \
	A(TEXT, verb) /* take, renew, release */ \
	A(TEXT, token) \
	A(ID, lease) /* ms */
#define MAILBOX_ANSWERS_lock(F)

/* Then for each annotation: name, 1 or 0 (removed), value. */
#define MAILBOX_TAKES_metadata(A) \
	A(ID, id) /* of the folder; 0: the account's */ \
	A(NUMBER, most)
#define MAILBOX_ANSWERS_metadata(F)

/* The counts of a folder, in the order of `fields`. They come from its hash mail:{a}:f:<id>. */
#define MAILBOX_ANSWERS_folder(F) \
	F(id) /* not in the hash */ \
	F(name) \
	F(special) \
	F(subscribed) \
	F(class) /* CLASS; none: mail. What a list of names needs ends here. */ \
	F(uidvalidity) \
	F(uidnext) \
	F(modseq) \
	F(count) \
	F(unseen) \
	F(deleted) \
	F(bytes) \
	F(deleted_bytes) \
	F(recent) /* first UID that no session has taken */ \
	F(recent_count) \
	F(born) /* modseq */

/* What a page is of: names of mail, names of items, subscribed names without a folder. */
#define MAILBOX_PARTS_TABLE(F) \
	F(NAMES, 0) \
	F(ITEMS, 1) \
	F(SUBS, 2)

#define MAILBOX_TAKES_list(A) \
	A(NUMBER, classes) /* bit n: class n */ \
	A(FLAG, make)	   /* the first folder of each, where it is missing */ \
	A(FLAG, counts)	   /* all fields; else those up to class */ \
	A(NUMBER, most)	   /* folders or names, about */ \
	A(NUMBER, part)	   /* PART */ \
	A(TEXT, cursor)	   /* in it; empty: from its beginning */
#define MAILBOX_ANSWERS_list(F) \
	F(renames) /* how many there have been: where it differs, a pass is not of one state */ \
	F(next)	   /* cursor in the part; 0: the part has ended */ \
	F(folders) /* fields of each */ \
	F(missing) /* subscribed names without a folder */ \
	F(doomed)  /* of the first page: ids of folders that are being removed */

/* By id, or by name if there is no id. */
#define MAILBOX_TAKES_open(A) \
	A(TEXT, name) \
	A(OPTION, id)
#define MAILBOX_ANSWERS_open(F) \
	F(fields) \
	F(keywords)

#define MAILBOX_TAKES_select(A) \
	A(TEXT, name) \
	A(FLAG, take) /* claim the recent messages */
#define MAILBOX_ANSWERS_select(F) \
	F(fields) /* before the claim */ \
	F(keywords) \
	F(first_unseen) /* sequence number; 0: none, or too far away to search for */

#define MAILBOX_TAKES_create(A) \
	A(TEXT, name) \
	A(TEXT, special) \
	A(NUMBER, class)
#define MAILBOX_ANSWERS_create(F) \
	F(fields) \
	F(keywords)

/* By id or, if there is none, by the name of a mail folder. */
#define MAILBOX_TAKES_rename(A) \
	A(OPTION, id) \
	A(TEXT, from) \
	A(TEXT, to) \
	A(NUMBER, most) /* folders that one script renames */
/* Of a rename that is to go by steps; else nothing. */
#define MAILBOX_ANSWERS_rename(F) \
	F(id) \
	F(class) \
	F(from) \
	F(tree) \
	F(unfinished) /* token of one whose last steps are to be done first */
#define MAILBOX_TAKES_rename_stage(A) \
	A(NUMBER, class) \
	A(TEXT, token) \
	A(TEXT, from) \
	A(TEXT, to) \
	A(TEXT, tree) /* of the names, when it was begun */ \
	A(TEXT, cursor) \
	A(NUMBER, most)
#define MAILBOX_ANSWERS_rename_stage(F) \
	F(changed) /* 1: the names are no more those that it was begun with */ \
	F(next)
#define MAILBOX_TAKES_rename_publish(A) \
	A(ID, id) \
	A(NUMBER, class) \
	A(TEXT, token) \
	A(TEXT, from) \
	A(TEXT, to) \
	A(TEXT, tree)
#define MAILBOX_ANSWERS_rename_publish(F) F(changed)
#define MAILBOX_TAKES_rename_names(A) \
	A(TEXT, token) \
	A(TEXT, cursor) \
	A(NUMBER, most)
#define MAILBOX_ANSWERS_rename_names(F) F(next)

#define MAILBOX_TAKES_subscribe(A) \
	A(TEXT, name) \
	A(FLAG, on)
#define MAILBOX_ANSWERS_subscribe(F)

/* By id or, if there is none, by the name of a mail folder. */
#define MAILBOX_TAKES_delete(A) \
	A(OPTION, id) \
	A(TEXT, name) \
	A(NUMBER, now)	     /* unix seconds */ \
	A(NUMBER, retention) /* s, of its entry in the log of folders */
#define MAILBOX_ANSWERS_delete(F)
#define MAILBOX_TAKES_reap(A) A(ID, id)
#define MAILBOX_ANSWERS_reap(F)
#define MAILBOX_TAKES_destroy(A)
#define MAILBOX_ANSWERS_destroy(F)

#define MAILBOX_TAKES_reclass(A) \
	A(ID, id) \
	A(NUMBER, class) \
	A(NUMBER, now) /* unix seconds */ \
	A(NUMBER, retention)
#define MAILBOX_ANSWERS_reclass(F)

#define MAILBOX_TAKES_folders_since(A) \
	A(NUMBER, classes) /* bit n: class n */ \
	A(NUMBER, since)   /* modseq */ \
	A(NUMBER, most)	   /* of each kind of entry */
#define MAILBOX_ANSWERS_folders_since(F) \
	F(modseq)   /* everything up to here was reported */ \
	F(more)	    /* 1: there is more after it */ \
	F(complete) /* 1: the log reaches back that far */ \
	F(folders)  /* changed, in order: fields */ \
	F(changed)  /* for each, the modseq, 8 bytes, and the parent's id, 4 bytes */ \
	F(gone)	    /* packed modseq and record, in order */

#define MAILBOX_TAKES_put(A) \
	A(ID, id) \
	A(NUMBER, uid)	 /* 0: new */ \
	A(OPTION, limit) /* modseq: a newer item is left alone */ \
	A(TEXT, key)	 /* empty: none; unchanged */ \
	A(TEXT, name)	 /* the same */ \
	A(TEXT, once)	 /* token; empty: none */ \
	A(NUMBER, flags) \
	A(NUMBER, size) \
	A(TEXT, cold)	   /* record */ \
	A(FLAG, has_extra) /* false: it stays unchanged */ \
	A(TEXT, extra)	   /* empty: none */ \
	A(NUMBER, quota)   /* bytes; 0: none */ \
	A(NUMBER, now)	   /* unix seconds */
#define MAILBOX_ANSWERS_put(F) \
	F(other)     /* UID of the item that has the key or name; then no other field is set */ \
	F(duplicate) /* 1: it was put before, under this token */ \
	F(took)	     /* 1: the record owns the reference to this body */ \
	F(folder) \
	F(uid) \
	F(modseq) \
	F(email) \
	F(cold) /* the record that it replaced */

#define MAILBOX_TAKES_move_item(A) \
	A(ID, from) \
	A(NUMBER, uid) \
	A(ID, to) \
	A(TEXT, name)	     /* empty: unchanged */ \
	A(OPTION, limit)     /* modseq: a newer item is left alone */ \
	A(NUMBER, now)	     /* unix seconds */ \
	A(NUMBER, retention) /* s, of its tombstone */
#define MAILBOX_ANSWERS_move_item(F) \
	F(other) /* UID of the item there that has its key or name; then no other field is set */ \
	F(folder) \
	F(uid) \
	F(modseq) \
	F(email)

#define MAILBOX_TAKES_extra(A) \
	A(ID, id) \
	A(NUMBER, uid) \
	A(OPTION, limit) /* modseq: a newer item is left alone */ \
	A(TEXT, extra)	 /* empty: none */
#define MAILBOX_ANSWERS_extra(F)

#define MAILBOX_TAKES_find(A) \
	A(NUMBER, email) \
	A(FLAG, first)	 /* look into the index first */ \
	A(NUMBER, since) /* modseq; 0: all */ \
	A(NUMBER, id)	 /* folder to begin with */ \
	A(NUMBER, chunk) /* and the chunk in it */
#define MAILBOX_ANSWERS_find(F) \
	F(modseq) /* of the account */ \
	F(folder) /* 0: not found so far */ \
	F(uid) \
	F(next_folder) /* to continue with; 0: that was all */ \
	F(next_chunk)

#endif
