/* A message's recipients. */
#include "frontend/submit/private.h"
#include "lib/base/check.h"
#include "lib/base/hash.h"

/* Packed, with tags and lengths; an address may become longer when it is looked up. */
static size_t
recipients_bytes_of(const struct submit_recipient *r)
{
	enum { AROUND = 32, LONGER = 16 };

	return r->address.len + r->orcpt.len + AROUND + LONGER;
}

bool
submit_has_room(const struct submit *s, const struct submit_recipient *r)
{
	enum { ALL_ELSE = 256 * 1024 }; /* signatures, names */

	return s->recipient_count < submit_settings(s)->max_recipients &&
	       s->recipient_bytes + recipients_bytes_of(r) <= SPOOL_ENVELOPE_MAX - ALL_ELSE;
}

static bool
recipients_match(const struct submit_entry *entry, uint32_t hash, struct str address)
{
	return entry->hash == hash && str_eq(str_c(entry->record.address), address);
}

/* The slot of the address, or the empty slot where it belongs. */
static struct submit_entry **
recipients_slot(const struct submit *s, uint32_t hash, struct str address)
{
	unsigned mask = s->by_address_room - 1, at = hash & mask;

	while (s->by_address[at] != NULL && !recipients_match(s->by_address[at], hash, address))
		at = (at + 1) & mask;
	return &s->by_address[at];
}

static bool
recipients_have(const struct submit *s, uint32_t hash, struct str address)
{
	const struct submit_entry *entry = s->recipients;

	if (s->by_address != NULL)
		return *recipients_slot(s, hash, address) != NULL;
	while (entry != NULL && !recipients_match(entry, hash, address))
		entry = entry->next;
	return entry != NULL;
}

/* Adds the last recipient to the hash. */
static void
recipients_index(struct submit *s, struct submit_entry *last)
{
	struct submit_entry *first = last;

	if (s->recipient_count <= SUBMIT_FEW_RECIPIENTS)
		return;
	if (s->recipient_count * 2 > s->by_address_room) {
		s->by_address_room = s->recipient_count * 4;
		while ((s->by_address_room & (s->by_address_room - 1)) != 0)
			s->by_address_room &= s->by_address_room - 1;
		s->by_address = arena_array(&s->op.arena, struct submit_entry *, s->by_address_room);
		first = s->recipients;
	}
	for (; first != NULL; first = first->next)
		*recipients_slot(s, first->hash, str_c(first->record.address)) = first;
}

void
submit_add_late_recipient(struct submit *s, const struct submit_recipient *r)
{
	uint32_t hash = (uint32_t)hash_str(r->address, 0);
	struct submit_entry *entry;

	if (recipients_have(s, hash, r->address))
		return;
	entry = arena_new(&s->op.arena, struct submit_entry);
	stagepost__recipient__init(&entry->record);
	entry->record.address = arena_dup(&s->op.arena, r->address.p, r->address.len);
	if (r->orcpt.len != 0)
		entry->record.orcpt = arena_dup(&s->op.arena, r->orcpt.p, r->orcpt.len);
	entry->record.notify = r->notify;
	entry->record.local = r->local;
	entry->hash = hash;
	*s->recipients_end = entry;
	s->recipients_end = &entry->next;
	s->recipient_count++;
	s->recipient_bytes += recipients_bytes_of(r);
	recipients_index(s, entry);
}

void
submit_add_recipient(struct submit *s, const struct submit_recipient *r)
{
	CHECK(s->append == NULL && !s->streams);
	submit_room_add(&s->room, &r->room);
	submit_add_late_recipient(s, r);
}

void
submit_remove_recipient(struct submit *s, struct str address)
{
	struct submit_entry **at = &s->recipients;

	while (*at != NULL) {
		if (str_eq_ci(str_c((*at)->record.address), address)) {
			*at = (*at)->next;
			s->recipient_count--;
		} else {
			at = &(*at)->next;
		}
	}
	s->recipients_end = at;
	/* The next addition builds it anew. */
	s->by_address = NULL;
	s->by_address_room = 0;
}

Stagepost__Recipient **
submit_list_recipients(struct submit *s)
{
	Stagepost__Recipient **list = arena_array(&s->op.arena, Stagepost__Recipient *, s->recipient_count);
	size_t count = 0;

	for (struct submit_entry *entry = s->recipients; entry != NULL; entry = entry->next)
		list[count++] = &entry->record;
	CHECK(count == s->recipient_count);
	return list;
}
