/* FETCH and UID FETCH (RFC 9051, 6.4.5; RFC 7162, 3.1.4 and 3.2.6).
 *
 * What the index has is written in one tight loop. For what lies deeper the
 * messages go in batches: cold records with one call, their digests side by
 * side, then each message is told, its sections streamed. */
#include "frontend/imap/fetch.h"

#include <time.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"

enum { LINE_BYTES = 32 * 1024, UID_SPAN_MAX = 4096 };

static void run(struct fetch *f);

/* ---- The end ---- */
static void
free_batch(struct fetch *f)
{
	for (unsigned i = 0; i < f->batch_count; i++)
		imap_digest_fini(&f->batch[i].digest);
	f->batch_count = f->batch_at = 0;
}

static void
on_cancel(struct imap_session *s)
{
	struct fetch *f = s->work;

	free_batch(f);
	buf_fini(&f->line);
}

static void
finish(struct fetch *f)
{
	struct imap_session *s = f->session;

	imap_write(s, &f->line);
	free_batch(f);
	buf_fini(&f->line);
	s->on_cancel = NULL;
	if (f->some_unknown)
		imap_finish(s, IMAP_NO, "[UNKNOWN-CTE] some parts have an encoding that is not known");
	else if (f->some_lost)
		imap_finish(s, IMAP_NO, "[SERVERBUG] some messages cannot be read");
	else
		imap_ok(s);
}

static void
fail(struct fetch *f, const struct err *err)
{
	free_batch(f);
	buf_fini(&f->line);
	f->session->on_cancel = NULL;
	imap_failed(f->session, err);
}

/* ---- One message's items ---- */
static void
print_date(int64_t unix_seconds, int zone_minutes, struct buf *out)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t local = (time_t)(unix_seconds + zone_minutes * 60);
	int zone = zone_minutes < 0 ? -zone_minutes : zone_minutes;
	struct tm tm;

	gmtime_r(&local, &tm);
	buf_printf(out, "\"%02d-%.3s-%04d %02d:%02d:%02d %c%02d%02d\"", tm.tm_mday, months + tm.tm_mon * 3,
		   tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, zone_minutes < 0 ? '-' : '+', zone / 60, zone % 60);
}

