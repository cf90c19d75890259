/* Unreferenced bodies: first suspects, released by a later sweep. */
#include "lib/sweep/private.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/blob/refs.h"
#include "lib/redis/keys.h"

/* Bodies handled per step: a change or two in Redis, and so many holes. */
enum { SLICE = 100 };
/* This many leaked bodies are believed, and every 20th of the examined ones. */
enum { FEW = 100, FEW_PART = 20 };

/* ---- Notes of suspects ---- */

/* One command that changes many fields of sweep:suspects. */
struct notes {
	struct arena arena;
	struct str args[2 * SLICE];
	size_t count;
};

static void
release_note(struct notes *n, const struct blob_id *id, int64_t since_ms)
{
	char *name = arena_alloc(&n->arena, BLOB_ID_TEXT);

	blob_id_text(id, name);
	n->args[n->count++] = str_c(name);
	if (since_ms != 0)
		n->args[n->count++] = str_c(arena_printf(&n->arena, "%lld", (long long)since_ms));
}

static void
release_send_notes(struct sweep *s, const char *verb, struct notes *n)
{
	if (n->count != 0)
		redis_call_key(s->options.redis, NULL, NULL, verb, str_c(redis_key_pattern(KEY_SWEEP_SUSPECTS)),
			       n->count, n->args);
	arena_fini(&n->arena);
}

/* ---- The end: bodies that are no longer suspects ---- */

/* It was released when its last reference was dropped, or is referenced again. (A
 * body too young for this sweep stays a suspect.) */
static bool
release_is_over(const struct sweep *s, const struct sweep_suspect *suspect)
{
	return suspect->is_over || (!suspect->found && suspect->since_ms <= s->started_ms - s->options.age_ms);
}

static void
release_forget(struct sweep *s)
{
	struct sweep_suspect *suspect, *next;
	struct notes gone = {.count = 0};

	arena_init(&gone.arena);
	HASH_ITER (hh, s->suspects, suspect, next) {
		if (gone.count == SLICE)
			break;
		if (release_is_over(s, suspect)) {
			const struct blob_id id = {suspect->key[0], suspect->key[1], suspect->length};
			release_note(&gone, &id, 0);
		}
		HASH_DEL(s->suspects, suspect);
		mem_free(suspect);
	}
	release_send_notes(s, "HDEL", &gone);
	sweep_go_on(s, s->suspects != NULL ? release_forget : sweep_finish);
}

/* ---- Unreferenced bodies ---- */

static sweep_step release_slice;

/* True: release it. */
static bool
release_judge(struct sweep *s, const struct blob_id *id, struct notes *suspects)
{
	struct sweep_suspect *before = sweep_find_suspect(s, id);
	bool may_wait =
		before == NULL ? s->options.suspect_ms > 0 : s->started_ms - before->since_ms < s->options.suspect_ms;

	if (before != NULL)
		before->found = true;
	if (may_wait) {
		s->figures.in_doubt++;
		if (before == NULL)
			release_note(suspects, id, s->read_ms);
		return false;
	}
	if (before != NULL)
		before->is_over = true;
	s->figures.released++;
	s->figures.released_bytes += id->length;
	return !s->options.dry_run;
}

/* Handles some bodies of one pack. */
static void
release_judge_slice(struct sweep *s)
{
	struct notes suspects = {.count = 0};
	uint64_t pack = s->leaked[s->leaked_next].pack;

	arena_init(&suspects.arena);
	for (unsigned i = 0; i < SLICE && s->leaked_next < s->leaked_count; i++) {
		const struct blob_id *id = &s->leaked[s->leaked_next];

		if (id->pack != pack)
			break;
		s->leaked_next++;
		if (!release_judge(s, id, &suspects))
			continue;
		blob_ref_forget(s->options.redis, id);
		blob_release(s->options.blobs, id);
		s->released_pack = pack;
	}
	if (s->options.dry_run)
		suspects.count = 0;
	release_send_notes(s, "HSET", &suspects);
	sweep_go_on(s, release_slice);
}

static void
release_on_kept(void *arg, const redisReply *reply, const struct err *err)
{
	struct sweep *s = arg;

	(void)reply;
	if (sweep_back(s, err))
		release_judge_slice(s);
}

static bool
release_visit_no_more(void *arg, const struct blob_id *id)
{
	(void)arg, (void)id;
	return true;
}

static void
release_on_looked_again(void *arg, const struct err *err)
{
	struct sweep *s = arg;

	if (sweep_back(s, err))
		sweep_go_on(s, release_slice);
}

