/* MTA-STS: the record and the policy of a domain (RFC 8461, section 3). Pure. */
#ifndef SP_TLSPOLICY_STS_POLICY_H
#define SP_TLSPOLICY_STS_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#define STS_ID_MAX	 33 /* with NUL */
#define STS_POLICY_BYTES 65536
#define STS_MX_MAX	 64 /* more are ignored */
#define STS_LINES_MAX	 100
#define STS_MAX_AGE_S	 INT64_C(31557600)

enum sts_mode { STS_MODE_NONE, STS_MODE_TESTING, STS_MODE_ENFORCE };

struct sts_policy {
	enum sts_mode mode;
	int64_t max_age_ms;
	const struct str *mx; /* patterns, lower case */
	unsigned mx_count;
	const struct str *lines; /* as written, for reports */
	unsigned line_count;
};

/* texts: the TXT records of _mta-sts.<domain>. False: no policy is announced
 * (no valid record, or several). */
bool sts_record_parse(const struct str *texts, unsigned count, char id_out[STS_ID_MAX]);

/* The body of mta-sts.txt; everything in policy_out is in the arena. -1: err. */
int sts_policy_parse(struct str text, struct arena *arena, struct sts_policy *policy_out, struct err *err);

/* Does the policy allow this host, given in lower case (4.1)? */
bool sts_policy_allows(const struct sts_policy *policy, struct str host);

const char *sts_mode_name(enum sts_mode mode);

/* ---- Our own policy ---- */
/* The body of mta-sts.txt (lines and line_count are not used), appended to out. */
struct buf;
void sts_policy_write(const struct sts_policy *policy, struct buf *out);
/* An id for the record (3.1) that changes with the text. */
void sts_policy_id(struct str text, char id_out[STS_ID_MAX]);

#endif
