/* Answers of spam engines: any input gives a valid verdict or none. The first
 * byte chooses the engine. */
#include <math.h>
#include <string.h>

#include "lib/spam/engine.h"
#include "lib/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Stagepost__SpamVerdict v = STAGEPOST__SPAM_VERDICT__INIT;
	const struct spam_engine *engine;
	struct spam_reply reply;
	struct arena arena;
	struct str answer;
	struct err err = {ERR_NONE, ""};

	if (size == 0)
		return 0;
	engine = data[0] == 'r' ? &spam_engine_rspamd : data[0] == 'c' ? &spam_engine_clamd : &spam_engine_spamd;
	answer = str_of((const char *)data + 1, size - 1);
	arena_init(&arena);
	if (spam_reply_split(answer, &reply))
		CHECK(reply.body.len <= answer.len && (!reply.has_length || reply.body.len <= reply.body_bytes));
	if (engine->read_answer(answer, &arena, &v, &err) != 0)
		CHECK(err.code == ERR_CORRUPT || err.code == ERR_UNAVAILABLE);
	else {
		CHECK(isfinite(v.score) && isfinite(v.required) && str_is_utf8(str_c(v.action)));
		CHECK(str_is_utf8(str_c(v.virus)) && (v.virus[0] == '\0' || v.is_spam));
		CHECK(v.n_symbols <= SPAM_SYMBOLS_MAX);
		for (size_t i = 0; i < v.n_symbols; i++)
			CHECK(strlen(v.symbols[i]) <= SPAM_SYMBOL_BYTES_MAX && str_is_utf8(str_c(v.symbols[i])));
	}
	arena_fini(&arena);
	return 0;
}
