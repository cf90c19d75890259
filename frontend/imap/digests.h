/* The digest of a message: read from the blob store, or computed anew from the
 * body (and kept) when it is missing or damaged. */
#ifndef SP_FRONTEND_IMAP_DIGESTS_H
#define SP_FRONTEND_IMAP_DIGESTS_H

#include "frontend/imap/private.h"
#include "lib/mime/digest.h"

struct imap_digest {
	struct buf record;	   /* owner */
	struct mime_digest digest; /* points into record */
	bool ready;
};
void imap_digest_fini(struct imap_digest *d);

/* uid: in the selected mailbox; 0: of another one, where a digest computed anew is
 * not kept. cb comes later, once, on a session that is open (imap_hold() is seen to), with
 * out filled; err: the body cannot be read. */
typedef void imap_digest_on_loaded(void *arg, const struct err *err);
void imap_digest_load(struct imap_session *s, uint32_t uid, const struct mailbox_cold *cold, struct imap_digest *out,
		      imap_digest_on_loaded *cb, void *arg);

#endif
