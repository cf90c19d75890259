/* The maildrop: INBOX under an exclusive lock (RFC 1939, section 4).
 *
 * The lock is a lease in the store, so it is valid across frontends, and expires by
 * itself when a frontend dies. It is taken first, then LOGIN-DELAY is checked, then
 * the index is read. The lease is renewed during the session; if it is lost, the
 * session ends and nothing is removed. */
#include <stdio.h>

#include "frontend/pop3/private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"

enum { LEASE_MS = 20000, RENEW_MS = 6000, PIECE_RECORDS = 8192 };

static struct str
address_of(const struct pop3_maildrop *d)
{
	return str_c(d->address);
}

static struct mailbox_store *
store_of(const struct pop3_maildrop *d)
{
	return d->frontend->mailboxes;
}

/* Frees the maildrop, which nobody needs any more. */
static void
maildrop_free(struct op *op)
{
	struct pop3_maildrop *d = OP_OWNER(op, struct pop3_maildrop, op);

	/* At the very end of the process the store is gone, and the lease expires by itself. */
	if (d->locked && store_of(d) != NULL)
		mailbox_unlock(store_of(d), address_of(d), str_c(d->token), NULL, NULL);
	if (d->renew != NULL)
		event_free(d->renew);
	mem_free(d->messages);
	mem_free(d->token);
	mem_free(d->address);
	mem_free(d);
}

void
pop3_maildrop_leave(struct pop3_session *s)
{
	struct pop3_maildrop *d = s->maildrop;

	if (d == NULL)
		return;
	if (s->state >= POP3_TRANSACTION)
		log_info(conn_log(s->conn), "maildrop left", F_C("account", d->address),
			 F_I64("retrieved", s->retrieved), F_I64("marked", d->deleted_count));
	s->maildrop = NULL;
	d->session = NULL;
	if (d->renew != NULL)
		event_del(d->renew);
	op_cancel(&d->op);
}

/* ---- Opening ---- */

static void
maildrop_refuse(struct pop3_maildrop *d, enum pop3_reply_name reply, uint64_t number, const struct err *err)
{
	struct pop3_session *s = d->session;

	if (err != NULL && err->code != ERR_EXISTS)
		log_warning(conn_log(s->conn), "the maildrop cannot be opened", F_C("account", d->address), F_ERR(err));
	pop3_reply(s, reply, number);
	pop3_set_state(s, POP3_AUTHORIZATION);
	session_forget_account(&s->base);
	pop3_maildrop_leave(s);
	session_resume(&s->base);
}

static void
maildrop_keep(struct pop3_maildrop *d, const struct mailbox_records *records)
{
	/* The maildrop stays as it was at first: mail that arrives later is for the next
	 * session. */
	if (d->next_uid == 1) {
		d->uid_validity = records->uid_validity;
		d->end = records->uid_next;
	}
	d->messages = mem_realloc(d->messages, sizeof(*d->messages) * ((size_t)d->count + records->count));
	for (uint32_t i = 0; i < records->count; i++) {
		struct mailbox_hot hot;
		struct mailbox_cold cold;
		mailbox_hot_unpack(records->hot + (size_t)i * MAILBOX_HOT_BYTES, &hot);
		if (hot.uid >= d->end)
			break;
		mailbox_cold_unpack(records->cold + (size_t)i * MAILBOX_COLD_BYTES, &cold);
		d->messages[d->count] = (struct pop3_message){.uid = hot.uid, .deleted = false, .size = hot.size};
		blob_id_pack(&cold.body, d->messages[d->count++].body);
		d->bytes += hot.size;
	}
	/* Where UIDs were assigned long ago, few messages may be left. */
	if (records->count < d->span / 4 && d->span < UINT32_MAX / 4)
		d->span *= 4;
	else if (records->count > PIECE_RECORDS)
		d->span = PIECE_RECORDS;
}

static void read_piece(struct pop3_maildrop *d);

static void
on_records(void *arg, const struct mailbox_records *records, const struct err *err)
{
	struct pop3_maildrop *d = arg;
	struct pop3_session *s = d->session;

	if (!op_back(&d->op))
		return;
	if (err != NULL) {
		maildrop_refuse(d, POP3_UNAVAILABLE, 0, err);
		return;
	}
	maildrop_keep(d, records);
	d->next_uid = d->asked_uid;
	if (d->next_uid < d->end) {
		read_piece(d);
		return;
	}
	metrics_add(M_POP3_LOGINS, 1);
	log_info(conn_log(s->conn), "maildrop opened", F_C("account", d->address), F_I64("messages", d->count),
		 F_I64("bytes", d->bytes));
	pop3_set_state(s, POP3_TRANSACTION);
	pop3_reply(s, POP3_OK_OPENED, d->count, d->bytes);
	session_resume(&s->base);
}

