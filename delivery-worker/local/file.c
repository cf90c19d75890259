/* Filing into mailboxes, several at once. A script that files refuses what it
 * has filed before. Only a certain "not filed" returns its references, so a
 * lost answer can leak a blob but never lose one. A disowned job starts no
 * further filing. */
#include "delivery-worker/local/private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/mailbox/name.h"

/* IANA's keyword for spam, and the name of the folder for it if it has to be created. */
#define JUNK_KEYWORD "$Junk"
#define JUNK_FOLDER  "Junk"
#define JUNK_USE     "\\Junk"

static void filing_start_more(struct local_work *w);

static void
filing_end(struct filing *f, enum filing_state state, const char *code, struct str text)
{
	struct local_work *w = f->work;

	CHECK(f->state == FILING_WAITING);
	f->state = state;
	f->code = code;
	f->text = arena_str(&w->job->arena, text);
	CHECK(op_back(&w->op));
	filing_start_more(w);
}

static void
filing_postpone(struct filing *f, const struct err *err)
{
	f->err = *err;
	filing_end(f, FILING_POSTPONED, "4.3.0", STR_NONE);
}

static void
filing_give_back_references(struct local_work *w)
{
	if (!w->passes_reference)
		w->spare_body_refs++;
	if (!blob_id_is_none(&w->digest))
		w->spare_digest_refs++;
}

/* Nothing was done, and nothing will be. */
static void
filing_give_up(struct filing *f)
{
	static const struct err disowned = {ERR_FENCED, "the job belongs to another worker now"};

	filing_give_back_references(f->work);
	filing_postpone(f, &disowned);
}

static void filing_submit(struct filing *f);

/* The folder has no room for another keyword, or the account none for another folder. False: there is
 * nothing left to do without. */
static bool
filing_shed_something(struct filing *f)
{
	if (f->tagged) {
		f->tagged = false;
	} else if (local_retrieved(f->work) != NULL && !f->plain) {
		f->plain = true;
	} else if (local_retrieved(f->work) != NULL && f->folder.len > 0) {
		f->folder = STR_NONE;
	} else {
		return false;
	}
	return true;
}

static void
filing_on_filed(void *arg, const struct mailbox_filed *filed, const struct err *err)
{
	struct filing *f = arg;
	struct local_work *w = f->work;

	if (err == NULL) {
		CRASHPOINT("filed");
		if (filed->duplicate) {
			w->reference_passed |= filed->had_passed;
			filing_give_back_references(w);
		} else if (w->passes_reference) {
			w->reference_passed = true;
		}
		filing_end(
			f, FILING_DONE, "2.0.0",
			str_c(arena_printf(&w->job->arena, "%s %.*s uid %u%s%.*s",
					   filed->duplicate ? "was delivered before:" : "filed:", STR_ARG(f->address),
					   filed->first_uid, f->folder.len > 0 ? " in " : "", STR_ARG(f->folder))));
		return;
	}
	if (err->code == ERR_LIMIT && filing_shed_something(f)) {
		filing_submit(f);
		return;
	}
	if (err->code == ERR_NOT_FOUND && f->folder.len > 0) {
		/* The folder has just been deleted. */
		f->folder = STR_NONE;
		filing_submit(f);
		return;
	}
	if (err->code == ERR_OVER_QUOTA) {
		filing_give_back_references(w);
		filing_end(f, FILING_REFUSED, "5.2.2", STR("the mailbox is full"));
		return;
	}
	log_warning(&w->job->log, "filing failed", F_STR("mailbox", f->address), F_ERR(err));
	if (mailbox_is_certain(err))
		filing_give_back_references(w);
	else
		w->in_doubt = true;
	filing_postpone(f, err);
}

