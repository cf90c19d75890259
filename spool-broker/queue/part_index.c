/* Parts by destination. */
#include "spool-broker/queue/part_index.h"

#include <string.h>

#include "lib/base/mem.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/schedule/schedule.h"

static struct indexed_part *
part_index_find_by_name(struct part_index *x, Stagepost__JobKind kind, struct str destination)
{
	struct indexed_part *found = NULL;

	HASH_FIND(hh, x->by_kind[kind], destination.p, destination.len, found);
	return found;
}

void
part_index_add(struct part_index *x, struct part *p)
{
	const char *destination = part_destination(p);
	struct indexed_part *indexed;

	if (p->kind == STAGEPOST__JOB_KIND__CHECK)
		x->check.part = p;
	if (p->kind != STAGEPOST__JOB_KIND__LOCAL && p->kind != STAGEPOST__JOB_KIND__REMOTE)
		return;
	indexed = mem_new(struct indexed_part);
	indexed->part = p;
	HASH_ADD_KEYPTR(hh, x->by_kind[p->kind], destination, strlen(destination), indexed);
}

void
part_index_init(struct part_index *x, const struct message *m)
{
	*x = (struct part_index){.by_kind = {NULL, NULL}};
	for (struct part *p = m->parts; p != NULL; p = p->next)
		part_index_add(x, p);
}

void
part_index_fini(struct part_index *x)
{
	struct indexed_part *indexed, *next;

	for (unsigned i = 0; i < 2; i++)
		HASH_ITER (hh, x->by_kind[i], indexed, next) {
			HASH_DEL(x->by_kind[i], indexed);
			mem_free(indexed);
		}
}

struct indexed_part *
part_index_find(struct part_index *x, const Stagepost__Recipient *r)
{
	return x->check.part != NULL ? &x->check
				     : part_index_find_by_name(x, recipient_kind(r), recipient_destination(r));
}

bool
part_index_take(struct part_index *x, const struct part *p)
{
	struct indexed_part *indexed;
	bool left;

	if (p->kind == STAGEPOST__JOB_KIND__CHECK)
		return x->check.left;
	if (p->kind != STAGEPOST__JOB_KIND__LOCAL && p->kind != STAGEPOST__JOB_KIND__REMOTE)
		return false;
	indexed = part_index_find_by_name(x, (Stagepost__JobKind)p->kind, str_c(part_destination(p)));
	if (indexed == NULL)
		return false;
	left = indexed->left;
	/* Its key is the destination's own name, which may be freed with the part. */
	HASH_DEL(x->by_kind[p->kind], indexed);
	mem_free(indexed);
	return left;
}
