/* A round from its claim to its end. */
#include "delivery-worker/retrieve/private.h"

#include <inttypes.h>
#include <string.h>
#include <utlist.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"

enum {
	ROUND_KEEP_MS = 8 * 1000,
	ROUND_MARGIN_MS = 4 * 1000, /* for what is on its way when the lease ends */
	ROUND_TRIAL_MS = 10 * 60 * 1000,
	ROUND_HOST_WAIT_MS = 500,
	ROUND_LEDGER_PIECE = 256 * 1024,
};

const struct settings *
round_settings(const struct round *r)
{
	return settings_current(r->retriever->worker->settings);
}

/* ---- The end ---- */
static void
round_on_op_end(struct op *op)
{
	struct round *r = OP_OWNER(op, struct round, op);

	arena_fini(&r->op.arena);
	mem_free(r);
}

void
round_cancel(struct round *r)
{
	struct message *m, *next;

	retrieve_token_cancel(&r->token);
	remote_box_free(&r->box);
	if (r->timer != NULL)
		event_free(r->timer);
	if (r->wait != NULL)
		event_free(r->wait);
	ledger_stop(&r->ledger);
	recover_drop(r); /* the ledger calls nobody any more */
	DL_FOREACH_SAFE (r->messages, m, next)
		message_drop(m);
	if (r->has_host)
		claim_host_free(r->retriever->worker->redis, r->account.host, str_c(r->who));
	known_fini(&r->known);
	known_fini(&r->repeats);
	arena_fini(&r->folder_arena);
	mem_free(r->list);
	mem_free(r->gone);
	op_cancel(&r->op);
}

void
round_lose(struct round *r, const struct err *err)
{
	struct retriever *v = r->retriever;
	int64_t after = ROUND_MARGIN_MS;

	if (err->code == ERR_FENCED)
		log_info(&r->log, "the account was deleted, or another worker has claimed it");
	else
		log_warning(&r->log, "retrieval stops", F_ERR(err));
	if (err_is_of_host(err))
		after += gate_on_trouble(v);
	claim_put_off(v->worker->redis, str_c(r->member), str_c(r->mark), after, NULL, NULL);
	retriever_on_round_end(r);
}

bool
round_back(struct round *r, const struct err *err)
{
	if (!op_back(&r->op))
		return false;
	if (err == NULL)
		return true;
	round_lose(r, err);
	return false;
}

bool
round_has_lease(struct round *r)
{
	static const struct err late = {ERR_FENCED, "the lease has ended"};

	if (clock_monotonic_ms() < r->lease_until_ms)
		return true;
	round_lose(r, &late);
	return false;
}

/* At the loop's next turn: whoever noticed the trouble has returned. */
static void
round_wind_up(struct op *op)
{
	struct round *r = OP_OWNER(op, struct round, op);
	struct message *last = r->messages != NULL ? r->messages->prev : NULL;

	remote_box_free(&r->box);
	r->is_reading = false;
	if (last != NULL && last->state == MESSAGE_READING)
		message_drop(last);
	if (r->messages == NULL)
		ending_start(r);
	else
		r->on_drained = ending_start;
}

void
round_fail(struct round *r, bool own, const char *text)
{
	if (r->is_ending)
		return;
	r->is_ending = true;
	r->on_drained = NULL;
	r->own_trouble = own;
	str_copy(str_c(text), r->trouble, sizeof(r->trouble));
	op_later(&r->op, r->retriever->worker->base, round_wind_up);
}

void
round_fail_remote(struct round *r, const struct remote_failure *f)
{
	r->login_refused = f->trouble == REMOTE_LOGIN_REFUSED;
	round_fail(r, f->trouble == REMOTE_OURS, f->text);
}

void
round_stop(struct round *r)
{
	struct worker *w = r->retriever->worker;

	const struct str idle[] = {STR("state"), STR("idle")};

	if (r->has_begun)
		ledger_status(&r->ledger, true, idle, r->is_ending ? 0 : 2, NULL, NULL);
	claim_put_off(w->redis, str_c(r->member), str_c(r->mark), 0, NULL, NULL);
	retriever_on_round_end(r);
}

