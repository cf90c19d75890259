/* One message on its way: into the blob store, noted as pending, handed over, noted as done.
 *
 * What is noted as pending contains the whole envelope with the synced body, so that another round can hand the
 * same message over again, under the same id. */
#include <string.h>
#include <utlist.h>

#include "delivery-worker/retrieve/private.h"
#include "lib/base/bytes.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/mem.h"
#include "lib/service/metrics.h"

enum { HAND_OVER_MS = 20000, KEPT_HEAD = LEDGER_RECORD };

/* ---- Life ---- */
static void
message_free(struct message *m)
{
	if (m->append != NULL)
		blob_append_abort(&m->append);
	head_fini(&m->head);
	auth_results_filter_fini(&m->filter);
	buf_fini(&m->authserv_id);
	buf_fini(&m->remote_id);
	buf_fini(&m->kept);
	mem_free(m);
}

static void
message_remove(struct message *m)
{
	struct round *r = m->round;

	DL_DELETE(r->messages, m);
	if (m->state != MESSAGE_READING)
		r->in_flight--;
	message_free(m);
	reading_flow(r);
	if (r->messages == NULL && r->on_drained != NULL) {
		void (*on_drained)(struct round * r) = r->on_drained;

		r->on_drained = NULL;
		on_drained(r);
	}
}

void
message_drop(struct message *m)
{
	DL_DELETE(m->round->messages, m);
	if (m->state == MESSAGE_READING)
		reading_forget_room(m->round);
	/* Others have a callback of the blob store or the bus on its way, which frees them. */
	if (m->state == MESSAGE_READING || m->state == MESSAGE_PENDING || m->state == MESSAGE_NOTING)
		message_free(m);
}

/* For a callback that holds the round. */
static bool
message_back(struct message *m)
{
	if (op_back(&m->round->op))
		return true;
	message_free(m);
	return false;
}

/* ---- Noted as done ---- */
static void
message_on_noted(void *arg, const struct err *err)
{
	struct message *m = arg;
	struct round *r = m->round;

	if (err != NULL) {
		round_lose(r, err);
		return;
	}
	CRASHPOINT("retrieve-noted");
	if (!m->is_skipped) {
		r->taken++;
		r->taken_bytes += m->body.length;
		metrics_add(M_RETRIEVED, 1);
		metrics_add(M_RETRIEVED_BYTES, (int64_t)m->body.length);
	}
	if (r->knows) {
		known_add(&r->known, &m->record);
		r->added++;
	}
	if (!m->is_recovered)
		listing_note_here(r, m->uid, m->record.day);
	message_remove(m);
}

static void
message_note(struct message *m)
{
	m->state = MESSAGE_NOTING;
	m->entry = (struct ledger_entry){
		.remote_id = buf_str(&m->remote_id),
		.record = m->record,
		.has_record = true,
		.was_pending = !m->is_skipped,
		.counts = !m->is_skipped,
		.bytes = m->body.length,
		.on_written = message_on_noted,
		.arg = m,
	};
	ledger_write(&m->round->ledger, &m->entry);
}

/* ---- Handed over ---- */
static void
message_on_handed_over(void *arg, const struct err *err)
{
	struct message *m = arg;

	if (!message_back(m))
		return;
	if (err != NULL) {
		/* It stays pending: the next round hands it over. */
		struct round *r = m->round;

		round_fail(r, err_is_of_host(err), err->text);
		message_remove(m);
		return;
	}
	CRASHPOINT("retrieve-handed-over");
	message_note(m);
}

static void
message_hand_over(struct message *m, const Stagepost__Envelope *e)
{
	struct round *r = m->round;

	m->state = MESSAGE_HANDED;
	op_hold(&r->op);
	bus_hand_over(r->retriever->worker->bus, e, HAND_OVER_MS, message_on_handed_over, m);
}

/* ---- Noted as pending ---- */
static void
message_on_pended(void *arg, const struct err *err)
{
	struct message *m = arg;
	struct round *r = m->round;
	Stagepost__Envelope *e;

	if (err != NULL) {
		round_lose(r, err);
		return;
	}
	if (!round_has_lease(r))
		return;
	CRASHPOINT("retrieve-pended");
	e = stagepost__envelope__unpack(NULL, m->kept.len - KEPT_HEAD, (const uint8_t *)m->kept.data + KEPT_HEAD);
	CHECK(e != NULL);
	message_hand_over(m, e);
	stagepost__envelope__free_unpacked(e, NULL);
}

