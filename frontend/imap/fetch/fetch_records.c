/* Data from the index, cold records and digests for a FETCH. */
#include <string.h>
#include <time.h>

#include "frontend/imap/fetch/fetch.h"

static void
fetch_records_print_two(int value, char *out)
{
	out[0] = (char)('0' + value / 10 % 10);
	out[1] = (char)('0' + value % 10);
}

static void
fetch_records_print_date(int64_t unix_seconds, int zone_minutes, struct buf *out)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char text[] = "\"00-Mon-0000 00:00:00 +0000\"";
	time_t local = (time_t)(unix_seconds + zone_minutes * 60);
	int zone = zone_minutes < 0 ? -zone_minutes : zone_minutes;
	struct tm tm;

	gmtime_r(&local, &tm);
	fetch_records_print_two(tm.tm_mday, text + 1);
	memcpy(text + 4, months + tm.tm_mon * 3, 3);
	fetch_records_print_two((tm.tm_year + 1900) / 100, text + 8);
	fetch_records_print_two((tm.tm_year + 1900) % 100, text + 10);
	fetch_records_print_two(tm.tm_hour, text + 13);
	fetch_records_print_two(tm.tm_min, text + 16);
	fetch_records_print_two(tm.tm_sec, text + 19);
	text[22] = zone_minutes < 0 ? '-' : '+';
	fetch_records_print_two(zone / 60, text + 23);
	fetch_records_print_two(zone % 60, text + 25);
	buf_add(out, text, sizeof(text) - 1);
}

static bool
fetch_records_got_seen(const struct fetch *f, uint32_t uid)
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
fetch_records_tell_hot(struct fetch *f, const struct mailbox_hot *hot, struct buf *out)
{
	struct imap_session *s = f->session;
	unsigned items = f->items.items;
	bool first = true;

	if (f->seen_count != 0 && fetch_records_got_seen(f, hot->uid))
		items |= FETCH_FLAGS | ((s->enabled & IMAP_CONDSTORE) != 0 ? FETCH_MODSEQ : 0);
	/* Changes by others are not reported a second time, so MODSEQ is added now. */
	if ((items & FETCH_FLAGS) != 0 && (s->enabled & IMAP_CONDSTORE) != 0 && !imap_view_knows(s->view, hot))
		items |= FETCH_MODSEQ;
#define ITEM(name) (buf_add_str(out, first ? STR(name) : STR(" " name)), first = false)
	if ((items & FETCH_UID) != 0) {
		ITEM("UID ");
		imap_print_u64(hot->uid, out);
	}
	if ((items & FETCH_FLAGS) != 0) {
		ITEM("FLAGS ");
		imap_print_message_flags(s->view, hot, out);
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

void
fetch_begin_message(struct fetch *f, uint32_t seq, const struct mailbox_hot *hot)
{
	if ((f->items.items & FETCH_FLAGS) != 0 || f->seen_count != 0)
		imap_view_tell_keywords(f->session->view, &f->line);
	f->mark = f->line.len;
	buf_add_str(&f->line, STR("* "));
	imap_print_u64(seq, &f->line);
	buf_add_str(&f->line, STR(" FETCH ("));
	fetch_records_tell_hot(f, hot, &f->line);
}

void
fetch_begin_item(struct fetch *f, struct str name)
{
	if (f->line.len == 0 || f->line.data[f->line.len - 1] != '(')
		buf_add_byte(&f->line, ' ');
	buf_add_str(&f->line, name);
}

void
fetch_tell_deeper(struct fetch *f, const struct imap_record *r)
{
	static const struct {
		unsigned item;
		struct str name;
		enum mime_digest_text text;
	} texts[] = {{FETCH_ENVELOPE, STR("ENVELOPE "), DIGEST_ENVELOPE},
		     {FETCH_BODY, STR("BODY "), DIGEST_BODY},
		     {FETCH_BODYSTRUCTURE, STR("BODYSTRUCTURE "), DIGEST_BODYSTRUCTURE}};

	if ((f->items.items & FETCH_INTERNALDATE) != 0) {
		fetch_begin_item(f, STR("INTERNALDATE "));
		fetch_records_print_date(r->cold.internal_date, r->cold.zone_minutes, &f->line);
	}
	if ((f->items.items & FETCH_SAVEDATE) != 0) {
		fetch_begin_item(f, STR("SAVEDATE "));
		fetch_records_print_date(r->cold.save_date, 0, &f->line);
	}
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if ((f->items.items & texts[i].item) != 0) {
			fetch_begin_item(f, texts[i].name);
			buf_add_str(&f->line, r->digest.digest.texts[texts[i].text]);
		}
}
