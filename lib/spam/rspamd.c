/* rspamd, over HTTP to /checkv2 of its normal worker. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "lib/base/utf8.h"
#include "lib/spam/engine.h"

#define RECIPIENTS_NAMED 100
#define ACTION_BYTES_MAX 40
#define WORDS_BYTES_MAX	 200
#define SYMBOLS_READ_MAX 2000

static void
rspamd_add_address(struct buf *out, const char *name, const char *address)
{
	struct buf value = BUF_EMPTY;

	buf_printf(&value, "<%s>", address);
	spam_add_field(out, name, value.data);
	buf_fini(&value);
}

/* HTTP/1.0: the connection serves one message, and the answer is never chunked. */
static void
rspamd_write_head(const Stagepost__Envelope *e, uint64_t size_bytes, struct buf *out)
{
	buf_printf(out, "POST /checkv2 HTTP/1.0\r\nContent-Length: %" PRIu64 "\r\n", size_bytes);
	spam_add_field(out, "Queue-Id", e->id);
	rspamd_add_address(out, "From", e->reverse_path);
	for (size_t i = 0; i < e->n_recipients && i < RECIPIENTS_NAMED; i++)
		rspamd_add_address(out, "Rcpt", e->recipients[i]->address);
	spam_add_field(out, "IP", e->client_ip);
	spam_add_field(out, "Helo", e->client_helo);
	spam_add_field(out, "User", e->authenticated_as);
	buf_add_c(out, "\r\n");
}

/* ---- The answer ---- */
struct symbol {
	const char *name;
	double score;
};

static double
rspamd_number_of(const cJSON *o, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);
	return cJSON_IsNumber(item) && isfinite(item->valuedouble) ? item->valuedouble : 0;
}

/* The highest weight comes first; ties are ordered by name, so that the result is always the same. */
static int
rspamd_compare_symbols(const void *pa, const void *pb)
{
	const struct symbol *a = pa, *b = pb;
	double wa = fabs(a->score), wb = fabs(b->score);

	return wa != wb ? (wa < wb ? 1 : -1) : strcmp(a->name, b->name);
}

/* "NAME(1.50)" */
static void
rspamd_add_symbols(const cJSON *list, struct arena *arena, Stagepost__SpamVerdict *verdict)
{
	struct symbol *all = arena_array(arena, struct symbol, SYMBOLS_READ_MAX);
	const cJSON *item;
	size_t count = 0;

	cJSON_ArrayForEach (item, list)
		if (item->string != NULL && count < SYMBOLS_READ_MAX)
			all[count++] = (struct symbol){item->string, rspamd_number_of(item, "score")};
	qsort(all, count, sizeof(*all), rspamd_compare_symbols);
	for (size_t i = 0; i < count; i++) {
		const char *text = arena_printf(arena, "%.64s(%.2f)", all[i].name, all[i].score);
		if (!spam_add_symbol(arena, verdict, str_c(text)))
			break;
	}
}

/* Not "soft reject", which is only obeyed in the session, nor "greylist", which is rspamd's until its module says
 * "soft reject". */
static bool
rspamd_is_spam_action(const char *action)
{
	static const char *const words[] = {"reject", "add header", "rewrite subject", "quarantine", "discard"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], action) == 0)
			return true;
	return false;
}

/* The score from which it counts as spam: that of the mildest such action, if the answer names them. */
static double
rspamd_required_score(const cJSON *o)
{
	const cJSON *limits = cJSON_GetObjectItemCaseSensitive(o, "thresholds"), *item;
	double least = rspamd_number_of(o, "required_score");

	cJSON_ArrayForEach (item, limits)
		if (item->string != NULL && rspamd_is_spam_action(item->string) && cJSON_IsNumber(item) &&
		    item->valuedouble < least)
			least = item->valuedouble;
	return least;
}

/* What a module wants the client to be told. */
static char *
rspamd_words_of(const cJSON *o, struct arena *arena)
{
	const cJSON *messages = cJSON_GetObjectItemCaseSensitive(o, "messages");
	const char *words = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(messages, "smtp_message"));
	struct str text = utf8_clean_text(arena, str_trim(str_c(words != NULL ? words : "")), WORDS_BYTES_MAX);

	return arena_dup(arena, text.p, text.len);
}

static int
rspamd_read_json(const cJSON *o, struct arena *arena, Stagepost__SpamVerdict *verdict, struct err *err)
{
	const char *action = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "action"));
	const char *error = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "error"));
	struct str text;

	if (error != NULL) {
		text = utf8_clean_text(arena, str_c(error), 100);
		return err_set(err, ERR_UNAVAILABLE, "the engine says: %.*s", STR_ARG(text));
	}
	if (action == NULL || !cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(o, "score")))
		return err_set(err, ERR_CORRUPT, "the answer has no verdict");
	verdict->is_spam = rspamd_is_spam_action(action);
	text = utf8_clean_text(arena, str_c(action), ACTION_BYTES_MAX);
	verdict->action = arena_dup(arena, text.p, text.len);
	verdict->words = rspamd_words_of(o, arena);
	verdict->score = rspamd_number_of(o, "score");
	verdict->required = rspamd_required_score(o);
	rspamd_add_symbols(cJSON_GetObjectItemCaseSensitive(o, "symbols"), arena, verdict);
	return 0;
}

static int
rspamd_read_answer(struct str answer, struct arena *arena, Stagepost__SpamVerdict *verdict, struct err *err)
{
	struct spam_reply reply;
	struct str word, rest;
	uint64_t status;
	cJSON *json;
	int rc;

	if (!str_starts(answer, STR("HTTP/1.")))
		return err_set(err, ERR_CORRUPT, "this is not rspamd");
	if (!spam_reply_split(answer, &reply) || (reply.has_length && reply.body.len < reply.body_bytes))
		return err_set(err, ERR_CORRUPT, "the answer is incomplete");
	/* "HTTP/1.1 200 OK" */
	if (!str_cut(reply.first, ' ', &word, &rest) || !str_next_word(&rest, " ", &word) || !str_to_u64(word, &status))
		return err_set(err, ERR_CORRUPT, "this is not rspamd");
	json = cJSON_ParseWithLength(reply.body.p, reply.body.len);
	if (json == NULL && status != 200)
		return err_set(err, ERR_UNAVAILABLE, "the engine answers HTTP %u", (unsigned)(status % 1000));
	if (json == NULL)
		return err_set(err, ERR_CORRUPT, "the answer is not JSON");
	rc = rspamd_read_json(json, arena, verdict, err);
	cJSON_Delete(json);
	if (rc == 0 && status != 200)
		return err_set(err, ERR_UNAVAILABLE, "the engine answers HTTP %u", (unsigned)(status % 1000));
	return rc;
}

const struct spam_engine spam_engine_rspamd = {
	.scheme = "rspamd",
	.port = 11333,
	.write_head = rspamd_write_head,
	.read_answer = rspamd_read_answer,
};