/* The path is the detail as written: the same at every try, whichever folder it leads to by then. */
static struct mailbox_delivery
filing_delivery(const struct filing *f)
{
	const struct local_work *w = f->work;
	const Stagepost__Job *msg = w->job->msg;
	const struct settings_spool *s = settings_spool(settings_current(w->job->worker->settings), STR_NONE);

	/* The id of a report contains the time of its original, and the report may exist for as long again. */
	return (struct mailbox_delivery){
		.spool_id = str_c(msg->envelope->id),
		.way = f->detail,
		.spooled_ms = w->spooled_ms,
		.begun_ms = (int64_t)msg->given_ms,
		.ledger_life_ms = s->expire_after + s->bounce_expire_after + LOCAL_LEDGER_MARGIN_MS,
		.passes_reference = w->passes_reference,
		.in_doubt = msg->recheck,
	};
}

/* Flags, keywords and date of a retrieved message. */
static void
filing_add_retrieved(const struct filing *f, struct mailbox_new_message *message)
{
	const Stagepost__Retrieved *r = local_retrieved(f->work);
	struct str *keywords;

	if (r == NULL)
		return;
	message->flags = r->flags & MAILBOX_FLAGS_ALL;
	if (r->internal_date_ms > 0) {
		message->internal_date = r->internal_date_ms / 1000;
		message->zone_minutes = (int16_t)r->zone_minutes;
	}
	if (f->plain || r->n_keywords == 0)
		return;
	keywords = arena_array(&f->work->job->arena, struct str, r->n_keywords + 1);
	for (size_t i = 0; i < r->n_keywords; i++)
		keywords[i] = str_c(r->keywords[i]);
	keywords[r->n_keywords] = STR(JUNK_KEYWORD);
	message->keyword_count += (unsigned)r->n_keywords;
	message->keywords = keywords;
}

static void
filing_submit(struct filing *f)
{
	struct local_work *w = f->work;
	const struct mailbox_delivery delivery = filing_delivery(f);
	static const struct str keywords[] = {{JUNK_KEYWORD, sizeof(JUNK_KEYWORD) - 1}};
	struct mailbox_new_message message = {
		.keywords = keywords,
		.keyword_count = f->tagged ? 1 : 0,
		.body = w->body,
		.digest = w->digest,
		.internal_date = clock_unix_ms() / 1000,
	};
	struct mailbox_filing filing = {
		.address = f->address,
		.folder = f->folder,
		.create_folder = local_retrieved(w) != NULL,
		.quota_bytes = f->quota_bytes,
		.delivery = &delivery,
		.messages = &message,
		.count = 1,
	};

	if (w->job->disowned) {
		filing_give_up(f);
		return;
	}
	filing_add_retrieved(f, &message);
	CRASHPOINT("filing");
	mailbox_file(w->job->worker->mailboxes, &filing, filing_on_filed, f);
}

/* ---- Which folder ---- */
/* The store does not say where it belongs: better to file it later than in the wrong place. */
static void
filing_unsubmitted(struct filing *f, const struct err *err)
{
	filing_give_back_references(f->work);
	filing_postpone(f, err);
}

static void
filing_on_subscribed(void *arg, const struct err *err)
{
	(void)err; /* it exists; that is enough */
	filing_submit(arg);
}

static void
filing_on_junk_made(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct filing *f = arg;
	struct local_work *w = f->work;

	(void)folder;
	if (err != NULL && err_is_of_host(err)) {
		filing_unsubmitted(f, err);
		return;
	}
	if (err != NULL && err->code != ERR_EXISTS) {
		log_warning(&w->job->log, "no folder for spam", F_STR("mailbox", f->address), F_ERR(err));
		filing_submit(f);
		return;
	}
	f->folder = STR(JUNK_FOLDER);
	mailbox_subscribe(w->job->worker->mailboxes, f->address, f->folder, true, filing_on_subscribed, f);
}

static bool
filing_is_junk(const struct mailbox_folder *folder)
{
	struct str uses = folder->special_use, use;

	while (str_next_word(&uses, " ", &use))
		if (str_eq_ci(use, STR(JUNK_USE)))
			return true;
	return false;
}

/* user+Lists: the folder of exactly that name if there is one, else one whose
 * name differs only in case; NULL: none. Strangers must not be able to file
 * into Sent, Trash and the like. */
