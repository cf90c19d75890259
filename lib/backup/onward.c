/* Restored mailboxes continue with numbers that no client has seen. */
#include "lib/backup/onward.h"

#include <stdio.h>

#include "lib/backup/key.h"
#include "lib/backup/rdb_private.h"
#include "lib/base/bytes.h"
#include "lib/mailbox/mailbox.h"

#define UID_MOST INT64_C(4294967295)

enum { COUNT_MAX = 20 }; /* digits */

/* A field's number moves on by so much. */
struct onward_step {
	const char *field;
	int64_t by;
	int64_t most; /* no advance beyond this; 0: no limit */
};

static const struct onward_step onward_meta[] = {
	{"modseq", BACKUP_ONWARD_MODSEQ, 0},
	{"next_email", BACKUP_ONWARD_EMAILS, 0},
	{"next_folder", BACKUP_ONWARD_FOLDERS, 0},
	{NULL, 0, 0},
};
static const struct onward_step onward_folder[] = {
	{"modseq", BACKUP_ONWARD_MODSEQ, 0},
	{"uidnext", BACKUP_ONWARD_UIDS, UID_MOST - 1},
	{NULL, 0, 0},
};

static const struct onward_step onward_numbers[] = {
	{"next", BACKUP_ONWARD_NUMBERS, 0},
	{NULL, 0, 0},
};

struct onward_hash {
	struct buf *out;
	const struct onward_step *steps; /* NULL: chunks, "<count> <modseq>" each */
	uint64_t fields;
	int64_t modseq; /* the new one */
	bool damaged;
};

/* ---- Hashes ---- */

static void
onward_put_field(struct onward_hash *h, struct str field, int64_t number)
{
	char text[24];

	rdb_put_string(h->out, field);
	rdb_put_string(h->out, str_of(text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)number)));
	h->fields++;
}

static void
onward_on_field(void *arg, struct str field, struct str value)
{
	struct onward_hash *h = arg;
	int64_t number;

	/* Added at the end, with the new modseq. */
	if (str_eq(field, STR("since")))
		return;
	for (const struct onward_step *s = h->steps; s->field != NULL; s++) {
		if (!str_eq(field, str_c(s->field)))
			continue;
		if (!str_to_i64(value, &number)) {
			h->damaged = true;
			return;
		}
		if ((s->most == 0 || number <= s->most - s->by) && __builtin_add_overflow(number, s->by, &number)) {
			h->damaged = true;
			return;
		}
		if (str_eq(field, STR("modseq")))
			h->modseq = number;
		onward_put_field(h, field, number);
		return;
	}
	rdb_put_string(h->out, field);
	rdb_put_string(h->out, value);
	h->fields++;
}

static void
onward_on_chunk(void *arg, struct str field, struct str value)
{
	struct onward_hash *h = arg;
	struct str count, modseq;
	char text[64];
	int64_t number;

	if (!str_cut(value, ' ', &count, &modseq) || count.len > COUNT_MAX || !str_to_i64(modseq, &number) ||
	    __builtin_add_overflow(number, BACKUP_ONWARD_MODSEQ, &number)) {
		h->damaged = true;
		return;
	}
	rdb_put_string(h->out, field);
	rdb_put_string(h->out, str_of(text, (size_t)snprintf(text, sizeof(text), "%.*s %lld", STR_ARG(count),
							     (long long)number)));
	h->fields++;
}

/* The count of fields comes first, but is known last. */
static int
onward_hash(struct backup_onward *o, struct rdb_entry *e, const struct onward_step *steps, struct err *err)
{
	struct buf fields = BUF_EMPTY;
	struct onward_hash h = {.out = &fields, .steps = steps};
	int result = rdb_hash(e, steps != NULL ? onward_on_field : onward_on_chunk, &h, err);

	if (result == 0 && h.damaged)
		result = err_set(err, ERR_CORRUPT, "the value of '%.*s' is damaged", STR_ARG(e->key));
	/* Older than any log: clients that ask from an earlier point are told everything. */
	if (steps == onward_folder)
		onward_put_field(&h, STR("since"), h.modseq);
	buf_clear(&o->value);
	rdb_put_length(&o->value, h.fields);
	buf_add_str(&o->value, buf_str(&fields));
	buf_fini(&fields);
	e->type = RDB_TYPE_HASH;
	e->value = buf_str(&o->value);
	return result;
}

/* ---- Records ---- */

static int
onward_hot(struct backup_onward *o, struct rdb_entry *e, struct err *err)
{
	struct buf records = BUF_EMPTY;

	if (rdb_string(e, &records, err) != 0) {
		buf_fini(&records);
		return -1;
	}
	for (size_t at = 0; at + MAILBOX_HOT_BYTES <= records.len; at += MAILBOX_HOT_BYTES) {
		char *modseq = records.data + at + MAILBOX_AT(hot, modseq);
		bytes_put_u48(modseq, bytes_get_u48(modseq) + BACKUP_ONWARD_MODSEQ);
	}
	buf_clear(&o->value);
	rdb_put_string(&o->value, buf_str(&records));
	buf_fini(&records);
	e->value = buf_str(&o->value);
	return 0;
}

int
backup_onward_take(struct backup_onward *o, struct rdb_entry *entry, bool *drop_out, struct err *err)
{
	/* Without its version an address book is loaded anew by whoever has seen a later one. */
	*drop_out = backup_key_is(entry->key, KEY_MAIL_GONE, ":f:0:gone") ||
		    backup_key_is(entry->key, KEY_BOOK_VERSION, "}:v") ||
		    backup_key_is(entry->key, KEY_BOOK_LOG, "}:log");
	if (backup_key_is(entry->key, KEY_MAIL_META, "}:meta"))
		return onward_hash(o, entry, onward_meta, err);
	if (backup_key_is(entry->key, KEY_MAIL_FOLDER, "}:f:0"))
		return onward_hash(o, entry, onward_folder, err);
	if (backup_key_is(entry->key, KEY_MAIL_CHUNKS, "}:f:0:chunks"))
		return onward_hash(o, entry, NULL, err);
	if (backup_key_is(entry->key, KEY_POSIX_NUMBERS, "posix:numbers"))
		return onward_hash(o, entry, onward_numbers, err);
	if (backup_key_is(entry->key, KEY_MAIL_HOT, "}:f:0:h:0"))
		return onward_hot(o, entry, err);
	return 0;
}

void
backup_onward_fini(struct backup_onward *o)
{
	buf_fini(&o->value);
}