static bool
got_seen(const struct fetch *f, uint32_t uid)
{
	uint32_t low = 0, high = f->seen_count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (f->seen_uids[mid] < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < f->seen_count && f->seen_uids[low] == uid;
}

static void
print_hot(struct fetch *f, const struct mailbox_hot *hot, struct buf *out)
{
	struct imap_session *s = f->session;
	unsigned items = f->items.items;
	bool first = true;

	if (f->seen_count != 0 && got_seen(f, hot->uid))
		items |= FETCH_FLAGS | ((s->enabled & IMAP_CONDSTORE) != 0 ? FETCH_MODSEQ : 0);
#define ITEM(name) (buf_add_c(out, first ? name : " " name), first = false)
	if ((items & FETCH_UID) != 0) {
		ITEM("UID ");
		imap_print_u64(hot->uid, out);
	}
	if ((items & FETCH_FLAGS) != 0) {
		ITEM("FLAGS ");
		imap_print_flags(s->view->index, hot->flags, hot->keywords, out);
		imap_view_told(s->view, hot);
	}
	if ((items & FETCH_SIZE) != 0) {
		ITEM("RFC822.SIZE ");
		imap_print_u64(hot->size, out);
	}
	if ((items & FETCH_MODSEQ) != 0) {
		ITEM("MODSEQ (");
		imap_print_u64(hot->modseq, out);
		buf_add_byte(out, ')');
	}
	if ((items & FETCH_EMAILID) != 0) {
		ITEM("EMAILID (");
		imap_print_email_id(hot->email_id, out);
		buf_add_byte(out, ')');
	}
	if ((items & FETCH_THREADID) != 0)
		ITEM("THREADID NIL");
#undef ITEM
}

static void
begin_item(const char *name, struct buf *out)
{
	if (out->data[out->len - 1] != '(')
		buf_add_byte(out, ' ');
	buf_add_c(out, name);
	buf_add_byte(out, ' ');
}

static void
print_deeper(const struct fetch *f, const struct fetch_entry *e, struct buf *out)
{
	static const struct {
		unsigned item;
		const char *name;
		enum mime_digest_text text;
	} texts[] = {{FETCH_ENVELOPE, "ENVELOPE", DIGEST_ENVELOPE},
		     {FETCH_BODY, "BODY", DIGEST_BODY},
		     {FETCH_BODYSTRUCTURE, "BODYSTRUCTURE", DIGEST_BODYSTRUCTURE}};

	if ((f->items.items & FETCH_INTERNALDATE) != 0) {
		begin_item("INTERNALDATE", out);
		print_date(e->cold.internal_date, e->cold.zone_minutes, out);
	}
	if ((f->items.items & FETCH_SAVEDATE) != 0) {
		begin_item("SAVEDATE", out);
		print_date(e->cold.save_date, 0, out);
	}
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if ((f->items.items & texts[i].item) != 0) {
			begin_item(texts[i].name, out);
			buf_add_str(out, e->digest.digest.texts[texts[i].text]);
		}
}

static void
begin_message(struct fetch *f, uint32_t seq, const struct mailbox_hot *hot)
{
	buf_add_c(&f->line, "* ");
	imap_print_u64(seq, &f->line);
	buf_add_c(&f->line, " FETCH (");
	print_hot(f, hot, &f->line);
}

/* ---- The batch ---- */
static void
end_entry(struct fetch *f)
{
	buf_add_c(&f->line, ")\r\n");
	imap_digest_fini(&f->batch[f->batch_at].digest);
	f->batch_at++;
}

void
fetch_next_entry(struct fetch *f)
{
	end_entry(f);
	run(f);
}

/* True: it is told whole. False: its sections are on their way. */
static bool
tell_entry(struct fetch *f)
{
	struct fetch_entry *e = &f->batch[f->batch_at];
	struct mailbox_hot hot;

	if (!e->known || e->lost || !imap_view_hot(f->session->view, e->seq, &hot)) {
		f->some_lost |= e->lost;
		imap_digest_fini(&e->digest);
		f->batch_at++;
		return true;
	}
	begin_message(f, e->seq, &hot);
	print_deeper(f, e, &f->line);
	f->section = f->items.sections;
	f->body = e->cold.body;
	if (!fetch_sections(f))
		return false;
	end_entry(f);
	return true;
}

struct waiting {
	struct fetch *fetch;
	struct fetch_entry *entry;
};

static void
on_digest(void *arg, const struct err *err)
{
	struct waiting w = *(struct waiting *)arg;

	mem_free(arg);
	if (err != NULL || !w.entry->digest.ready) {
		log_error(conn_log(w.fetch->session->conn), "a message cannot be read", F_I64("uid", w.entry->uid),
			  F_C("error", err != NULL ? err->text : "no digest"));
		w.entry->lost = true;
	}
	if (--w.fetch->loading == 0)
		run(w.fetch);
}

static void
load_digests(struct fetch *f)
{
	f->loading = 1; /* stays until all are asked for */
	for (unsigned i = 0; i < f->batch_count && f->wants_digest; i++) {
		struct waiting *w;
		if (!f->batch[i].known)
			continue;
		w = mem_new(struct waiting);
		*w = (struct waiting){f, &f->batch[i]};
		f->loading++;
		imap_digest_load(f->session, f->batch[i].uid, &f->batch[i].cold, &f->batch[i].digest, on_digest, w);
	}
	if (--f->loading == 0)
		run(f);
}

/* Both in order of UID. */
static void
on_cold(void *arg, const struct mailbox_records *r, const struct err *err)
{
	struct fetch *f = arg;
	uint32_t at = 0;

	if (!imap_back(f->session))
		return;
	f->loading = 0;
	if (err != NULL) {
		fail(f, err);
		return;
	}
	for (unsigned i = 0; i < f->batch_count; i++) {
		struct mailbox_hot hot = {0};
		for (; at < r->count; at++) {
			mailbox_hot_unpack(r->hot + (size_t)at * MAILBOX_HOT_BYTES, &hot);
			if (hot.uid >= f->batch[i].uid)
				break;
		}
		if (at == r->count || hot.uid != f->batch[i].uid)
			continue;
		f->batch[i].known = true;
		mailbox_cold_unpack(r->cold + (size_t)at * MAILBOX_COLD_BYTES, &f->batch[i].cold);
	}
	load_digests(f);
}

/* Messages that lie near each other: one call reads their records. */
static void
load_batch(struct fetch *f)
{
	struct imap_session *s = f->session;
	uint32_t first = 0, last = 0;

	free_batch(f);
	while (f->at < f->messages.count && f->batch_count < FETCH_BATCH) {
		uint32_t seq = f->messages.seqs[f->at], uid = imap_view_uid(s->view, seq);
		if (first == 0)
			first = uid;
		else if (uid - first > UID_SPAN_MAX)
			break;
		last = uid;
		f->batch[f->batch_count++] = (struct fetch_entry){.seq = seq, .uid = uid};
		f->at++;
	}
	f->loading = 1;
	imap_hold(s);
	mailbox_read(imap_store(s), imap_address(s), s->view->index->folder_id, first, last, MAILBOX_HOT | MAILBOX_COLD, 0,
		     on_cold, f);
}

/* ---- Going on ---- */
static void
on_drained(struct imap_session *s)
{
	run(s->work);
}

/* Writes what has come together; false: wait for the client. */
static bool
flush(struct fetch *f)
{
	imap_write(f->session, &f->line);
	buf_clear(&f->line);
	return imap_may_write(f->session, on_drained);
}

static void
run_index(struct fetch *f)
{
	for (; f->at < f->messages.count; f->at++) {
		struct mailbox_hot hot;
		if (!imap_view_hot(f->session->view, f->messages.seqs[f->at], &hot))
			continue; /* gone; the client is told in its time */
		begin_message(f, f->messages.seqs[f->at], &hot);
		buf_add_c(&f->line, ")\r\n");
		if (f->line.len > LINE_BYTES && !flush(f)) {
			f->at++;
			return;
		}
	}
	finish(f);
}

static void
run(struct fetch *f)
{
	if (!f->wants_cold) {
		run_index(f);
		return;
	}
	for (;;) {
		if (f->loading != 0)
			return;
		if (f->batch_at == f->batch_count) {
			if (f->at == f->messages.count) {
				finish(f);
				return;
			}
			load_batch(f);
			return;
		}
		if (f->line.len > LINE_BYTES && !flush(f))
			return;
		if (!tell_entry(f))
			return;
	}
}

/* ---- \Seen ---- */
static void
on_seen(void *arg, const struct mailbox_stored *stored, const struct err *err)
{
	struct fetch *f = arg;
	struct imap_session *s = f->session;

	if (!imap_back(s))
		return;
	if (err != NULL) {
		fail(f, err);
		return;
	}
	imap_index_take_stored(s->view->index, stored);
	run(f);
}

static bool
sets_seen(const struct fetch *f)
{
	const struct imap_section *section;

	if (f->session->view->read_only)
		return false;
	for (section = f->items.sections; section != NULL; section = section->next)
		if (!section->peek)
			return true;
	return false;
}

static void
mark_seen(struct fetch *f)
{
	struct imap_session *s = f->session;
	struct mailbox_flag_change change = {
		.mode = MAILBOX_FLAGS_ADD, .flags = MAILBOX_SEEN, .unchanged_since = UINT64_MAX};

	f->seen_uids = arena_array(&s->command, uint32_t, f->messages.count + 1);
	for (uint32_t i = 0; i < f->messages.count; i++) {
		struct mailbox_hot hot;
		if (imap_view_hot(s->view, f->messages.seqs[i], &hot) && (hot.flags & MAILBOX_SEEN) == 0)
			f->seen_uids[f->seen_count++] = hot.uid;
	}
	if (f->seen_count == 0) {
		run(f);
		return;
	}
	imap_hold(s);
	mailbox_store_flags(imap_store(s), imap_address(s), s->view->index->folder_id, f->seen_uids, f->seen_count, &change,
			    on_seen, f);
}

/* ---- CHANGEDSINCE, VANISHED ---- */
static void
keep_changed(struct fetch *f)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < f->messages.count; i++) {
		struct mailbox_hot hot;
		if (imap_view_hot(f->session->view, f->messages.seqs[i], &hot) && hot.modseq > f->items.changed_since)
			f->messages.seqs[kept++] = f->messages.seqs[i];
	}
	f->messages.count = kept;
}

