/* What the files that write a report share. Only this folder includes this header. */
#ifndef SP_WORKER_REPORT_PRIVATE_H
#define SP_WORKER_REPORT_PRIVATE_H

#include "delivery-worker/report/report.h"

/* ---- status.c ---- */
/* Does it begin with a reply code? Otherwise the text is ours. */
bool report_is_smtp_reply(struct str text);

/* Recipients are named by their position in the job. The status is never NULL. */
const Stagepost__RecipientStatus *report_status_of(const Stagepost__Job *job, size_t i);
struct str report_code_of(const Stagepost__Job *job, size_t i);
const char *report_action_of(const Stagepost__Job *job, size_t i);

/* ---- lines.c ---- */
/* Foreign text in a field: one line, whatever it contains. */
void report_add_clean(struct buf *out, struct str s);
/* The same on lines of about 76 bytes, never more than 998 (RFC 5322, 2.1.1):
 * each further line begins with indent, which replaces the space before it. */
void report_add_folded(struct buf *out, struct str s, const char *indent);
void report_add_field(struct buf *out, const char *name, struct str value);
void report_add_date(struct buf *out, const char *name, int64_t unix_ms);

/* ---- fields.c ---- */
/* The second part: fields for programs. */
void report_add_status(const struct report_input *in, const struct report_output *out, struct buf *b,
		       const char *boundary);

#endif
