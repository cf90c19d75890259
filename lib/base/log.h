/* One line per event: constant text, variables as fields.
 *
 *   time=2026-11-23T16:10:01.123Z level=info prog=frontend-1 msg="message accepted" session=... id=... size=4096
 *
 * (logfmt; as JSON lines with STAGEPOST_LOG=json.) Fields are inherited from a chain of contexts: process,
 * session, transaction. There is no field constructor for a secret, so it cannot be printed. Each state change,
 * refusal and hand-over is logged once. */
#ifndef SP_BASE_LOG_H
#define SP_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

struct log_field {
	const char *name; /* constant; NULL ends a list */
	enum { LOG_FIELD_STR, LOG_FIELD_I64, LOG_FIELD_ID } type;
	struct str text; /* borrowed */
	int64_t number;
};

/* A frame of inherited fields; stored with its owner (session, transaction). */
struct log_context {
	const struct log_context *parent; /* borrowed, NULL at the top */
	struct log_field fields[6];	  /* ended by a NULL name if fewer */
};

#define F_STR(field, s) ((struct log_field){.name = field, .type = LOG_FIELD_STR, .text = (s)})
#define F_C(field, s)	((struct log_field){.name = field, .type = LOG_FIELD_STR, .text = str_c(s)})
#define F_I64(field, v) ((struct log_field){.name = field, .type = LOG_FIELD_I64, .number = (int64_t)(v)})
/* A 64-bit number that identifies something. In JSON it is a string: many
 * readers round numbers of that size. */
#define F_ID(field, v) ((struct log_field){.name = field, .type = LOG_FIELD_ID, .number = (int64_t)(v)})
#define F_ERR(err_ptr) F_C("error", (err_ptr)->text)

/* context may be NULL. */
void log_write(enum log_level level, const struct log_context *context, const char *text,
	       const struct log_field *fields);

#define log_at(level, context, text, ...) \
	log_write(level, context, text, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.name = NULL}})
#define log_debug(context, ...)	  log_at(LOG_DEBUG, context, __VA_ARGS__)
#define log_info(context, ...)	  log_at(LOG_INFO, context, __VA_ARGS__)
#define log_warning(context, ...) log_at(LOG_WARNING, context, __VA_ARGS__)
#define log_error(context, ...)	  log_at(LOG_ERROR, context, __VA_ARGS__)

/* ---- Lasting trouble ----
 * Repeated failures for the same reason are logged once when they begin, and
 * once when they are over, with the number of failures:
 *
 *	if (log_trouble_note(&t))
 *		log_warning(..., F_ERR(err));
 *	...
 *	log_trouble_over(&t, NULL, "connection restored", F_C("what", name));
 *
 * All zero: no trouble. */
struct log_trouble {
	uint64_t times;
	int64_t since_ms; /* monotonic */
};

/* Records a failure. True: it is the first one. */
bool log_trouble_note(struct log_trouble *t);
/* Records a success; logs nothing if there was no trouble. */
void log_trouble_over(struct log_trouble *t, const struct log_context *context, const char *text,
		      struct log_field field);

/* ---- What a client can cause as often as it likes: a line a minute ---- */
/* True: write it. *again_ms (monotonic; 0 at first) is then set to a minute from now. */
bool log_is_due(int64_t *again_ms);

/* To be called once, at startup. program: the process's name in the cluster
 * ("frontend-host-1234"). Reads STAGEPOST_LOG (logfmt, json) and
 * STAGEPOST_LOG_LEVEL (debug, info, warning, error). */
void log_init(const char *program);
void log_set_least(enum log_level least);
bool log_enabled(enum log_level level);

#endif