static void
start(struct fetch *f)
{
	if (f->items.has_changed_since)
		keep_changed(f);
	f->wants_cold = (f->items.items & (FETCH_WANTS_COLD | FETCH_WANTS_DIGEST)) != 0 || f->items.sections != NULL;
	f->wants_digest = (f->items.items & FETCH_WANTS_DIGEST) != 0;
	for (struct imap_section *p = f->items.sections; p != NULL; p = p->next)
		f->wants_digest |= p->number_count != 0 || p->part != SECTION_WHOLE;
	if (f->wants_cold)
		f->batch = arena_array(&f->session->command, struct fetch_entry, FETCH_BATCH);
	if (sets_seen(f))
		mark_seen(f);
	else
		run(f);
}

struct vanished {
	struct fetch *fetch;
	struct imap_set asked;
};

static void
on_changes(void *arg, const struct mailbox_changes *c, const struct err *err)
{
	struct vanished *v = arg;
	struct fetch *f = v->fetch;
	struct imap_session *s = f->session;
	uint32_t *gone, count = 0;

	if (!imap_back(s))
		return;
	if (err != NULL) {
		fail(f, err);
		return;
	}
	gone = arena_array(&s->command, uint32_t, c->gone_count + 1);
	for (uint32_t i = 0; i < c->gone_count; i++)
		if (imap_set_has(&v->asked, c->gone_uids[i]))
			gone[count++] = c->gone_uids[i];
	if (count != 0) {
		buf_add_c(&f->line, "* VANISHED (EARLIER) ");
		imap_set_print_numbers(gone, count, &f->line);
		buf_add_c(&f->line, "\r\n");
	}
	start(f);
}

