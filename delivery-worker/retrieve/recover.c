/* What an earlier round was handing over when it died. The broker, the spool's traces and the mailbox know the id
 * of a message that has arrived; whatever they do not know is handed over again, with the body that is stored.
 *
 * A body that nothing refers to is released after a day. So an old entry is looked up first; if nobody knows it
 * and its body is gone, the message is read again from the remote, as if it had never been seen. */
#include <inttypes.h>

#include "delivery-worker/retrieve/private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/spool/spool.h"

enum { RECOVER_AT_ONCE_MS = 5 * 60 * 1000, RECOVER_LEDGER_MS = 7 * 24 * 3600 * 1000 };

static void recover_next(struct round *r);

/* One entry that is too old to be simply handed over again. */
struct recovery {
	struct round *round; /* borrowed */
	struct str remote_id, kept;
	struct arena arena;
	struct ledger_entry entry;
	struct str spool_id;
	int64_t spooled_ms;
	struct blob_id body;
	bool looked_up; /* nobody knows its id */
	bool body_gone;
};

static void
recovery_free(struct recovery *v)
{
	arena_fini(&v->arena);
	mem_free(v);
}

/* ---- It is here ---- */
static void
recovery_on_noted(void *arg, const struct err *err)
{
	struct recovery *v = arg;
	struct round *r = v->round;

	r->recovery = NULL;
	recovery_free(v);
	if (err != NULL)
		round_lose(r, err);
	else
		recover_next(r);
}

static void
recovery_note(struct recovery *v)
{
	v->entry = (struct ledger_entry){
		.remote_id = v->remote_id,
		.record = ledger_record_unpack(v->kept.p),
		.has_record = true,
		.was_pending = true,
		.counts = true,
		.bytes = v->body.length,
		.on_written = recovery_on_noted,
		.arg = v,
	};
	v->round->recovery = v;
	ledger_write(&v->round->ledger, &v->entry);
}

/* ---- It is nowhere ---- */
static void
recovery_on_forgotten(void *arg, const redisReply *reply, const struct err *err)
{
	struct recovery *v = arg;
	struct round *r = v->round;

	(void)reply;
	recovery_free(v);
	if (round_back(r, err))
		recover_next(r);
}

/* The last UID that the folder's place names; UINT32_MAX: none of this UIDVALIDITY. */
static uint64_t
recovery_place_uid(const struct round *r, struct str folder, struct str validity)
{
	struct str rest = round_place(r, folder), word;
	uint64_t uid;

	if (str_next_word(&rest, " ", &word) && str_eq(word, validity) && str_next_word(&rest, " ", &word) &&
	    str_to_u64(word, &uid))
		return uid;
	return UINT32_MAX;
}

static bool
recovery_place_compares(const struct round *r, struct str folder)
{
	struct str rest = round_place(r, folder), word;

	while (str_next_word(&rest, " ", &word))
		if (str_eq(word, STR("v")))
			return true;
	return false;
}

/* IMAP: the place of its folder moves below it, and the ledger tells what is above. */
static void
recovery_forget(struct recovery *v)
{
	struct round *r = v->round;
	struct str rest = v->remote_id, validity, uid_text, folder = STR_NONE, place = STR_NONE;
	uint64_t uid = 0;

	if (r->account.protocol == RETRIEVE_IMAP && str_cut(rest, ' ', &validity, &rest) &&
	    str_cut(rest, ' ', &uid_text, &folder) && str_to_u64(uid_text, &uid) && uid > 0) {
		uint64_t upto = recovery_place_uid(r, folder, validity);

		if (upto >= uid)
			upto = uid - 1;
		place = str_c(arena_printf(&v->arena, "%.*s %" PRIu64 " c%s", STR_ARG(validity), upto,
					   recovery_place_compares(r, folder) ? " v" : ""));
		round_set_place(r, folder, place);
	}
	log_warning(&r->log, "a message that was being handed over is read again", F_STR("id", v->spool_id));
	op_hold(&r->op);
	ledger_forget(&r->ledger, &v->remote_id, 1, folder, place, recovery_on_forgotten, v);
}

static void recovery_look_up(struct recovery *v);