static const struct mailbox_folder *
filing_find_wanted(const struct filing *f, const struct mailbox_folder *folders, unsigned count)
{
	const struct mailbox_folder *found = NULL;

	for (unsigned i = 0; f->detail.len > 0 && i < count; i++) {
		if (folders[i].special_use.len != 0)
			continue;
		if (str_eq(folders[i].name, f->detail))
			return &folders[i];
		if (found == NULL && mailbox_name_eq_any_case(folders[i].name, f->detail))
			found = &folders[i];
	}
	return found;
}

/* Otherwise, for spam, the folder with this use. */
static void
filing_on_folders(void *arg, const struct mailbox_folder *folders, unsigned count, const struct str *subscribed_missing,
		  unsigned missing_count, const struct err *err)
{
	struct filing *f = arg;
	struct arena *arena = &f->work->job->arena;

	const struct mailbox_folder *wanted = err == NULL ? filing_find_wanted(f, folders, count) : NULL;

	(void)subscribed_missing;
	(void)missing_count;
	if (err != NULL && err_is_of_host(err)) {
		filing_unsubmitted(f, err);
		return;
	}
	if (wanted != NULL)
		f->folder = arena_str(arena, wanted->name);
	for (unsigned i = 0; err == NULL && f->junk && f->folder.len == 0 && i < count; i++) {
		if (filing_is_junk(&folders[i]))
			f->folder = arena_str(arena, folders[i].name);
	}
	if (err == NULL && f->junk && f->folder.len == 0)
		mailbox_create(f->work->job->worker->mailboxes, f->address, STR(JUNK_FOLDER), STR(JUNK_USE),
			       filing_on_junk_made, f);
	else
		filing_submit(f);
}

static void
filing_on_was_filed(void *arg, bool filed, bool had_passed, const struct err *err)
{
	static const struct err unread = {ERR_NOT_FOUND, "the message's body cannot be read"};
	struct filing *f = arg;

	if (err != NULL) {
		filing_postpone(f, err);
	} else if (filed) {
		f->work->reference_passed |= had_passed;
		filing_end(f, FILING_DONE, "2.0.0", STR("was delivered before"));
	} else {
		f->work->job->host_is_ill = true;
		filing_postpone(f, &unread);
	}
}

/* What its owner had in a folder elsewhere stays out of Junk. */
static bool
filing_takes_retrieved_folder(struct filing *f)
{
	const Stagepost__Retrieved *r = local_retrieved(f->work);

	if (r == NULL || r->folder[0] == '\0' || str_eq_ci(str_c(r->folder), STR("INBOX")))
		return false;
	f->folder = str_c(r->folder);
	f->tagged = false;
	return true;
}

static void
filing_start(struct filing *f)
{
	struct local_work *w = f->work;
	struct mailbox_store *m = w->job->worker->mailboxes;
	const struct mailbox_delivery delivery = filing_delivery(f);

	op_hold(&w->op);
	if (w->body_gone)
		mailbox_was_filed(m, f->address, &delivery, filing_on_was_filed, f);
	else if (filing_takes_retrieved_folder(f))
		filing_submit(f);
	else if (f->detail.len > 0 || f->junk)
		mailbox_list_names(m, f->address, filing_on_folders, f);
	else
		filing_submit(f);
}

static void
filing_start_more(struct local_work *w)
{
	/* One that ended as soon as it started: the loop below goes on, and the
	 * callback for the end of all filings may free the work. */
	if (w->is_starting)
		return;
	w->is_starting = true;
	while (w->next_to_file != NULL && w->op.holds < LOCAL_FILINGS_AT_ONCE) {
		struct filing *f = w->next_to_file;

		w->next_to_file = f->next;
		filing_start(f);
	}
	w->is_starting = false;
	if (!op_waits(&w->op))
		w->on_filed(w);
}

void
local_file(struct local_work *w)
{
	w->next_to_file = w->filings;
	filing_start_more(w);
}