/* ---- The ledger in memory ---- */
static void round_read_ledger(struct round *r);

static void
round_on_ledger(void *arg, const redisReply *reply, const struct err *err)
{
	struct round *r = arg;
	struct str piece;

	if (!round_back(r, err))
		return;
	piece = redis_str(reply);
	known_feed(&r->known, piece);
	if (piece.len == ROUND_LEDGER_PIECE) {
		round_read_ledger(r);
		return;
	}
	r->knows = true;
	if (!r->is_ending)
		r->on_known(r);
}

static void
round_read_ledger(struct round *r)
{
	struct arena arena;
	char from[24], to[24];

	snprintf(from, sizeof(from), "%zu", r->known.bytes);
	snprintf(to, sizeof(to), "%zu", r->known.bytes + ROUND_LEDGER_PIECE - 1);
	arena_init(&arena);
	op_hold(&r->op);
	redis_call_key(r->retriever->worker->redis, round_on_ledger, r, "GETRANGE",
		       redis_key(&arena, KEY_RETRIEVE_LEDGER, r->address, r->id), 2,
		       (const struct str[]){str_c(from), str_c(to)});
	arena_fini(&arena);
}

void
round_know(struct round *r, void (*next)(struct round *r))
{
	if (r->knows) {
		next(r);
		return;
	}
	r->on_known = next;
	round_read_ledger(r);
}

/* ---- Places of folders ---- */
struct str
round_place(const struct round *r, struct str folder)
{
	for (unsigned i = r->place_count; i > 0; i--)
		if (str_eq(r->places[2 * i - 2], folder))
			return r->places[2 * i - 1];
	return STR_NONE;
}

void
round_set_place(struct round *r, struct str folder, struct str place)
{
	struct arena *arena = &r->op.arena;
	struct str *places;

	for (unsigned i = 0; i < r->place_count; i++) {
		if (str_eq(r->places[2 * i], folder)) {
			if (!str_eq(r->places[2 * i + 1], place))
				r->places[2 * i + 1] = arena_str(arena, place);
			return;
		}
	}
	places = arena_array(arena, struct str, 2 * r->place_count + 2);
	if (r->place_count > 0)
		memcpy(places, r->places, 2 * r->place_count * sizeof(*places));
	places[2 * r->place_count] = arena_str(arena, folder);
	places[2 * r->place_count + 1] = arena_str(arena, place);
	r->places = places;
	r->place_count++;
}

/* ---- The lease ---- */
static void
round_arm(struct round *r)
{
	struct timeval tv = clock_timeval(ROUND_KEEP_MS);

	evtimer_add(r->timer, &tv);
}

static void
round_on_mark(void *arg, const redisReply *reply, const struct err *err)
{
	struct round *r = arg;

	if (!op_back(&r->op))
		return;
	if (err == NULL && redis_str(reply).len > 0)
		str_copy(redis_str(reply), r->mark, sizeof(r->mark));
}

/* Is it another account than the round began with? The login may have brought a new secret. */
static bool
round_has_other_account(struct round *r, struct str packed)
{
	struct retrieve_account now;
	struct buf before = BUF_EMPTY, after = BUF_EMPTY;
	struct arena arena;
	struct err err;
	bool differs = true;

	if (str_eq(packed, r->packed))
		return false;
	arena_init(&arena);
	if (retrieve_account_unpack(packed, &arena, &now, &err) == 0) {
		now.secret = r->account.secret;
		retrieve_account_pack(&r->account, &before);
		retrieve_account_pack(&now, &after);
		differs = !str_eq(buf_str(&before), buf_str(&after));
	}
	buf_fini(&before);
	buf_fini(&after);
	arena_fini(&arena);
	return differs;
}

