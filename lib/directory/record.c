/* Records: the content of a key of the directory, parsed once. */
#include "lib/directory/private.h"

#include "lib/base/log.h"

static const enum redis_key record_keys[] = {
	[RECORD_DOMAIN] = KEY_DOMAIN,
	[RECORD_USER] = KEY_USER,
	[RECORD_ALIAS] = KEY_ALIAS,
	[RECORD_FIRST_DOMAIN] = KEY_DOMAINS,
};

size_t
record_key(enum record_kind kind, struct str name, char key[DIRECTORY_KEY_MAX])
{
	size_t parts = kind == RECORD_FIRST_DOMAIN ? 0 : 1;
	return redis_key_print_of(key, DIRECTORY_KEY_MAX, record_keys[kind], &name, parts).len;
}

void
record_request(struct redis *r, enum record_kind kind, struct str key, redis_on_reply *cb, void *arg)
{
	static const char *const verbs[] = {
		[RECORD_DOMAIN] = "HGETALL",
		[RECORD_USER] = "HGETALL",
		[RECORD_ALIAS] = "SMEMBERS",
		[RECORD_FIRST_DOMAIN] = "SORT",
	};
	const struct str first[] = {STR("LIMIT"), STR("0"), STR("1"), STR("ALPHA")};
	redis_call_key(r, cb, arg, verbs[kind], key, kind == RECORD_FIRST_DOMAIN ? 4 : 0, first);
}

enum { RECORD_PERSON_ROOM = 4 * BOOK_FIELD_END }; /* the heads of an entry and of its fields */

/* ---- Text of a record: one allocation, used from its front ---- */
/* Reserves room for the whole reply, for the terminators that it lacks, for an address
 * that grows when it is made canonical, and for what describes a person once more. */
static void
pool_init(struct record *record, const redisReply *reply, char **pool)
{
	size_t bytes = 8 + (record->kind == RECORD_DOMAIN ? DIRECTORY_ADDRESS_MAX : 0);
	for (size_t i = 0; i < reply->elements; i++)
		bytes += redis_str(reply->element[i]).len + 1;
	if (record->kind == RECORD_USER)
		bytes = 2 * bytes + RECORD_PERSON_ROOM;
	*pool = record->pool = mem_alloc(bytes);
}

static const char *
pool_add(char **pool, struct str text)
{
	char *copy = *pool;
	if (text.len > 0)
		memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	*pool += text.len + 1;
	return copy;
}

static struct record *
parse_domain(struct record *record, const redisReply *reply, char *pool)
{
	char catch_all[DIRECTORY_ADDRESS_MAX] = "";
	struct str text = redis_field(reply, "catch_all");
	uint64_t max_users;
	if (text.len > 0 && !directory_canonical_address(text, catch_all))
		log_warning(NULL, "catch_all of a domain is not an address", F_STR("value", text));
	record->domain.created_ms = 0;
	(void)str_to_i64(redis_field(reply, "created_ms"), &record->domain.created_ms);
	record->domain.disabled = directory_is_on(redis_field(reply, "disabled"));
	record->domain.catch_all = pool_add(&pool, str_c(catch_all));
	record->domain.max_users = str_to_u64(redis_field(reply, "max_users"), &max_users) ? max_users : 0;
	record->domain.admins = pool_add(&pool, redis_field(reply, "admins"));
	return record;
}

static struct str
record_add_person(char **pool, const redisReply *reply)
{
	struct buf entry = BUF_EMPTY;
	const char *copy;
	size_t len;

	book_make_entry(&entry, reply, NULL, STR_NONE);
	copy = pool_add(pool, buf_str(&entry));
	len = entry.len;
	buf_fini(&entry);
	return str_of(copy, len);
}

/* Fields with a colon in their names. */
static void
record_parse_credentials(struct record *record, const redisReply *reply, char **pool)
{
	unsigned count = 0;

	for (size_t i = 0; i + 1 < reply->elements; i += 2)
		count += str_index(redis_str(reply->element[i]), ':') >= 0;
	if (count == 0)
		return;
	record->user.credentials = mem_zalloc(count * sizeof(struct directory_credential));
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		if (str_index(redis_str(reply->element[i]), ':') < 0)
			continue;
		struct directory_credential *c = &record->user.credentials[record->user.credential_count++];
		c->field = pool_add(pool, redis_str(reply->element[i]));
		c->value = pool_add(pool, redis_str(reply->element[i + 1]));
	}
}