static void
message_fill_retrieved(const struct message *m, Stagepost__Retrieved *out)
{
	const struct round *r = m->round;
	const struct settings *s = round_settings(r);
	struct str into = r->folders[r->folder_at].into; /* in an arena: terminated */
	bool checks = r->account.protocol == RETRIEVE_POP3 ? settings_pop(s, STR_NONE)->retrieval_spam_check
							   : settings_imap(s, STR_NONE)->retrieval_spam_check;

	out->account = (char *)r->account.id;
	out->folder = (char *)(into.len > 0 ? into.p : "");
	out->flags = m->listed.flags;
	out->n_keywords = m->listed.keyword_count;
	out->keywords = m->listed.keywords;
	out->internal_date_ms = m->listed.date_ms;
	out->unchecked = r->account.once || !checks;
}

static void
message_pack(struct message *m)
{
	struct round *r = m->round;
	struct worker *w = r->retriever->worker;
	Stagepost__Envelope e = STAGEPOST__ENVELOPE__INIT;
	Stagepost__Retrieved retrieved = STAGEPOST__RETRIEVED__INIT;
	Stagepost__Recipient to = STAGEPOST__RECIPIENT__INIT;
	Stagepost__Recipient *recipients[1] = {&to};
	Stagepost__Blob body = {.base = PROTOBUF_C_MESSAGE_INIT(&stagepost__blob__descriptor),
				.pack = m->body.pack,
				.offset = m->body.offset,
				.length = m->body.length};
	char ip[IP_TEXT_MAX];

	ip_text(&r->remote_ip, ip);
	message_fill_retrieved(m, &retrieved);
	to.address = (char *)r->account.address;
	to.notify = 1; /* NEVER */
	to.local = true;
	e.id = m->id;
	e.n_recipients = 1;
	e.recipients = recipients;
	e.body = &body;
	e.received_ms = (uint64_t)clock_unix_ms();
	e.client_ip = ip;
	e.client_helo = (char *)r->account.host;
	e.protocol = (char *)(r->account.protocol == RETRIEVE_POP3 ? "POP3" : "IMAP");
	e.tls = r->remote_tls;
	e.frontend = (char *)w->name;
	e.eight_bit = true;
	e.smtputf8 = true;
	e.priority = r->account.once ? -4 : 0; /* others' new mail goes first */
	e.settings_version = settings_version(settings_current(w->settings));
	e.retrieved = &retrieved;
	buf_reserve(&m->kept, KEPT_HEAD + stagepost__envelope__get_packed_size(&e));
	ledger_record_pack(&m->record, m->kept.data);
	m->kept.len = KEPT_HEAD + stagepost__envelope__pack(&e, (uint8_t *)m->kept.data + KEPT_HEAD);
}

static void
message_on_synced(void *arg, const struct blob_id *id, const struct err *err)
{
	struct message *m = arg;
	struct round *r = m->round;

	if (!message_back(m))
		return;
	if (err != NULL) {
		/* It is lost, and those before it are not: the place of the folder stays below it. */
		reading_cap(r, m->uid);
		round_fail(r, err_is_of_host(err), err->text);
		message_remove(m);
		return;
	}
	m->state = MESSAGE_PENDING; /* no callback comes: who cancels the round frees it */
	if (!round_has_lease(r))
		return;
	CRASHPOINT("retrieve-synced");
	m->body = *id;
	message_pack(m);
	m->entry = (struct ledger_entry){
		.remote_id = buf_str(&m->remote_id),
		.pending = buf_str(&m->kept),
		.on_written = message_on_pended,
		.arg = m,
	};
	ledger_write(&r->ledger, &m->entry);
}

/* ---- As it comes from the remote ---- */
static void
message_add_trace(struct message *m)
{
	const struct round *r = m->round;
	const struct retrieve_account *a = &r->account;
	struct buf b = BUF_EMPTY;
	char date[CLOCK_RFC5322_MAX], ip[IP_LITERAL_MAX];
	struct err err;

	ip_literal(&r->remote_ip, ip);
	clock_rfc5322(clock_unix_ms(), date, sizeof(date));
	buf_printf(&b, "Received: from %s (%s)\r\n\tby %s (Stagepost) with %s", a->host, ip,
		   r->retriever->worker->hostname, a->protocol == RETRIEVE_POP3 ? "POP3" : "IMAP");
	buf_printf(&b, "\r\n\t(retrieval from %s@%s)\r\n\tid %s\r\n\tfor <%s>; %s\r\n", a->user, a->host, m->id,
		   a->address, date);
	buf_printf(&b, "X-Retrieved-From: %s@%s (%s)\r\n", a->user, a->host, a->id);
	/* A failure shows with the next piece, or at the end. */
	(void)blob_append_data(m->append, b.data, b.len, &err);
	buf_fini(&b);
}

