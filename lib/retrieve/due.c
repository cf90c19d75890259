/* The list of all remote accounts of the cluster, retrieve:due. */
#include <stdio.h>

#include "lib/base/mem.h"
#include "lib/redis/keys.h"
#include "lib/retrieve/store.h"

struct str
retrieve_member_print(char out[RETRIEVE_MEMBER_MAX], const char *address, const char *id)
{
	snprintf(out, RETRIEVE_MEMBER_MAX, "%s %s", address, id);
	return str_c(out);
}

bool
retrieve_member_parse(struct str member, struct str *address_out, struct str *id_out)
{
	ptrdiff_t at = str_rindex(member, ' ');

	if (at <= 0)
		return false;
	*address_out = str_first(member, (size_t)at);
	*id_out = str_from(member, (size_t)at + 1);
	return retrieve_id_is_valid(*id_out);
}

struct due_page {
	retrieve_on_page *cb;
	void *arg;
};

static void
due_on_page(void *arg, const redisReply *reply, const struct err *err)
{
	struct due_page page = *(struct due_page *)arg;
	const redisReply *list = err == NULL && reply->elements == 2 ? reply->element[1] : NULL;
	struct str *members = mem_zalloc(sizeof(struct str) * (list != NULL ? list->elements + 1 : 1));
	unsigned count = 0;

	mem_free(arg);
	/* Members and scores in turn. */
	for (size_t i = 0; list != NULL && i + 1 < list->elements; i += 2)
		members[count++] = redis_str(list->element[i]);
	page.cb(page.arg, members, count, list != NULL ? redis_str(reply->element[0]) : STR_NONE, err);
	mem_free(members);
}

void
retrieve_page(struct redis *r, struct str cursor, unsigned limit, retrieve_on_page *cb, void *arg)
{
	struct due_page *page = mem_new(struct due_page);
	char most[16];

	*page = (struct due_page){cb, arg};
	snprintf(most, sizeof(most), "%u", limit);
	redis_call_key(r, due_on_page, page, "ZSCAN", str_c(redis_key_pattern(KEY_RETRIEVE_DUE)), 3,
		       (const struct str[]){cursor.len != 0 ? cursor : STR("0"), STR("COUNT"), str_c(most)});
}