static void
on_folder(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct pop3_maildrop *d = arg;

	if (!op_back(&d->op))
		return;
	if (err != NULL) {
		maildrop_refuse(d, POP3_UNAVAILABLE, 0, err);
		return;
	}
	d->folder_id = folder->id;
	d->next_uid = 1;
	d->span = folder->messages > PIECE_RECORDS ? PIECE_RECORDS : UINT32_MAX;
	read_piece(d);
}

/* A large maildrop is read in pieces, so that others get their turn in between. */
static void
read_piece(struct pop3_maildrop *d)
{
	uint32_t first = (uint32_t)d->next_uid;
	uint32_t last = d->span < UINT32_MAX - first ? first + d->span - 1 : UINT32_MAX;

	d->asked_uid = (uint64_t)last + 1;
	op_hold(&d->op);
	mailbox_read(store_of(d), address_of(d), d->folder_id, first, last, MAILBOX_HOT | MAILBOX_COLD, 0, on_records,
		     d);
}

static void
read_index(struct pop3_maildrop *d)
{
	op_hold(&d->op);
	mailbox_open(store_of(d), address_of(d), STR("INBOX"), on_folder, d);
}

static void
on_delay_known(void *arg, const redisReply *reply, const struct err *err)
{
	struct pop3_maildrop *d = arg;

	if (!op_back(&d->op))
		return;
	if (err != NULL)
		maildrop_refuse(d, POP3_UNAVAILABLE, 0, err);
	else if (reply->type == REDIS_REPLY_NIL)
		maildrop_refuse(d, POP3_LOGIN_DELAY, (uint64_t)(pop3_settings(d->session)->login_delay + 999) / 1000,
				NULL);
	else
		read_index(d);
}

/* RFC 2449, section 6.5: the key exists for as long as the next login would be too early. */
static void
check_login_delay(struct pop3_maildrop *d)
{
	int64_t delay_ms = pop3_settings(d->session)->login_delay;
	struct str key, delay;

	if (delay_ms == 0) {
		read_index(d);
		return;
	}
	key = redis_key(&d->op.arena, KEY_POP3_LOGIN, address_of(d));
	delay = str_c(arena_printf(&d->op.arena, "%lld", (long long)delay_ms));
	op_hold(&d->op);
	redis_call_key(d->frontend->service->redis, on_delay_known, d, "SET", key, 4,
		       (const struct str[]){STR("1"), STR("NX"), STR("PX"), delay});
}

/* ---- The lease ---- */

static void
maildrop_lose(struct pop3_maildrop *d)
{
	struct pop3_session *s = d->session;

	log_warning(conn_log(s->conn), "the maildrop lock was lost", F_C("account", d->address));
	event_del(d->renew);
	if (s->state == POP3_UPDATE || conn_is_closing(s->conn))
		return;
	if (s->sending.active || s->listing.add != NULL)
		conn_abort(s->conn);
	else
		pop3_close(s, POP3_LOCK_LOST);
}

struct renewal {
	struct pop3_maildrop *maildrop;
	int64_t asked_ms;
};

static void
on_renewed(void *arg, const struct err *err)
{
	struct renewal *r = arg;
	struct pop3_maildrop *d = r->maildrop;
	int64_t asked_ms = r->asked_ms;

	mem_free(r);
	if (!op_back(&d->op))
		return;
	if (err == NULL)
		d->locked_until_ms = asked_ms + LEASE_MS;
	else if (err->code == ERR_FENCED || clock_monotonic_ms() >= d->locked_until_ms)
		maildrop_lose(d);
}

static void
on_renew(evutil_socket_t fd, short what, void *arg)
{
	struct pop3_maildrop *d = arg;
	struct renewal *r = mem_new(struct renewal);

	(void)fd, (void)what;
	*r = (struct renewal){d, clock_monotonic_ms()};
	op_hold(&d->op);
	mailbox_lock_renew(store_of(d), address_of(d), str_c(d->token), LEASE_MS, on_renewed, r);
}