static void
round_on_kept(void *arg, const redisReply *reply, const struct err *err)
{
	struct round *r = arg;
	struct worker *w = r->retriever->worker;

	if (!op_back(&r->op))
		return;
	if (err != NULL) {
		if (err->code == ERR_FENCED)
			round_lose(r, err);
		return; /* else the lease ends by itself, or the next try keeps it */
	}
	r->lease_until_ms = r->keep_sent_ms + RETRIEVE_LEASE_MS - ROUND_MARGIN_MS;
	op_hold(&r->op);
	claim_put_off(w->redis, str_c(r->member), str_c(r->mark), RETRIEVE_LEASE_MS, round_on_mark, r);
	if (r->has_host)
		claim_host(w->redis, r->account.host, str_c(r->who), NULL, NULL);
	/* It was disabled, or is read in another way: not one message more. */
	if (!r->is_idle && !r->is_ending && reply->elements == 2 &&
	    round_has_other_account(r, redis_str(reply->element[0]))) {
		log_info(&r->log, "the account has changed: retrieval stops");
		round_stop(r);
		return;
	}
	/* It was changed, or somebody wants a look now: at everything. */
	if (reply->elements == 2 && redis_i64(reply->element[1], 0) > r->begun_ms)
		r->stuck = (struct stuck){.is_changed = true};
	r->is_changed |= reply->elements == 2 && !str_eq(redis_str(reply->element[0]), r->packed);
	if (r->is_changed || (reply->elements == 2 && redis_i64(reply->element[1], 0) > r->begun_ms))
		session_wake(r);
}

static void
round_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct round *r = arg;

	(void)fd, (void)what;
	if (!round_has_lease(r))
		return;
	round_arm(r);
	r->keep_sent_ms = clock_monotonic_ms();
	op_hold(&r->op);
	ledger_keep(&r->ledger, round_on_kept, r);
}

/* ---- The beginning ---- */
static void
round_on_host(void *arg, const redisReply *reply, const struct err *err)
{
	struct round *r = arg;

	if (!round_back(r, err))
		return;
	if (redis_i64(reply, 0) == 0) {
		ending_give_back(r, ROUND_HOST_WAIT_MS + (int64_t)arc4random_uniform(ROUND_HOST_WAIT_MS));
		return;
	}
	r->has_host = true;
	recover_start(r);
}

static void
round_begin(struct round *r)
{
	struct worker *w = r->retriever->worker;

	if (!r->account.enabled) {
		ending_give_back(r, RETRIEVE_NEVER_MS / 2);
		return;
	}
	if (r->account.trial && clock_unix_ms() - r->account.created_ms > ROUND_TRIAL_MS) {
		/* Whoever added it has not come back. */
		retrieve_delete(w->redis, r->address, r->id, NULL, NULL);
		retriever_on_round_end(r);
		return;
	}
	if (!retriever_take_slot(r->retriever, r->account.protocol)) {
		ending_give_back(r, ROUND_HOST_WAIT_MS * 2 + (int64_t)arc4random_uniform(ROUND_HOST_WAIT_MS * 2));
		return;
	}
	r->has_protocol = true;
	pace_begin(r);
	gate_on_start(r->retriever);
	r->is_starting = false;
	r->retriever->starting--;
	op_hold(&r->op);
	claim_host(w->redis, r->account.host, str_c(r->who), round_on_host, r);
}

static void
round_copy_pairs(struct round *r, const redisReply *list, const struct str **out, unsigned *count_out)
{
	struct str *pairs = arena_array(&r->op.arena, struct str, list->elements + 1);

	for (size_t i = 0; i < list->elements; i++)
		pairs[i] = arena_str(&r->op.arena, redis_str(list->element[i]));
	*out = pairs;
	*count_out = (unsigned)(list->elements / 2);
}

