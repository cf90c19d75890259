/* A message as milters see and change it: its header in memory, its body in the blob store
 * unless a milter has replaced it.
 *
 * Lines that this server has put on top stay as they are: Return-Path and Received are hidden
 * from milters, Authentication-Results is shown. Positions and changes are those of Postfix. */
#ifndef SP_FRONTEND_MILTER_MESSAGE_H
#define SP_FRONTEND_MILTER_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/blob/blob.h"

#define MILTER_HEADER_MAX (1024 * 1024) /* bytes; of the original header, and of what milters add */
#define MILTER_FIELDS_MAX 2000
#define MILTER_BODY_MAX	  (64 * 1024 * 1024) /* bytes of a body that replaces another */

struct milter_field {
	struct str raw; /* with its line ends; in the arena */
	size_t name_length;
	bool is_hidden; /* from milters */
	bool is_ours;	/* cannot be changed */
};

/* A recipient that a milter has added or removed, without brackets; in the arena. */
struct milter_recipient {
	struct milter_recipient *next;
	struct str address;
	bool is_added;
};

struct milter_message {
	struct arena arena;
	struct milter_field *fields; /* owner, on the heap */
	unsigned count, room;
	struct str separator; /* between header and body: CRLF, or nothing if the body has no empty line in front */
	uint64_t body_at;     /* of the stored message */
	uint64_t stored_bytes;
	size_t added_bytes; /* by milters, to the header */
	struct buf body;    /* if is_body_replaced */
	bool is_body_replaced;
	bool has_results;   /* set before it is parsed: our Authentication-Results field is on top */
	bool has_eight_bit; /* in what milters have written */
	bool is_too_large;  /* more than MILTER_FIELDS_MAX */
	bool is_changed;    /* the message has to be stored anew */
	struct str sender;
	bool is_sender_changed;
	struct milter_recipient *recipients, **recipients_end;
};

void milter_message_init(struct milter_message *m);
void milter_message_fini(struct milter_message *m);
/* text: the beginning of the stored message, copied; is_all: the whole of it. False: the end of
 * the header is not in it, or it is_too_large. own_id: says which Received field is ours. */
bool milter_message_parse(struct milter_message *m, struct str text, bool is_all, struct str own_id);

/* The value of a field as milters get it: line ends are LF; without the blanks in front
 * unless keep_blanks. */
void milter_field_value(const struct milter_field *f, bool keep_blanks, struct buf *out);

/* ---- Several changes, all of them or none. The copy has fields of its own, on the heap. ---- */
void milter_message_keep(const struct milter_message *m, struct milter_message *kept_out);
void milter_message_go_back(struct milter_message *m, const struct milter_message *kept);

/* ---- Changes. False: beyond a limit, or the name is none. ---- */
/* before: the field that milters count as this one, from 1; 0: above all that they see. Past the
 * last: at the end. */
bool milter_message_insert(struct milter_message *m, uint32_t before, struct str name, struct str value,
			   bool has_blanks);
bool milter_message_add(struct milter_message *m, struct str name, struct str value, bool has_blanks);
/* The nth field of this name, from 1. An empty value removes it. If there is none, the field is added. */
bool milter_message_change(struct milter_message *m, uint32_t nth, struct str name, struct str value, bool has_blanks);
/* Takes the content of body over. */
void milter_message_replace_body(struct milter_message *m, struct buf *body);
/* With or without brackets. */
/* Addresses: with or without brackets. */
bool milter_message_change_recipient(struct milter_message *m, struct str address, bool is_added);
bool milter_message_change_sender(struct milter_message *m, struct str address);

#endif