/* After the releases, on the same thread: removes the pack if it is empty now. */
static void
release_look_again(struct sweep *s)
{
	uint64_t pack = s->released_pack;

	s->released_pack = 0;
	op_hold(&s->op);
	blob_sweep_pack(s->options.blobs, pack, s->started_ms - s->options.age_ms, release_visit_no_more,
			release_on_looked_again, s);
}

/* A holder that slept past its lease learns so before it changes anything. */
static void
release_slice(struct sweep *s)
{
	bool is_last = s->leaked_next == s->leaked_count;

	if (s->released_pack != 0 && (is_last || s->leaked[s->leaked_next].pack != s->released_pack)) {
		release_look_again(s);
	} else if (is_last && s->options.dry_run) {
		sweep_finish(s);
	} else if (is_last) {
		release_forget(s);
	} else if (!s->has_lease) {
		release_judge_slice(s);
	} else {
		op_hold(&s->op);
		sweep_lease_keep(&s->lease, &s->figures, release_on_kept, s);
	}
}

/* ---- Plausibility: crashes leave only a few ---- */

/* In a store that has lost its records, or has those of an old backup, very many
 * bodies look leaked. Then an operator must decide. */
static bool
release_is_plausible(const struct sweep *s)
{
	uint64_t most = FEW + s->figures.examined / FEW_PART;

	return s->options.is_manual || s->leaked_count == 0 || (s->figures.referred != 0 && s->leaked_count <= most);
}

static void
release_on_hold(void *arg, const redisReply *reply, const struct err *cause)
{
	struct sweep *s = arg;
	struct err err;

	if (!sweep_back(s, cause))
		return;
	if (redis_i64(reply, 0) != 0) {
		err_set(&err, ERR_UNAVAILABLE, "a backup is running: nothing can be released");
		sweep_fail(s, &err);
		return;
	}
	if (release_is_plausible(s)) {
		release_slice(s);
		return;
	}
	err_set(&err, ERR_DENIED,
		"%zu of %llu bodies have no reference, which is more than crashes leave; has Redis lost records? "
		"Nothing was released; `stagepost sweep` releases them anyway",
		s->leaked_count, (unsigned long long)s->figures.examined);
	sweep_fail(s, &err);
}

/* A body without a reference may still be in the snapshot of a running backup. A
 * body that had no reference when all were read is in no later snapshot. */
static void
release_begin(struct sweep *s)
{
	op_hold(&s->op);
	redis_call_key(s->options.redis, release_on_hold, s, "EXISTS", str_c(redis_key_pattern(KEY_BACKUP_HOLD)), 0,
		       NULL);
}

/* ---- The packs ---- */

/* On a thread of the store, while the loop's side waits for it to end. */
static bool
release_visit(void *arg, const struct blob_id *id)
{
	struct sweep *s = arg;

	s->visited++;
	if (places_have(&s->places, id->pack, id->offset)) {
		struct sweep_suspect *suspect = sweep_find_suspect(s, id);
		if (suspect != NULL)
			suspect->is_over = true;
		return true;
	}
	if (s->leaked_count == s->leaked_room) {
		s->leaked_room = s->leaked_room == 0 ? 64 : s->leaked_room * 2;
		s->leaked = mem_realloc(s->leaked, s->leaked_room * sizeof(*s->leaked));
	}
	s->leaked[s->leaked_count++] = *id;
	return true;
}

static sweep_step release_next_pack;

static void
release_on_looked(void *arg, const struct err *err)
{
	struct sweep *s = arg;

	if (!sweep_back(s, err))
		return;
	s->figures.examined += s->visited;
	s->pack_next++;
	sweep_go_on(s, s->pack_next < s->pack_count ? release_next_pack : release_begin);
}

static void
release_next_pack(struct sweep *s)
{
	s->visited = 0;
	op_hold(&s->op);
	blob_sweep_pack(s->options.blobs, s->packs[s->pack_next], s->started_ms - s->options.age_ms, release_visit,
			release_on_looked, s);
}

static void
release_on_packs(void *arg, const uint64_t *packs, size_t count, const struct err *err)
{
	struct sweep *s = arg;

	if (!sweep_back(s, err))
		return;
	s->packs = mem_alloc((count + 1) * sizeof(*packs));
	for (size_t i = 0; i < count; i++)
		s->packs[i] = packs[i];
	s->pack_count = count;
	sweep_go_on(s, count != 0 ? release_next_pack : release_begin);
}

void
sweep_packs(struct sweep *s)
{
	op_hold(&s->op);
	blob_sweep_list(s->options.blobs, release_on_packs, s);
}
