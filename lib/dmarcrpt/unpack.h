/* Finds DMARC reports in what people keep of them: a message with attachments, a zip or gzip
 * file, or plain XML. Names and types of attachments are not trusted: the first bytes decide. */
#ifndef SP_DMARCRPT_UNPACK_H
#define SP_DMARCRPT_UNPACK_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

enum {
	DMARC_UNPACKED_MAX = 32 * 1024 * 1024, /* bytes of all reports of a file */
	DMARC_REPORTS_MAX = 20,		       /* in one message */
};

/* The XML texts, borrowed from data or in the arena, of which there is at least one. Of a zip
 * file it is the first file. ERR_NOT_FOUND: there is none. ERR_INVALID: something is broken or too large. */
struct dmarc_unpacked {
	struct str xml[DMARC_REPORTS_MAX];
	unsigned count;
};
int dmarc_unpack(struct str data, struct arena *arena, struct dmarc_unpacked *out, struct err *err);

#endif
