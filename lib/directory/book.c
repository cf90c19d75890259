/* The address book of a domain as a consequence of the records of its accounts and
 * aliases: book:{<domain>} has an entry (entry.h) for each.
 *
 * The book is in another slot than a record, so it is written after it: the records
 * of the address are read, the entry is made from them and put, and the records are read
 * again. If they have changed meanwhile, once more. So whoever writes the entry last has
 * seen the last change, however many change it at once. What a crash leaves between
 * record and book is mended by a comparison (compare.c). On the way an address gets its
 * number, if it is to have one (numbers.c). */
#include <stdlib.h>

#include "lib/base/crashpoint.h"
#include "lib/directory/private.h"

REDIS_SCRIPT(directory_book_put, "lib/directory/book_put.lua");

enum { BOOK_VALUE_MAX = 1000 }; /* bytes; longer ones were not written by us */
#define BOOK_LOG_CHANGES "10000"

/* ---- The entry of an address ---- */
static void
book_add_person(struct buf *out, const redisReply *user)
{
	struct str values[BOOK_FIELD_END] = {STR_NONE}, enabled = redis_field(user, "enabled");
	struct str shown = redis_field(user, "book");
	int64_t created_ms = 0;
	uint8_t flags = 0;

	if (enabled.len != 0 && !directory_is_on(enabled))
		flags |= ENTRY_DISABLED;
	if (shown.len != 0 && !directory_is_on(shown))
		flags |= ENTRY_HIDDEN;
	(void)str_to_i64(redis_field(user, "created_ms"), &created_ms);
	for (size_t i = 0; i + 1 < user->elements; i += 2) {
		enum book_field field = book_field_of_name(redis_str(user->element[i]));
		if (field > BOOK_MEMBER)
			values[field] = str_first(redis_str(user->element[i + 1]), BOOK_VALUE_MAX);
	}
	entry_begin(out, flags, created_ms);
	for (unsigned field = 0; field < BOOK_FIELD_END; field++)
		entry_add(out, (enum book_field)field, values[field]);
}

static int
book_compare_members(const void *a, const void *b)
{
	return str_cmp(redis_str(*(redisReply *const *)a), redis_str(*(redisReply *const *)b));
}

static void
book_add_group(struct buf *out, const redisReply *alias)
{
	size_t count = alias->elements < DIRECTORY_TARGETS_MAX ? alias->elements : DIRECTORY_TARGETS_MAX;
	const redisReply **members = mem_alloc((count + 1) * sizeof(*members));

	/* A set has no order, and an entry must not differ from itself. */
	memcpy(members, alias->element, count * sizeof(*members));
	qsort(members, count, sizeof(*members), book_compare_members);
	entry_begin(out, ENTRY_GROUP, 0);
	for (size_t i = 0; i < count; i++)
		entry_add(out, BOOK_MEMBER, str_first(redis_str(members[i]), DIRECTORY_ADDRESS_MAX));
	mem_free(members);
}

void
book_make_entry(struct buf *out, const redisReply *user, const redisReply *alias, struct str number)
{
	if (user->type == REDIS_REPLY_ARRAY && user->elements > 0)
		book_add_person(out, user);
	else if (alias != NULL && alias->type == REDIS_REPLY_ARRAY && alias->elements > 0)
		book_add_group(out, alias);
	else
		return;
	entry_add(out, BOOK_NUMBER, number);
}

/* ---- Writing it ---- */
struct book_sync {
	struct redis *redis; /* borrowed */
	char address[DIRECTORY_ADDRESS_MAX];
	struct number_rules rules;
	struct buf entry; /* as it was put; empty: none */
	struct buf now;	  /* as the records are: of the account, else of the alias */
	bool is_group;	  /* `now` is of the alias */
	bool has_put, has_changed;
	bool is_without_number; /* there is none for it */
	struct err err;
	book_on_synced *cb;
	void *arg;
};

static void book_read(struct book_sync *s);

static void
book_end(struct book_sync *s, const struct err *err)
{
	s->cb(s->arg, s->has_changed, err);
	buf_fini(&s->entry);
	buf_fini(&s->now);
	mem_free(s);
}

static void
book_on_put(void *arg, const redisReply *reply, const struct err *err)
{
	struct book_sync *s = arg;

	if (err != NULL) {
		book_end(s, err);
		return;
	}
	s->has_put = true;
	s->has_changed = s->has_changed || redis_i64(reply, 0) != 0;
	book_read(s);
}

