/* spamd of SpamAssassin, with the SPAMC protocol 1.5 (see spamd/PROTOCOL in its source). */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "lib/spam/engine.h"

static void
spamd_write_head(const Stagepost__Envelope *e, uint64_t size_bytes, struct buf *out)
{
	(void)e; /* it reads the Return-Path line and the Received lines */
	buf_printf(out, "SYMBOLS SPAMC/1.5\r\nContent-length: %" PRIu64 "\r\n\r\n", size_bytes);
}

static bool
spamd_parse_score(struct str text, double *score_out)
{
	char number[32], *end;

	text = str_trim(text);
	if (text.len == 0 || !str_copy(text, number, sizeof(number)))
		return false;
	*score_out = strtod(number, &end);
	return *end == '\0' && isfinite(*score_out);
}

/* "True ; 15.3 / 5.0" */
static bool
spamd_parse_spam(struct str field, Stagepost__SpamVerdict *v)
{
	struct str word, scores, score, required;

	if (!str_cut(field, ';', &word, &scores) || !str_cut(scores, '/', &score, &required))
		return false;
	word = str_trim(word);
	v->is_spam = str_eq_ci(word, STR("True")) || str_eq_ci(word, STR("Yes"));
	if (!v->is_spam && !str_eq_ci(word, STR("False")) && !str_eq_ci(word, STR("No")))
		return false;
	return spamd_parse_score(score, &v->score) && spamd_parse_score(required, &v->required);
}

/* "SPAMD/1.1 0 EX_OK": the codes are those of sysexits.h. */
static int
spamd_check_first(struct str first, struct err *err)
{
	struct str rest = first, word;
	uint64_t code;

	if (!str_next_word(&rest, " ", &word) || !str_starts(word, STR("SPAMD/")) ||
	    !str_next_word(&rest, " ", &word) || !str_to_u64(word, &code))
		return err_set(err, ERR_CORRUPT, "this is not SpamAssassin");
	if (code != 0)
		return err_set(err, ERR_UNAVAILABLE, "the engine says: %.*s", (int)(first.len < 100 ? first.len : 100),
			       first.p);
	return 0;
}

static int
spamd_read_answer(struct str answer, struct arena *arena, Stagepost__SpamVerdict *verdict, struct err *err)
{
	struct spam_reply reply;
	struct str rest, symbol;

	/* An error may be reported without a head. */
	if (!spam_reply_split(answer, &reply)) {
		struct str first;
		str_cut(answer, '\n', &first, &rest);
		if (spamd_check_first(str_trim(first), err) != 0)
			return -1;
		return err_set(err, ERR_CORRUPT, "the answer is incomplete");
	}
	if (spamd_check_first(reply.first, err) != 0)
		return -1;
	if (reply.has_length && reply.body.len < reply.body_bytes)
		return err_set(err, ERR_CORRUPT, "the answer is incomplete");
	if (!spamd_parse_spam(spam_reply_field(&reply, STR("Spam")), verdict))
		return err_set(err, ERR_CORRUPT, "the answer has no verdict");
	verdict->action = arena_strdup(arena, "");
	rest = reply.body;
	while (str_next_word(&rest, ", \r\n\t", &symbol) && spam_add_symbol(arena, verdict, symbol))
		;
	return 0;
}

const struct spam_engine spam_engine_spamd = {
	.scheme = "spamd",
	.port = 783,
	.with_return_path = true,
	.write_head = spamd_write_head,
	.read_answer = spamd_read_answer,
};
