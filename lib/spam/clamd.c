/* clamd of ClamAV, with the command INSTREAM (see clamd(8)): the body in chunks, an answer that ends with NUL. */
#include "lib/base/utf8.h"
#include "lib/spam/engine.h"

#define CLAMD_NAME_MAX 80

static void
clamd_write_head(const Stagepost__Envelope *e, uint64_t size_bytes, struct buf *out)
{
	static const char command[] = "zINSTREAM"; /* with its NUL */

	(void)e, (void)size_bytes;
	buf_add(out, command, sizeof(command));
}

/* False: it does not end so. */
static bool
clamd_cut_end(struct str text, struct str end, struct str *rest_out)
{
	if (text.len < end.len || !str_eq(str_from(text, text.len - end.len), end))
		return false;
	*rest_out = str_trim(str_first(text, text.len - end.len));
	return true;
}

static int
clamd_read_answer(struct str answer, struct arena *arena, Stagepost__SpamVerdict *verdict, struct err *err)
{
	struct str text = answer, name;

	if (text.len == 0 || text.p[text.len - 1] != '\0')
		return err_set(err, ERR_CORRUPT, "the answer is incomplete");
	text = utf8_clean_text(arena, str_trim(str_first(text, text.len - 1)), 300);
	verdict->action = arena_strdup(arena, "");
	/* More than its StreamMaxLength: no other try would scan it. */
	if (str_starts(text, STR("INSTREAM size limit exceeded"))) {
		verdict->action = arena_strdup(arena, "too large to scan");
		return 0;
	}
	if (clamd_cut_end(text, STR(" ERROR"), &name))
		return err_set(err, ERR_UNAVAILABLE, "the scanner says: %.*s", (int)(text.len < 100 ? text.len : 100),
			       text.p);
	if (!str_starts(text, STR("stream: ")))
		return err_set(err, ERR_CORRUPT, "this is not clamd");
	text = str_from(text, STR("stream: ").len);
	if (str_eq(text, STR("OK")))
		return 0;
	if (!clamd_cut_end(text, STR(" FOUND"), &name) || name.len == 0)
		return err_set(err, ERR_CORRUPT, "the answer has no verdict");
	name = utf8_clean_text(arena, name, CLAMD_NAME_MAX);
	verdict->is_spam = true;
	verdict->virus = arena_dup(arena, name.p, name.len);
	verdict->action = arena_strdup(arena, "virus");
	spam_add_symbol(arena, verdict, name);
	return 0;
}

const struct spam_engine spam_engine_clamd = {
	.scheme = "clamd",
	.port = 3310,
	.in_chunks = true,
	.write_head = clamd_write_head,
	.read_answer = clamd_read_answer,
};