static struct record *
parse_user(struct record *record, const redisReply *reply, char *pool)
{
	struct str enabled = redis_field(reply, "enabled");
	record->user.enabled = enabled.len == 0 || directory_is_on(enabled);
	record->user.created_ms = 0;
	(void)str_to_i64(redis_field(reply, "created_ms"), &record->user.created_ms);
	record->user.quota_bytes = 0;
	record->user.has_quota = directory_parse_size(redis_field(reply, "quota"), &record->user.quota_bytes);
	record->user.display_name = pool_add(&pool, redis_field(reply, "display_name"));
	record->user.password = pool_add(&pool, redis_field(reply, "password"));
	record->user.password_id = pool_add(&pool, redis_field(reply, "password_id"));
	record->user.scram_sha256 = pool_add(&pool, redis_field(reply, "scram_sha256"));
	record->user.roles = pool_add(&pool, redis_field(reply, "roles"));
	struct str shown = redis_field(reply, "book");
	record->user.is_in_book = shown.len == 0 || directory_is_on(shown);
	record->user.person = record_add_person(&pool, reply);
	record->user.totp = pool_add(&pool, redis_field(reply, "totp"));
	record->user.totp_recovery = pool_add(&pool, redis_field(reply, "totp_recovery"));
	record->user.totp_changed = pool_add(&pool, redis_field(reply, "totp_changed"));
	record_parse_credentials(record, reply, &pool);
	return record;
}

static int
compare_strs(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static struct record *
parse_alias(struct record *record, const redisReply *reply)
{
	struct buf text = BUF_EMPTY;
	unsigned count = 0;
	for (size_t i = 0; i < reply->elements && count < DIRECTORY_TARGETS_MAX; i++) {
		char address[DIRECTORY_ADDRESS_MAX];
		struct str target = redis_str(reply->element[i]);
		if (!directory_canonical_address(target, address)) {
			log_warning(NULL, "target of an alias is not an address", F_STR("value", target));
			continue;
		}
		buf_add(&text, address, strlen(address) + 1);
		count++;
	}
	record->pool = mem_alloc(text.len);
	if (text.len > 0)
		memcpy(record->pool, text.data, text.len);
	buf_fini(&text);
	/* An alias without targets does not exist. */
	record->exists = count > 0;
	record->alias.count = count;
	record->alias.targets = mem_alloc(count * sizeof(struct str));
	const char *next = record->pool;
	for (unsigned i = 0; i < count; i++) {
		record->alias.targets[i] = str_c(next);
		next += record->alias.targets[i].len + 1;
	}
	qsort(record->alias.targets, count, sizeof(struct str), compare_strs);
	return record;
}

struct record *
record_new(enum record_kind kind, const redisReply *reply)
{
	struct record *record = mem_new(struct record);
	char *pool;
	record->kind = kind;
	record->references = 1;
	record->exists = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0;
	if (!record->exists)
		return record;
	if (kind == RECORD_ALIAS)
		return parse_alias(record, reply);
	pool_init(record, reply, &pool);
	switch (kind) {
	case RECORD_DOMAIN: return parse_domain(record, reply, pool);
	case RECORD_USER: return parse_user(record, reply, pool);
	case RECORD_ALIAS:
	case RECORD_FIRST_DOMAIN: record->first_domain = pool_add(&pool, redis_str(reply->element[0])); break;
	}
	return record;
}

struct record *
record_ref(struct record *record)
{
	record->references++;
	return record;
}

struct str
directory_user_field(const struct directory_user *user, enum book_field field)
{
	struct entry_reader r;
	enum book_field found;
	struct str value;

	if (!entry_open(&r, user->person))
		return STR_NONE;
	while (entry_next(&r, &found, &value))
		if (found == field)
			return value;
	return STR_NONE;
}

void
record_unref(struct record **p)
{
	struct record *record = *p;
	*p = NULL;
	if (record == NULL)
		return;
	CHECK(record->references > 0);
	if (--record->references > 0)
		return;
	if (record->kind == RECORD_ALIAS)
		mem_free(record->alias.targets);
	else if (record->kind == RECORD_USER)
		mem_free(record->user.credentials);
	mem_free(record->pool);
	mem_free(record);
}
