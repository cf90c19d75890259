/* Hot records as scripts write them: programs only read them. */
#ifndef SP_TESTS_UNIT_HOT_PACK_H
#define SP_TESTS_UNIT_HOT_PACK_H

#include "lib/base/bytes.h"
#include "lib/mailbox/mailbox.h"

static inline void
hot_pack(const struct mailbox_hot *in, char *out)
{
	bytes_put_u32(out + MAILBOX_AT(hot, uid), in->uid);
	bytes_put_u16(out + MAILBOX_AT(hot, flags), in->flags | in->marks);
	bytes_put_u48(out + MAILBOX_AT(hot, size), in->size);
	bytes_put_u48(out + MAILBOX_AT(hot, modseq), in->modseq);
	bytes_put_u48(out + MAILBOX_AT(hot, email_id), in->email_id);
	bytes_put_u64(out + MAILBOX_AT(hot, keywords_low), in->keywords);
}

#endif
