/* Photos in answers (jpegPhoto, RFC 2798). The book knows only who has one: a search that is to
 * answer it reads each when its entry's turn comes, one at a time, so that however many there
 * are, a search holds no more than one. */
#include "frontend/ldap/private.h"

bool
ldap_photo_is_needed(const struct ldap_search *s, const struct ldap_entry *e)
{
	return (s->selection.attributes >> LDAP_AT_JPEG_PHOTO & 1) != 0 && !s->selection.types_only && !s->compares &&
	       e->kind == LDAP_USER && book_entry_get(e->person, BOOK_PHOTO).len != 0;
}

/* Who asks for photos by name is told if one cannot be read; for who wants "all there is", a
 * book in memory goes on answering without the store. */
static void
photo_on_read(void *arg, struct str photo, const struct err *err)
{
	struct ldap_search *s = arg;
	struct book_entry person;
	struct ldap_entry e;

	if (!op_back(&s->op))
		return;
	if (err != NULL && s->selection.names_photo) {
		ldap_search_end(s, LDAP_UNAVAILABLE);
		return;
	}
	slice_begin(&s->op.slice);
	/* The entry may have gone meanwhile. */
	if (ldap_walk_find(s, str_c(s->photo_of), &e, &person)) {
		e.photo = photo;
		ldap_search_send(s, &s->op.slice, &e);
	}
	ldap_search_run(s);
}

void
ldap_photo_read(struct ldap_search *s, const struct ldap_entry *e)
{
	str_copy(e->person->address, s->photo_of, sizeof(s->photo_of));
	ldap_search_begin_waiting(s);
	op_hold(&s->op);
	directory_photo_read(ldap_search_frontend(s)->service->redis, e->person->address, photo_on_read, s);
}
