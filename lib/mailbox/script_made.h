/* What MAILBOX_SCRIPT() makes of the tables in scripts.h: the Lua code in front of a
 * script, and C's side of its arguments and answers. Only scripts.h includes this. */
#ifndef SP_MAILBOX_SCRIPT_MADE_H
#define SP_MAILBOX_SCRIPT_MADE_H

#include "lib/mailbox/private.h"

/* ---- The script's side: Lua code put in front of it ---- */

/* clang-format off */
#define MAILBOX_LUA(text)      "\t.ascii \"" text "\"\n"
#define MAILBOX_LUA_LINE(text) MAILBOX_LUA(text "\\n")
#define MAILBOX_LUA_DIGITS(x)  #x
#define MAILBOX_LUA_VALUE(x)   MAILBOX_LUA_DIGITS(x)

/* X, X_FORMAT ('<': little-endian) and X_AT of a record. */
#define MAILBOX_LUA_BYTES(field, bytes, format)  MAILBOX_LUA(" + " #bytes)
#define MAILBOX_LUA_FORMAT(field, bytes, format) MAILBOX_LUA(format)
#define MAILBOX_LUA_PLACE(field, bytes, format)  MAILBOX_LUA(#field " = at(" #bytes "), ")
#define MAILBOX_LUA_RECORD(NAME) \
	MAILBOX_LUA("local " #NAME ", " #NAME "_FORMAT = 0") \
	MAILBOX_RECORD_##NAME(MAILBOX_LUA_BYTES) \
	MAILBOX_LUA(", '<") \
	MAILBOX_RECORD_##NAME(MAILBOX_LUA_FORMAT) \
	MAILBOX_LUA_LINE("'")
#define MAILBOX_LUA_PLACES(NAME) \
	MAILBOX_LUA_LINE("place = 0") \
	MAILBOX_LUA("local " #NAME "_AT = {") \
	MAILBOX_RECORD_##NAME(MAILBOX_LUA_PLACE) \
	MAILBOX_LUA_LINE("}")

/* NAME = {...} of a table. */
#define MAILBOX_LUA_PAIR(name, value) MAILBOX_LUA(#name " = " #value ", ")
#define MAILBOX_LUA_QUOTED(name)      MAILBOX_LUA("'" #name "', ")
#define MAILBOX_LUA_CLASS(name, value, first) MAILBOX_LUA(#name " = " #value ", ")
#define MAILBOX_LUA_FIRST(name, value, first) MAILBOX_LUA("[" #value "] = '" #first "', ")
#define MAILBOX_LUA_TABLE(NAME, TABLE, ROW) \
	MAILBOX_LUA("local " NAME " = {") \
	TABLE(ROW) \
	MAILBOX_LUA_LINE("}")

/* mail_keys(row): calls row(pattern, dies with) for each key of mailboxes. */
#define MAILBOX_LUA_KEY(ident, pattern, type, lifetime, dies, writer, what) \
	MAILBOX_LUA_LINE("row('" pattern "', '" #dies "')")
#define MAILBOX_LUA_KEYS \
	MAILBOX_LUA_LINE("local function mail_keys(row)") \
	REDIS_KEYS_OF_MAIL(MAILBOX_LUA_KEY) \
	MAILBOX_LUA_LINE("end")

/* For every script. */
#define MAILBOX_LUA_TABLES \
	MAILBOX_LUA_LINE("local place") \
	MAILBOX_LUA_LINE("local function at(n) place = place + n return place - n end") \
	MAILBOX_LUA_RECORD(HOT) \
	MAILBOX_LUA_PLACES(HOT) \
	MAILBOX_LUA_RECORD(COLD) \
	MAILBOX_LUA_PLACES(COLD) \
	MAILBOX_LUA_RECORD(STONE) \
	MAILBOX_LUA_RECORD(GONE) \
	MAILBOX_LUA_RECORD(FGONE) \
	MAILBOX_LUA_RECORD(ONCE) \
	MAILBOX_LUA_RECORD(RANGE) \
	MAILBOX_LUA_LINE("local CHUNK = " MAILBOX_LUA_VALUE(MAILBOX_CHUNK_UIDS)) \
	MAILBOX_LUA_LINE("local KEYWORDS = " MAILBOX_LUA_VALUE(MAILBOX_KEYWORDS)) \
	MAILBOX_LUA_TABLE("FOLDER", MAILBOX_ANSWERS_folder, MAILBOX_LUA_QUOTED) \
	MAILBOX_LUA_TABLE("PART", MAILBOX_PARTS_TABLE, MAILBOX_LUA_PAIR) \
	MAILBOX_LUA_TABLE("FLAG", MAILBOX_FLAGS_TABLE, MAILBOX_LUA_PAIR) \
	MAILBOX_LUA_TABLE("MARK", MAILBOX_MARKS_TABLE, MAILBOX_LUA_PAIR) \
	MAILBOX_LUA_TABLE("MODE", MAILBOX_MODES_TABLE, MAILBOX_LUA_PAIR) \
	MAILBOX_LUA_TABLE("CLASS", MAILBOX_CLASSES_TABLE, MAILBOX_LUA_CLASS) \
	MAILBOX_LUA_TABLE("FIRST_NAME", MAILBOX_CLASSES_TABLE, MAILBOX_LUA_FIRST) \
	MAILBOX_LUA_KEYS

/* For one script: its arguments and answer{}. */
#define MAILBOX_LUA_NAME(kind, name)  MAILBOX_LUA(#name ", ")
#define MAILBOX_LUA_ONE(kind, name)   MAILBOX_LUA(" + 1")
#define MAILBOX_LUA_MEAN(kind, name)  MAILBOX_LUA_MEAN_##kind(#name)
#define MAILBOX_LUA_MEAN_TEXT(name)
#define MAILBOX_LUA_MEAN_ID(name)
#define MAILBOX_LUA_MEAN_NUMBER(name) MAILBOX_LUA_LINE(name " = tonumber(" name ")")
#define MAILBOX_LUA_MEAN_OPTION(name) MAILBOX_LUA_LINE(name " = tonumber(" name ")")
#define MAILBOX_LUA_MEAN_FLAG(name)   MAILBOX_LUA_LINE(name " = " name " == '1'")
#define MAILBOX_LUA_ANSWER(name)      MAILBOX_LUA("t." #name " or false, ")
#define MAILBOX_LUA_HEAD(script) \
	MAILBOX_LUA("local more = 1") \
	MAILBOX_TAKES_##script(MAILBOX_LUA_ONE) \
	MAILBOX_LUA_LINE("") \
	MAILBOX_LUA("local ") \
	MAILBOX_TAKES_##script(MAILBOX_LUA_NAME) \
	MAILBOX_LUA_LINE("_ = unpack(ARGV, 1, more - 1)") \
	MAILBOX_TAKES_##script(MAILBOX_LUA_MEAN) \
	MAILBOX_LUA("local function answer(t) return {") \
	MAILBOX_ANSWERS_##script(MAILBOX_LUA_ANSWER) \
	MAILBOX_LUA_LINE("} end")
/* ---- C's side ---- */

#define MAILBOX_ARG_MEMBER(kind, name)	MAILBOX_ARG_MEMBER_##kind(name)
#define MAILBOX_ARG_MEMBER_TEXT(name)	struct str name;
#define MAILBOX_ARG_MEMBER_ID(name)	uint64_t name;
#define MAILBOX_ARG_MEMBER_NUMBER(name) uint64_t name;
#define MAILBOX_ARG_MEMBER_OPTION(name) uint64_t name;
#define MAILBOX_ARG_MEMBER_FLAG(name)	bool name;
#define MAILBOX_ARG_COUNT(kind, name)	+1
#define MAILBOX_ARG_ADD(kind, name)	MAILBOX_ARG_ADD_##kind(in->name)
#define MAILBOX_ARG_ADD_TEXT(value)	mailbox_args_add(&a, value);
#define MAILBOX_ARG_ADD_ID(value)	mailbox_args_add_u64(&a, value);
#define MAILBOX_ARG_ADD_NUMBER(value)	mailbox_args_add_u64(&a, value);
#define MAILBOX_ARG_ADD_OPTION(value)	mailbox_args_add_option(&a, value);
#define MAILBOX_ARG_ADD_FLAG(value)	mailbox_args_add(&a, (value) ? STR("1") : STR("0"));
#define MAILBOX_ANSWER_MEMBER(name)	const redisReply *name;
#define MAILBOX_ANSWER_TAKE(name)	out.name = mailbox_element(reply, i++);

/* more: how many arguments the caller adds after those of the table. */
#define MAILBOX_SCRIPT_TAKES(script) \
	struct mailbox_##script##_args { \
		MAILBOX_TAKES_##script(MAILBOX_ARG_MEMBER) \
		char end; \
	}; \
	__attribute__((unused)) static struct mailbox_args \
	mailbox_##script##_takes(struct mailbox_call *call, const struct mailbox_##script##_args *in, size_t more) \
	{ \
		struct mailbox_args a = mailbox_args_new(call, more MAILBOX_TAKES_##script(MAILBOX_ARG_COUNT)); \
		(void)in; \
		MAILBOX_TAKES_##script(MAILBOX_ARG_ADD) \
		return a; \
	}
/* Borrowed from the reply. If the reply is NULL, nothing is found in any member. */
#define MAILBOX_SCRIPT_ANSWERS(script) \
	struct mailbox_##script##_answer { \
		MAILBOX_ANSWERS_##script(MAILBOX_ANSWER_MEMBER) \
		char end; \
	}; \
	__attribute__((unused)) static struct mailbox_##script##_answer \
	mailbox_##script##_answer(const redisReply *reply) \
	{ \
		struct mailbox_##script##_answer out = {.end = 0}; \
		size_t i = 0; \
		(void)reply, (void)i; \
		MAILBOX_ANSWERS_##script(MAILBOX_ANSWER_TAKE) \
		return out; \
	}

/* Each part uses those before it. */
#define MAILBOX_PRELUDE \
	"\t.incbin \"lib/mailbox/prelude/base.lua\"\n" \
	"\t.incbin \"lib/mailbox/prelude/folders.lua\"\n" \
	"\t.incbin \"lib/mailbox/prelude/chunks.lua\"\n" \
	"\t.incbin \"lib/mailbox/prelude/keywords.lua\"\n" \
	"\t.incbin \"lib/mailbox/prelude/items.lua\"\n" \
	"\t.incbin \"lib/mailbox/prelude/reads.lua\"\n" \
	"\t.incbin \"lib/mailbox/prelude/records.lua\"\n"

#define MAILBOX_SCRIPT(script) \
	MAILBOX_SCRIPT_TAKES(script) \
	MAILBOX_SCRIPT_ANSWERS(script) \
	REDIS_SCRIPT_FILES(mailbox_script_##script, \
			   MAILBOX_LUA_TABLES \
			   MAILBOX_PRELUDE \
			   MAILBOX_LUA_HEAD(script) \
			   "\t.incbin \"lib/mailbox/" #script ".lua\"\n"); \
	__attribute__((unused)) static void \
	mailbox_##script##_ask(struct mailbox_call *call, const struct mailbox_##script##_args *in, \
			       mailbox_on_answer *on_answer) \
	{ \
		struct mailbox_args a = mailbox_##script##_takes(call, in, 0); \
		mailbox_call_script(call, &mailbox_script_##script, &a, on_answer); \
	} \
	struct mailbox_##script##_args
/* clang-format on */

#endif