static int
round_read(struct round *r, const redisReply *reply, struct err *err)
{
	const struct str *places;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 5)
		return err_set(err, ERR_CORRUPT, "the answer about a remote account makes no sense");
	r->packed = arena_str(&r->op.arena, redis_str(reply->element[0]));
	if (retrieve_account_unpack(r->packed, &r->op.arena, &r->account, err) != 0)
		return -1;
	retrieve_status_read(reply->element[2], &r->status);
	r->status.state = arena_str(&r->op.arena, r->status.state);
	r->status.last_error = arena_str(&r->op.arena, r->status.last_error);
	r->status.access = arena_str(&r->op.arena, r->status.access);
	str_to_u64(redis_field(reply->element[2], "refused"), &r->refusals);
	stuck_read(&r->stuck, redis_field(reply->element[2], "stuck_rows"));
	round_copy_pairs(r, reply->element[3], &places, &r->place_count);
	r->places = arena_array(&r->op.arena, struct str, 2 * r->place_count + 1);
	memcpy(r->places, places, 2 * r->place_count * sizeof(*places));
	round_copy_pairs(r, reply->element[4], &r->pending, &r->pending_count);
	snprintf(r->who, sizeof(r->who), "%s %" PRId64, r->member, redis_i64(reply->element[1], 0));
	ledger_init(&r->ledger, r->retriever->worker->redis, r->address, r->id, redis_i64(reply->element[1], 0));
	r->ledger.on_place = listing_place;
	r->ledger.arg = r;
	return 0;
}

static void
round_on_begun(void *arg, const redisReply *reply, const struct err *err)
{
	struct round *r = arg;
	struct worker *w = r->retriever->worker;
	struct err bad;

	if (!op_back(&r->op))
		return;
	if (err != NULL && err->code == ERR_NOT_FOUND)
		claim_remove(w->redis, str_c(r->member), str_c(r->mark));
	else if (err != NULL && err->code == ERR_EXISTS)
		claim_put_at(w->redis, str_c(r->member), str_c(r->mark), str_c(err->text));
	if (err != NULL) {
		retriever_on_round_end(r);
		return;
	}
	if (round_read(r, reply, &bad) != 0) {
		log_error(&r->log, "a remote account cannot be read", F_ERR(&bad));
		retriever_on_round_end(r);
		return;
	}
	r->has_begun = true;
	round_arm(r);
	round_begin(r);
}

static void
round_on_wait(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	session_wake(arg);
}

void
round_start(struct retriever *v, struct str member, struct str mark)
{
	struct round *r = mem_new(struct round);
	struct worker *w = v->worker;

	op_init(&r->op, round_on_op_end);
	arena_init(&r->folder_arena);
	r->retriever = v;
	DL_APPEND(v->rounds, r);
	v->starting++;
	r->is_starting = true;
	str_copy(member, r->member, sizeof(r->member));
	str_copy(mark, r->mark, sizeof(r->mark));
	r->timer = evtimer_new(w->base, round_on_timer, r);
	r->wait = evtimer_new(w->base, round_on_wait, r);
	r->begun_ms = clock_unix_ms();
	r->lease_until_ms = clock_monotonic_ms() + RETRIEVE_LEASE_MS - ROUND_MARGIN_MS;
	if (!retrieve_member_parse(str_c(r->member), &r->address, &r->id)) {
		claim_remove(w->redis, str_c(r->member), str_c(r->mark));
		retriever_on_round_end(r);
		return;
	}
	r->log = (struct log_context){.fields = {F_STR("account", r->address), F_STR("remote", r->id)}};
	op_hold(&r->op);
	claim_begin(w->redis, r->address, r->id, w->name, round_on_begun, r);
}

/* ---- The middle ---- */
void
round_on_recovered(struct round *r)
{
	if (r->pending_count > 0)
		log_info(&r->log, "messages of an earlier round were handed over", F_I64("count", r->pending_count));
	space_ask(r, session_start);
}

void
round_on_folders_done(struct round *r)
{
	if (r->is_ending)
		return;
	if (!r->is_counting || r->account.trial) {
		session_rest(r);
		return;
	}
	ledger_total(&r->ledger, r->count_messages, r->count_bytes);
	r->is_counting = false;
	r->folder_at = 0;
	r->too_large = r->unread = 0;
	listing_start(r);
}