static void
ask_vanished(struct fetch *f, const struct imap_set *asked)
{
	struct imap_session *s = f->session;
	struct vanished *v = arena_new(&s->command, struct vanished);

	*v = (struct vanished){f, *asked};
	imap_hold(s);
	mailbox_read_changes(imap_store(s), imap_address(s), s->view->index->folder_id, f->items.changed_since, on_changes, v);
}

/* ---- The command ---- */
enum cmd_status
imap_cmd_fetch(struct imap_session *s, struct imap_lexer *lex)
{
	struct fetch *f = arena_new(&s->command, struct fetch);
	const char *error;
	struct imap_set set;

	f->session = s;
	f->by_uid = s->by_uid;
	if (!imap_lex_sp(lex) || !imap_lex_set(lex, &set) || !imap_lex_sp(lex) || !imap_parse_fetch(lex, &f->items))
		return imap_syntax(s, lex);
	if (f->items.vanished && (!s->by_uid || !f->items.has_changed_since || (s->enabled & IMAP_QRESYNC) == 0)) {
		imap_lex_fail(lex, "VANISHED wants UID FETCH, CHANGEDSINCE and QRESYNC enabled");
		return imap_syntax(s, lex);
	}
	if (f->items.has_changed_since || (f->items.items & FETCH_MODSEQ) != 0)
		imap_enable_condstore(s);
	if (f->items.has_changed_since)
		f->items.items |= FETCH_MODSEQ;
	if (s->by_uid)
		f->items.items |= FETCH_UID;
	error = imap_view_resolve(s->view, &set, s->by_uid, &s->command, &f->messages);
	if (error != NULL) {
		imap_lex_fail(lex, error);
		return imap_syntax(s, lex);
	}
	s->work = f;
	s->on_cancel = on_cancel;
	if (f->items.vanished)
		ask_vanished(f, &set);
	else
		start(f);
	return s->row == NULL ? CMD_DONE : CMD_WAIT; /* some are answered at once */
}
