/* Which folders are read, and where their messages go.
 *
 * A mirror has each folder of the remote under its own name, below `into`; what the remote uses for sent mail, drafts
 * and so on goes to the folder that has this use here. "All mail" is read last, and only for what is in no other
 * folder; "flagged" shows messages of other folders only, and is left out. */
#include <stdlib.h>
#include <string.h>

#include "delivery-worker/retrieve/private.h"
#include "lib/mailbox/name.h"

static const char *const folders_uses[] = {
	[REMOTE_USE_NONE] = "",		  [REMOTE_USE_ALL] = "\\Archive", [REMOTE_USE_ARCHIVE] = "\\Archive",
	[REMOTE_USE_DRAFTS] = "\\Drafts", [REMOTE_USE_FLAGGED] = "",	  [REMOTE_USE_JUNK] = "\\Junk",
	[REMOTE_USE_SENT] = "\\Sent",	  [REMOTE_USE_TRASH] = "\\Trash",
};

static void
folders_read(struct round *r)
{
	r->folder_at = 0;
	r->is_counting = r->account.trial || (r->account.once && r->passes == 0);
	r->count_messages = r->count_bytes = 0;
	if (r->folder_count == 0)
		round_on_folders_done(r);
	else
		listing_start(r);
}

void
folders_next(struct round *r)
{
	if (r->is_ending)
		return;
	r->has_listed = false; /* its place has been asked for; what is written from now on is not of the next one */
	if (!r->account.once && r->taken >= ROUND_MESSAGES_MAX) {
		r->has_more |= r->folder_at + 1 < r->folder_count;
		r->folder_at = r->folder_count;
	}
	if (++r->folder_at < r->folder_count)
		listing_start(r);
	else
		round_on_folders_done(r);
}

/* ---- Names ---- */
/* A level of a name, without what has a meaning here. */
static void
folders_add_level(struct buf *out, struct str level)
{
	level = str_trim(level);
	if (out->len > 0)
		buf_add_byte(out, '/');
	if (level.len == 0)
		buf_add_byte(out, '_');
	level = str_first_utf8(level, MAILBOX_LEVEL_MAX);
	for (size_t i = 0; i < level.len; i++)
		buf_add_byte(out, level.p[i] == '/' || (unsigned char)level.p[i] < 0x20 ? '_' : level.p[i]);
}

/* The name of a remote folder as one here, below `into`; if it cannot be one, `into` itself. */
static struct str
folders_local_name(struct round *r, const struct remote_folder *f)
{
	struct str into = str_c(r->account.into), rest = f->name, level, name = into;
	struct buf out = BUF_EMPTY;
	bool is_first = true, is_last = false;
	struct err err;

	buf_add_str(&out, into);
	while (!is_last) {
		level = rest;
		is_last = f->delimiter == '\0' || !str_cut(rest, f->delimiter, &level, &rest);
		/* Many servers have all folders below INBOX. */
		if (!is_first || is_last || !str_eq_ci(level, STR("INBOX")))
			folders_add_level(&out, level);
		is_first = false;
	}
	if (mailbox_name_check(buf_str(&out), &r->op.arena, &name, &err) != 0)
		name = into;
	else
		name = arena_str(&r->op.arena, name);
	buf_fini(&out);
	return name;
}

/* ---- Those that are here ---- */
static void folders_create(struct round *r, unsigned at);

static void
folders_on_subscribed(void *arg, const struct err *err)
{
	struct round *r = arg;

	(void)err;
	if (op_back(&r->op) && !r->is_ending)
		folders_create(r, r->create_at + 1);
}

static void
folders_on_created(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct round *r = arg;
	struct round_folder *f = &r->folders[r->create_at];

	(void)folder;
	if (!op_back(&r->op) || r->is_ending)
		return;
	if (err != NULL && err_is_of_host(err)) {
		round_fail(r, true, err->text);
		return;
	}
	if (err != NULL && err->code != ERR_EXISTS) {
		log_warning(&r->log, "a folder is not created", F_STR("folder", f->into), F_ERR(err));
		f->into = str_c(r->account.into);
		folders_create(r, r->create_at + 1);
		return;
	}
	op_hold(&r->op);
	mailbox_subscribe(r->retriever->worker->mailboxes, r->address, f->into, true, folders_on_subscribed, r);
}

static void
folders_create(struct round *r, unsigned at)
{
	struct round_folder *f;

	while (at < r->folder_count && !r->folders[at].is_missing)
		at++;
	r->create_at = at;
	if (at == r->folder_count) {
		folders_read(r);
		return;
	}
	f = &r->folders[at];
	op_hold(&r->op);
	mailbox_create(r->retriever->worker->mailboxes, r->address, f->into,
		       r->account.into[0] == '\0' ? str_c(folders_uses[f->use]) : STR_NONE, folders_on_created, r);
}

