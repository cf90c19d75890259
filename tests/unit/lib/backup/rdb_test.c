/* Snapshots: every type of value as a real server writes it, read through the
 * replication protocol; damage anywhere; written again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "lib/backup/crc64.h"
#include "lib/backup/rdb.h"
#include "lib/redis/snapshot.h"
#include "tests/unit/redis_fixture.h"

static struct redis_fixture server;
static redisContext *redis;
static char folder[64], snapshot[128];

static int
on_wait(void *arg, uint64_t bytes, struct err *err)
{
	(void)arg, (void)bytes, (void)err;
	return 0;
}

static void
command(const char *format, ...)
{
	redisReply *reply;
	va_list ap;

	va_start(ap, format);
	reply = redisvCommand(redis, format, ap);
	va_end(ap);
	assert_non_null(reply);
	if (reply->type == REDIS_REPLY_ERROR)
		fail_msg("%s: %s", format, reply->str);
	freeReplyObject(reply);
}

/* Small values and large ones: each has an encoding of its own. */
static void
fill(void)
{
	char text[1000];

	for (unsigned i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('a' + i / 100);
	text[sizeof(text) - 1] = '\0';
	command("SET string:text plain");
	command("SET string:empty %b", "", (size_t)0);
	command("SET string:packed %s", text);
	command("SET string:binary %b", "a\0b\xff", (size_t)4);
	for (int64_t n = 1; n < INT64_MAX / 7; n *= 7) {
		command("SET string:number:%lld %lld", (long long)n, (long long)n);
		command("SET string:number:-%lld -%lld", (long long)n, (long long)n);
		command("HSET hash:numbers %lld -%lld", (long long)n, (long long)n);
	}
	command("SET string:expires soon PXAT 4102444800000");
	for (unsigned i = 0; i < 300; i++) {
		command("RPUSH list:large %s%u", text, i);
		command("SADD set:numbers %u", i * 1000);
		command("SADD set:texts member-%u", i);
		command("ZADD zset:large %u member-%u", i, i);
		command("HSET hash:large field-%u %s%u", i, text, i);
		command("XADD stream:large %u-1 field %s", i + 1, text);
	}
	command("RPUSH list:small a b 3");
	command("SADD set:small a b");
	command("ZADD zset:small 1.5 a -inf b");
	command("HSET hash:small name value number 17 long %s", "a text of more than sixty-three bytes, for the "
							    "second form of lengths, is here");
	command("CONFIG SET hash-max-listpack-value 5000");
	command("HSET hash:listpack a %s%s%s%s%s b 1", text, text, text, text, text);
	command("XGROUP CREATE stream:large readers 0");
	command("XREADGROUP GROUP readers one COUNT 5 STREAMS stream:large >");
	command("XREADGROUP GROUP readers two COUNT 5 STREAMS stream:large >");
	command("XDEL stream:large 3-1");
	command("SELECT 3");
	command("SET string:elsewhere x");
	command("SELECT 0");
}

static int
setup(void **state)
{
	struct err err;
	redisReply *reply;

	(void)state;
	if (!redis_fixture_start(&server, true))
		return -1;
	redis = redisConnectUnix(server.url + strlen("unix:"));
	if (redis == NULL || redis->err != 0)
		return -1;
	reply = redisCommand(redis, "FLUSHALL");
	freeReplyObject(reply);
	fill();
	strcpy(folder, "/tmp/stagepost-rdb-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(snapshot, sizeof(snapshot), "%s/snapshot", folder);
	if (redis_snapshot(server.url, snapshot, on_wait, NULL, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	return 0;
}

static int
teardown(void **state)
{
	char text[128];

	(void)state;
	redisFree(redis);
	redis_fixture_stop(&server);
	snprintf(text, sizeof(text), "rm -rf '%s'", folder);
	return system(text);
}

static void
test_crc(void **state)
{
	const char *digits = "123456789";
	uint64_t bytewise = 0;

	(void)state;
	assert_true(crc64_add(0, digits, 9) == UINT64_C(0xe9c6d914c4b8d9ca));
	for (unsigned i = 0; i < 9; i++)
		bytewise = crc64_add(bytewise, digits + i, 1);
	assert_true(bytewise == UINT64_C(0xe9c6d914c4b8d9ca));
}

/* ---- Each entry is what DUMP says of its key ---- */

struct seen {
	unsigned entries, of_other_databases;
	struct rdb_writer *writer; /* NULL: none */
};

static int
on_entry(void *arg, const struct rdb_entry *e, struct err *err)
{
	struct seen *s = arg;
	struct buf dump = BUF_EMPTY;
	redisReply *reply;

	s->entries++;
	s->of_other_databases += e->database != 0;
	if (e->database != 0)
		return 0;
	rdb_dump(e, &dump);
	reply = redisCommand(redis, "DUMP %b", e->key.p, e->key.len);
	assert_int_equal(reply->type, REDIS_REPLY_STRING);
	if (!str_eq(buf_str(&dump), str_of(reply->str, reply->len)))
		fail_msg("the value of %.*s (type %u) is not what DUMP gives", STR_ARG(e->key), e->type);
	freeReplyObject(reply);
	reply = redisCommand(redis, "PEXPIRETIME %b", e->key.p, e->key.len);
	assert_int_equal(reply->integer, e->expires_ms != 0 ? e->expires_ms : -1);
	freeReplyObject(reply);
	buf_fini(&dump);
	return s->writer != NULL ? rdb_writer_add(s->writer, e, err) : 0;
}

static unsigned
count_keys(void)
{
	redisReply *reply = redisCommand(redis, "DBSIZE");
	unsigned count = (unsigned)reply->integer;

	freeReplyObject(reply);
	return count;
}

static void
read_as_dumped(const char *path, struct seen *s, unsigned others)
{
	struct err err = {.code = ERR_NONE};

	if (rdb_read(path, on_entry, s, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(s->of_other_databases, others);
	assert_int_equal(s->entries, count_keys() + others);
}

static void
test_every_type(void **state)
{
	struct seen s = {0};

	(void)state;
	read_as_dumped(snapshot, &s, 1);
}

static void
test_written_anew(void **state)
{
	char path[160];
	struct seen s = {0}, again = {0};
	struct err err;

	(void)state;
	snprintf(path, sizeof(path), "%s/anew", folder);
	s.writer = rdb_writer_new(path, &err);
	assert_non_null(s.writer);
	read_as_dumped(snapshot, &s, 1);
	assert_int_equal(rdb_writer_finish(&s.writer, &err), 0);
	read_as_dumped(path, &again, 0);
	assert_null(rdb_writer_new(path, &err)); /* nothing is written over */
	assert_int_equal(err.code, ERR_EXISTS);
}

/* The server sends it without knowing its length before. */
static void
test_diskless(void **state)
{
	char path[160];
	struct seen s = {0};
	struct err err;

	(void)state;
	command("CONFIG SET repl-diskless-sync yes");
	command("CONFIG SET repl-diskless-sync-delay 0");
	snprintf(path, sizeof(path), "%s/diskless", folder);
	if (redis_snapshot(server.url, path, on_wait, NULL, &err) != 0)
		fail_msg("%s", err.text);
	read_as_dumped(path, &s, 1);
}

/* ---- Looking into strings and hashes ---- */

struct hash_seen {
	const char *key;
	unsigned fields;
};

static void
on_field(void *arg, struct str field, struct str value)
{
	struct hash_seen *h = arg;
	redisReply *reply = redisCommand(redis, "HGET %s %b", h->key, field.p, field.len);

	h->fields++;
	assert_int_equal(reply->type, REDIS_REPLY_STRING);
	if (!str_eq(str_of(reply->str, reply->len), value))
		fail_msg("%s: the field %.*s is %.*s, not %.30s", h->key, STR_ARG(field), STR_ARG(value), reply->str);
	freeReplyObject(reply);
}

static int
look_into(void *arg, const struct rdb_entry *e, struct err *err)
{
	struct buf value = BUF_EMPTY;
	char key[80];
	struct hash_seen h = {.key = key};
	redisReply *reply;

	str_copy(e->key, key, sizeof(key));
	if (e->database == 0 && str_starts(e->key, STR("hash:"))) {
		assert_int_equal(rdb_hash(e, on_field, &h, err), 0);
		reply = redisCommand(redis, "HLEN %s", key);
		assert_int_equal(h.fields, reply->integer);
		freeReplyObject(reply);
		assert_int_equal(rdb_string(e, &value, err), -1);
	} else if (e->database == 0 && str_starts(e->key, STR("string:"))) {
		assert_int_equal(rdb_string(e, &value, err), 0);
		reply = redisCommand(redis, "GET %s", key);
		assert_true(str_eq(buf_str(&value), str_of(reply->str, reply->len)));
		freeReplyObject(reply);
		assert_int_equal(rdb_hash(e, on_field, &h, err), -1);
	} else {
		assert_int_equal(rdb_hash(e, on_field, &h, err), -1);
	}
	buf_fini(&value);
	++*(unsigned *)arg;
	return 0;
}

static void
test_values(void **state)
{
	unsigned count = 0;
	struct err err;

	(void)state;
	assert_int_equal(rdb_read(snapshot, look_into, &count, &err), 0);
	assert_true(count > 20);
}

/* ---- Damage ---- */

static void
ignore_field(void *arg, struct str field, struct str value)
{
	*(size_t *)arg += field.len + value.len;
}

/* Looks into everything, whatever it finds. */
static int
look_at(void *arg, const struct rdb_entry *e, struct err *err)
{
	struct buf value = BUF_EMPTY;

	(void)err;
	if (rdb_string(e, &value, NULL) == 0)
		*(size_t *)arg += value.len;
	rdb_hash(e, ignore_field, arg, NULL);
	buf_fini(&value);
	return 0;
}

static void
write_file(const char *path, const char *bytes, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_int_equal(fwrite(bytes, 1, len, f), len);
	fclose(f);
}

/* A small snapshot that was cut off at each byte, and each byte of it damaged. */
static void
test_damage(void **state)
{
	char path[160], bytes[8192];
	struct err err;
	size_t len, sum = 0;
	FILE *f;

	(void)state;
	command("FLUSHALL");
	command("SET a %s", "some text, some text, some text, some text, some text, some text");
	command("HSET b field value number 5");
	command("XADD c 1-1 x y");
	command("ZADD d 1 x");
	snprintf(path, sizeof(path), "%s/small", folder);
	if (redis_snapshot(server.url, path, on_wait, NULL, &err) != 0)
		fail_msg("%s", err.text);
	f = fopen(path, "r");
	len = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	assert_true(len > 100 && len < sizeof(bytes));
	snprintf(path, sizeof(path), "%s/damaged", folder);
	for (size_t at = 0; at < len; at++) {
		write_file(path, bytes, at);
		assert_int_equal(rdb_read(path, look_at, &sum, &err), -1);
		bytes[at] ^= 0x41;
		write_file(path, bytes, len);
		if (rdb_read(path, look_at, &sum, &err) == 0)
			fail_msg("the damage at %zu of %zu was not found", at, len);
		bytes[at] ^= 0x41;
	}
	write_file(path, bytes, len);
	assert_int_equal(rdb_read(path, look_at, &sum, &err), 0);
	assert_int_equal(rdb_read("/nonexistent/file", look_at, &sum, &err), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc),	     cmocka_unit_test(test_every_type), cmocka_unit_test(test_written_anew),
		cmocka_unit_test(test_diskless),     cmocka_unit_test(test_values),	cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