struct message *
message_new(struct round *r, const struct listed *l)
{
	struct worker *w = r->retriever->worker;
	int shard = bus_client_pick_shard(w->bus);
	struct message *m;

	if (shard < 0) {
		round_fail(r, true, "no broker takes messages");
		return NULL;
	}
	m = mem_new(struct message);
	m->round = r;
	m->uid = l->uid;
	m->listed = *l;
	head_init(&m->head);
	buf_add_c(&m->authserv_id, settings_authserv_id(round_settings(r), w->hostname));
	auth_results_filter_init(&m->filter, buf_str(&m->authserv_id));
	spool_id_new((unsigned)shard, m->id);
	listing_remote_id(r, l, &m->remote_id);
	m->append = blob_append_begin(w->blobs, BLOB_BODY, l->size + 1024);
	message_add_trace(m);
	DL_APPEND(r->messages, m);
	return m;
}

static void
message_append(struct message *m, struct str piece)
{
	struct err err;

	if (m->append == NULL || piece.len == 0 || blob_append_data(m->append, piece.p, piece.len, &err) == 0)
		return;
	reading_forget_room(m->round);
	blob_append_abort(&m->append);
	round_fail(m->round, err_is_of_host(&err), err.text);
}

void
message_feed(struct message *m, struct str piece)
{
	struct buf kept = BUF_EMPTY;

	head_feed(&m->head, piece);
	auth_results_filter_feed(&m->filter, piece, &kept);
	message_append(m, buf_str(&kept));
	buf_fini(&kept);
}

static void
message_skip_noted(struct message *m, uint32_t day)
{
	struct round *r = m->round;

	reading_forget_room(r);
	if (m->append != NULL)
		blob_append_abort(&m->append);
	m->is_skipped = true;
	m->record = (struct ledger_record){m->listed.id, head_fingerprint(&m->head), day};
	r->in_flight++;
	message_note(m);
}

void
message_skip(struct message *m, bool remember)
{
	if (remember) {
		message_skip_noted(m, 0);
		return;
	}
	reading_forget_room(m->round);
	message_remove(m);
}

/* Is it here already, under another remote id? */
static bool
message_is_here(struct message *m, uint64_t fingerprint, uint32_t *day_out)
{
	struct round *r = m->round;
	struct known_row *row;

	if (!r->folders[r->folder_at].compares || !r->knows)
		return false;
	/* A folder that shows messages of others leaves their records alone. */
	row = known_find_print(&r->known, fingerprint, r->folders[r->folder_at].use == REMOTE_USE_ALL);
	if (row == NULL)
		return false;
	*day_out = row->record.day;
	if (r->folders[r->folder_at].use != REMOTE_USE_ALL)
		row->is_replaced = true;
	return true;
}

void
message_end(struct message *m)
{
	struct round *r = m->round;
	uint64_t fingerprint = head_fingerprint(&m->head);
	uint32_t day = ledger_today();
	struct buf rest = BUF_EMPTY;

	auth_results_filter_end(&m->filter, &rest);
	message_append(m, buf_str(&rest));
	buf_fini(&rest);
	if (m->append == NULL) { /* the round fails */
		reading_cap(r, m->uid);
		message_remove(m);
		return;
	}
	if (m->head.received_count > settings_smtp_in(round_settings(r), STR_NONE)->max_hop_count) {
		r->loops++;
		message_skip_noted(m, 0);
		return;
	}
	if (message_is_here(m, fingerprint, &day)) {
		r->again++;
		message_skip_noted(m, day);
		return;
	}
	if (!space_has(r, blob_append_size(m->append))) { /* the remote has said that it is smaller */
		reading_cap(r, m->uid);
		message_skip(m, false);
		return;
	}
	r->space_used += blob_append_size(m->append);
	m->record = (struct ledger_record){m->listed.id, fingerprint, day};
	m->state = MESSAGE_SYNCING;
	r->in_flight++;
	reading_forget_room(r);
	op_hold(&r->op);
	blob_append_commit(&m->append, message_on_synced, m);
}

/* ---- After a crash ---- */
void
message_recover(struct round *r, struct str remote_id, struct str kept)
{
	Stagepost__Envelope *e =
		stagepost__envelope__unpack(NULL, kept.len - KEPT_HEAD, (const uint8_t *)kept.p + KEPT_HEAD);
	struct message *m = mem_new(struct message);

	CHECK(e != NULL && e->body != NULL);
	m->round = r;
	m->is_recovered = true;
	head_init(&m->head);
	buf_add_str(&m->remote_id, remote_id);
	m->record = ledger_record_unpack(kept.p);
	m->body = (struct blob_id){e->body->pack, e->body->offset, e->body->length};
	str_copy(str_c(e->id), m->id, sizeof(m->id));
	r->in_flight++;
	DL_APPEND(r->messages, m);
	message_hand_over(m, e);
	stagepost__envelope__free_unpacked(e, NULL);
}