static bool
folders_has_use(struct str uses, struct str use)
{
	struct str word;

	while (str_next_word(&uses, " ", &word))
		if (str_eq_ci(word, use))
			return true;
	return false;
}

static void
folders_match(struct round *r, struct round_folder *f, const struct mailbox_folder *local, unsigned count)
{
	struct str use = str_c(folders_uses[f->use]);

	f->is_missing = f->into.len > 0 && !str_eq(f->into, STR("INBOX"));
	for (unsigned i = 0; i < count; i++) {
		if (use.len > 0 && r->account.into[0] == '\0' && folders_has_use(local[i].special_use, use)) {
			f->into = arena_str(&r->op.arena, local[i].name);
			f->is_missing = false;
			return;
		}
		if (str_eq(local[i].name, f->into))
			f->is_missing = false;
	}
}

static void
folders_on_local(void *arg, const struct mailbox_folder *folders, unsigned count, const struct str *subscribed_missing,
		 unsigned missing_count, const struct err *err)
{
	struct round *r = arg;

	(void)subscribed_missing;
	(void)missing_count;
	if (!op_back(&r->op) || r->is_ending)
		return;
	if (err != NULL) {
		round_fail(r, err_is_of_host(err), err->text);
		return;
	}
	for (unsigned i = 0; i < r->folder_count; i++)
		folders_match(r, &r->folders[i], folders, count);
	folders_create(r, 0);
}

/* ---- Those of the remote ---- */
static void
folders_add(struct round *r, struct str name, struct str into, enum remote_use use)
{
	struct round_folder *f = &r->folders[r->folder_count++];
	struct arena *arena = &r->op.arena;

	*f = (struct round_folder){.name = arena_str(arena, name), .into = arena_str(arena, into), .use = use};
	str_copy(round_place(r, name), f->place, sizeof(f->place));
}

static bool
folders_is_wanted(const struct remote_folder *f)
{
	return !f->no_select && f->use != REMOTE_USE_FLAGGED;
}

/* As the remote has it: between the levels stands its own delimiter. */
static struct str
folders_remote_name(struct round *r, const char *name, const struct remote_folder *folders, unsigned count)
{
	char delimiter = count > 0 ? folders[0].delimiter : '/';
	char *out;

	for (unsigned i = 0; i < count; i++)
		if (str_eq(folders[i].name, str_c(name)))
			return folders[i].name;
	out = arena_strdup(&r->op.arena, name);
	for (char *p = out; delimiter != '\0' && *p != '\0'; p++)
		if (*p == '/')
			*p = delimiter;
	return str_c(out);
}

static void
folders_add_mirror(struct round *r, const struct remote_folder *folders, unsigned count)
{
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < count; i++) {
			bool is_all = folders[i].use == REMOTE_USE_ALL;

			if (!folders_is_wanted(&folders[i]) || is_all != (pass == 1))
				continue;
			if (str_eq_ci(folders[i].name, STR("INBOX")))
				folders_add(r, folders[i].name, str_c(r->account.into), REMOTE_USE_NONE);
			else
				folders_add(r, folders[i].name, folders_local_name(r, &folders[i]), folders[i].use);
		}
	}
}

static void
folders_on_remote(void *arg, const struct remote_folder *folders, unsigned count, const struct remote_failure *failure)
{
	struct round *r = arg;
	const struct retrieve_account *a = &r->account;

	if (failure != NULL) {
		round_fail_remote(r, failure);
		return;
	}
	r->folders = arena_array(&r->op.arena, struct round_folder, (a->mirror ? count : a->folder_count) + 1);
	if (a->mirror)
		folders_add_mirror(r, folders, count);
	for (unsigned i = 0; !a->mirror && i < a->folder_count; i++)
		folders_add(r, folders_remote_name(r, a->folders[i], folders, count), str_c(a->into), REMOTE_USE_NONE);
	if (a->trial) {
		folders_read(r);
		return;
	}
	op_hold(&r->op);
	mailbox_list_names(r->retriever->worker->mailboxes, r->address, folders_on_local, r);
}

void
folders_start(struct round *r)
{
	const struct retrieve_account *a = &r->account;

	r->folder_count = 0;
	if (a->mirror || a->folder_count > 0) {
		remote_box_folders(r->box, folders_on_remote, r);
		return;
	}
	r->folders = arena_array(&r->op.arena, struct round_folder, 1);
	folders_add(r, STR("INBOX"), str_c(a->into), REMOTE_USE_NONE);
	folders_read(r);
}