static void
book_put(struct book_sync *s)
{
	struct str domain = directory_domain_of(str_c(s->address));
	char text[5][DIRECTORY_KEY_MAX];
	static const enum redis_key rows[] = {KEY_BOOK, KEY_BOOK_LOG, KEY_BOOK_VERSION, KEY_DOMAIN, KEY_BOOK_STATE};
	struct str keys[5];

	for (unsigned i = 0; i < 5; i++)
		keys[i] = redis_key_print(text[i], sizeof(text[i]), rows[i], domain);
	const struct str args[] = {str_c(s->address), buf_str(&s->entry), STR(BOOK_LOG_CHANGES), keys[0]};
	redis_eval(s->redis, book_on_put, s, &directory_book_put, 5, keys, 4, args);
}

static void
book_finish_reading(struct book_sync *s, struct str number)
{
	if (s->now.len != 0)
		entry_add(&s->now, BOOK_NUMBER, number);
	if (s->has_put && str_eq(buf_str(&s->now), buf_str(&s->entry))) {
		book_end(s, NULL);
		return;
	}
	buf_fini(&s->entry);
	s->entry = s->now;
	s->now = BUF_EMPTY;
	book_put(s);
}

static void
book_on_claimed(void *arg, const redisReply *reply, const struct err *err)
{
	struct book_sync *s = arg;

	if (err != NULL && err->code == ERR_LIMIT) {
		numbers_complain(str_c(s->address), err);
		s->is_without_number = true;
	} else if (err != NULL) {
		book_end(s, err);
		return;
	}
	book_finish_reading(s, err == NULL ? redis_str(reply) : STR_NONE);
}

/* The last of the three answers. */
static void
book_on_number(void *arg, const redisReply *reply, const struct err *err)
{
	struct book_sync *s = arg;
	bool is_wanted = s->is_group ? s->rules.of_group : s->rules.of_user;

	if (err != NULL || s->err.code != ERR_NONE)
		book_end(s, err != NULL ? err : &s->err);
	else if (s->now.len != 0 && is_wanted && !s->is_without_number && redis_str(reply).len == 0)
		numbers_claim(s->redis, str_c(s->address), &s->rules, book_on_claimed, s);
	else
		book_finish_reading(s, redis_str(reply));
}

static void
book_on_alias(void *arg, const redisReply *reply, const struct err *err)
{
	struct book_sync *s = arg;

	s->is_group = s->now.len == 0;
	if (err != NULL)
		s->err = *err;
	else if (s->is_group && reply->elements > 0)
		book_add_group(&s->now, reply);
}

static void
book_on_user(void *arg, const redisReply *reply, const struct err *err)
{
	struct book_sync *s = arg;

	buf_clear(&s->now);
	if (err != NULL)
		s->err = *err;
	else if (reply->elements > 0)
		book_add_person(&s->now, reply);
}

static void
book_read(struct book_sync *s)
{
	char key[DIRECTORY_KEY_MAX];
	struct str name = str_c(s->address);

	redis_call_key(s->redis, book_on_user, s, "HGETALL", str_of(key, record_key(RECORD_USER, name, key)), 0, NULL);
	redis_call_key(s->redis, book_on_alias, s, "SMEMBERS", str_of(key, record_key(RECORD_ALIAS, name, key)), 0,
		       NULL);
	redis_call_key(s->redis, book_on_number, s, "HGET", str_c(redis_key_pattern(KEY_POSIX_NUMBERS)), 1, &name);
}

void
book_sync(struct redis *r, struct str address, const struct number_rules *rules, book_on_synced *cb, void *arg)
{
	struct book_sync *s = mem_new(struct book_sync);

	s->redis = r;
	s->rules = *rules;
	str_copy(address, s->address, sizeof(s->address));
	s->cb = cb;
	s->arg = arg;
	book_read(s);
}

/* ---- At the end of an order ---- */
static void
book_on_order_synced(void *arg, bool has_changed, const struct err *err)
{
	struct order *o = arg;

	(void)has_changed;
	order_end(o, o->err.code != ERR_NONE ? &o->err : err);
}

void
order_end_with_book(struct order *o, const struct err *err)
{
	struct number_rules rules = numbers_rules(o->d, str_c(o->name));

	if (err != NULL && o->err.code == ERR_NONE)
		o->err = *err;
	CRASHPOINT("directory-book");
	book_sync(o->redis, str_c(o->name), &rules, book_on_order_synced, o);
}