/* Handed over again only with a body that is there: else the spool would have a message without one. */
static void
recovery_on_body(void *arg, const char *data, size_t len, const struct err *err)
{
	struct recovery *v = arg;
	struct round *r = v->round;

	(void)data;
	(void)len;
	if (!op_back(&r->op)) {
		recovery_free(v);
		return;
	}
	v->body_gone = err != NULL && err->code == ERR_NOT_FOUND;
	if (v->body_gone && v->looked_up) {
		recovery_forget(v);
	} else if (v->body_gone) {
		recovery_look_up(v);
	} else {
		if (err != NULL)
			round_fail(r, err_is_of_host(err), err->text);
		else
			message_recover(r, v->remote_id, v->kept);
		recovery_free(v);
		recover_next(r);
	}
}

static void
recovery_read(struct recovery *v)
{
	struct round *r = v->round;

	op_hold(&r->op);
	blob_read(r->retriever->worker->blobs, &v->body, 0, 1, recovery_on_body, v);
}

static void
recovery_on_was_filed(void *arg, bool filed, bool had_passed, const struct err *err)
{
	struct recovery *v = arg;
	struct round *r = v->round;

	(void)had_passed;
	if (!op_back(&r->op)) {
		recovery_free(v);
	} else if (err != NULL) {
		recovery_free(v);
		round_lose(r, err);
	} else if (filed) {
		recovery_note(v);
	} else {
		v->looked_up = true;
		if (v->body_gone)
			recovery_forget(v);
		else
			recovery_read(v);
	}
}

static void
recovery_on_entry(void *arg, const struct spool_entry *entry, const struct err *err)
{
	struct recovery *v = arg;
	struct round *r = v->round;
	struct mailbox_delivery delivery = {
		.spool_id = v->spool_id,
		.spooled_ms = v->spooled_ms,
		.begun_ms = clock_unix_ms(),
		.ledger_life_ms = RECOVER_LEDGER_MS,
	};

	(void)entry;
	if (!op_back(&r->op)) {
		recovery_free(v);
	} else if (err == NULL) {
		recovery_note(v);
	} else if (err->code == ERR_NOT_FOUND) {
		op_hold(&r->op);
		mailbox_was_filed(r->retriever->worker->mailboxes, r->address, &delivery, recovery_on_was_filed, v);
	} else {
		recovery_free(v);
		round_lose(r, err);
	}
}

static void
recovery_look_up(struct recovery *v)
{
	op_hold(&v->round->op);
	spool_find(v->round->retriever->worker->redis, v->spool_id, recovery_on_entry, v);
}

/* -1: the entry makes no sense. */
static int
recovery_start(struct round *r, struct str remote_id, struct str kept)
{
	struct recovery *v;
	Stagepost__Envelope *e = NULL;
	bool is_old;

	if (kept.len > LEDGER_RECORD)
		e = stagepost__envelope__unpack(NULL, kept.len - LEDGER_RECORD,
						(const uint8_t *)kept.p + LEDGER_RECORD);
	if (e == NULL || e->body == NULL || !spool_id_parse(str_c(e->id), NULL, NULL)) {
		if (e != NULL)
			stagepost__envelope__free_unpacked(e, NULL);
		return -1;
	}
	v = mem_new(struct recovery);
	v->round = r;
	v->remote_id = remote_id;
	v->kept = kept;
	arena_init(&v->arena);
	v->spool_id = arena_str(&v->arena, str_c(e->id));
	v->body = (struct blob_id){e->body->pack, e->body->offset, e->body->length};
	spool_id_parse(v->spool_id, NULL, &v->spooled_ms);
	is_old = (int64_t)e->received_ms + RECOVER_AT_ONCE_MS < clock_unix_ms();
	stagepost__envelope__free_unpacked(e, NULL);
	if (is_old)
		recovery_look_up(v);
	else
		recovery_read(v);
	return 0;
}

void
recover_drop(struct round *r)
{
	if (r->recovery != NULL)
		recovery_free(r->recovery);
	r->recovery = NULL;
}

/* ---- One after the other ---- */
static void
recover_next(struct round *r)
{
	while (r->pending_at < r->pending_count && !r->is_ending) {
		struct str remote_id = r->pending[2 * r->pending_at], kept = r->pending[2 * r->pending_at + 1];

		r->pending_at++;
		if (recovery_start(r, remote_id, kept) == 0)
			return;
		log_error(&r->log, "a pending entry cannot be read", F_STR("entry", remote_id));
	}
	if (r->is_ending)
		return;
	if (r->messages == NULL)
		round_on_recovered(r);
	else
		r->on_drained = round_on_recovered;
}

void
recover_start(struct round *r)
{
	recover_next(r);
}