static void
on_locked(void *arg, const struct err *err)
{
	struct pop3_maildrop *d = arg;
	struct timeval every = clock_timeval(RENEW_MS);

	/* Without an answer, the lock may be ours all the same. */
	d->locked = err == NULL || err->code != ERR_EXISTS;
	if (!op_back(&d->op))
		return;
	if (err != NULL) {
		maildrop_refuse(d, err->code == ERR_EXISTS ? POP3_IN_USE : POP3_UNAVAILABLE, 0, err);
		return;
	}
	d->renew = event_new(d->frontend->service->base, -1, EV_PERSIST, on_renew, d);
	event_add(d->renew, &every);
	check_login_delay(d);
}

void
pop3_maildrop_open(struct pop3_session *s, struct str address)
{
	struct pop3_maildrop *d = mem_new(struct pop3_maildrop);
	char token[SERVICE_ID_MAX + 32];

	CHECK(s->state == POP3_OPENING && s->maildrop == NULL);
	d->session = s;
	d->frontend = conn_frontend(s->conn);
	d->address = str_dup(address);
	snprintf(token, sizeof(token), "%s:%s", d->frontend->service->id, conn_id(s->conn));
	d->token = mem_strdup(token);
	d->locked_until_ms = clock_monotonic_ms() + LEASE_MS;
	op_init(&d->op, maildrop_free);
	op_hold(&d->op);
	s->maildrop = d;
	mailbox_lock(store_of(d), address_of(d), str_c(d->token), LEASE_MS, on_locked, d);
}

/* ---- UPDATE ---- */

static void
on_unlocked(void *arg, const struct err *err)
{
	struct pop3_maildrop *d = arg;
	struct pop3_session *s = d->session;

	(void)err; /* then the lease expires by itself */
	if (!op_back(&d->op))
		return;
	pop3_reply(s, d->goodbye, d->goodbye_number);
	pop3_maildrop_leave(s);
	conn_close(s->conn);
}

/* The lock is released before the client is answered: it may reconnect at once. */
static void
say_goodbye(struct pop3_maildrop *d, enum pop3_reply_name reply, uint64_t number)
{
	d->goodbye = reply;
	d->goodbye_number = number;
	d->locked = false;
	event_del(d->renew);
	op_hold(&d->op);
	mailbox_unlock(store_of(d), address_of(d), str_c(d->token), on_unlocked, d);
}

static void
on_expunged(void *arg, const struct mailbox_expunged *expunged, const struct err *err)
{
	struct pop3_maildrop *d = arg;

	CRASHPOINT("expunged");
	if (err == NULL)
		metrics_add(M_POP3_DELETED, expunged->count);
	if (!op_back(&d->op))
		return;
	if (err != NULL) {
		log_warning(conn_log(d->session->conn), "deleted messages not removed", F_C("account", d->address),
			    F_ERR(err));
		say_goodbye(d, POP3_NOT_REMOVED, 0);
		return;
	}
	log_info(conn_log(d->session->conn), "messages removed", F_C("account", d->address),
		 F_I64("count", expunged->count));
	say_goodbye(d, POP3_OK_REMOVED, d->deleted_count);
}

static void
maildrop_expunge(struct pop3_maildrop *d)
{
	uint32_t *uids = mem_alloc(sizeof(*uids) * d->deleted_count), count = 0;

	for (uint32_t i = 0; i < d->count; i++)
		if (d->messages[i].deleted)
			uids[count++] = d->messages[i].uid;
	CHECK(count == d->deleted_count);
	op_hold(&d->op);
	CRASHPOINT("expunging");
	mailbox_expunge(store_of(d), address_of(d), d->folder_id, uids, count, false, on_expunged, d);
	mem_free(uids);
}

static void
on_still_locked(void *arg, const struct err *err)
{
	struct pop3_maildrop *d = arg;

	if (!op_back(&d->op))
		return;
	if (err == NULL)
		maildrop_expunge(d);
	else
		say_goodbye(d, err->code == ERR_FENCED ? POP3_LOCK_LOST : POP3_NOT_REMOVED, 0);
}

void
pop3_maildrop_update(struct pop3_session *s)
{
	struct pop3_maildrop *d = s->maildrop;

	CHECK(s->state == POP3_UPDATE);
	if (d->deleted_count == 0) {
		say_goodbye(d, POP3_OK_BYE, 0);
		return;
	}
	/* A full lease from here on: nobody else gets in while messages are removed. */
	op_hold(&d->op);
	mailbox_lock_renew(store_of(d), address_of(d), str_c(d->token), LEASE_MS, on_still_locked, d);
}
