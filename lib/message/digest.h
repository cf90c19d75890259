/* The digest of a message in a mailbox: read from the blob store, or recomputed
 * from the body (and kept) if it is missing or damaged. */
#ifndef SP_MESSAGE_DIGEST_H
#define SP_MESSAGE_DIGEST_H

#include "lib/base/op.h"
#include "lib/blob/blob.h"
#include "lib/mailbox/mailbox.h"
#include "lib/mime/digest.h"

struct message_digest {
	struct buf record;	   /* owner */
	struct mime_digest digest; /* points into record */
	bool ready;
	struct blob_id kept; /* of a recomputed digest: its place, which the mailbox has recorded; else none */
};
void message_digest_fini(struct message_digest *d);

/* Where a message is. uid 0: a recomputed digest is not kept. */
struct message_place {
	struct mailbox_store *store; /* borrowed */
	struct blob_store *blobs;    /* borrowed */
	struct str address;	     /* of the account; borrowed while op waits */
	uint32_t folder_id, uid;
};

/* cb is called later, once, with out filled, unless op is cancelled first; op
 * is held meanwhile. err: the body cannot be read. */
typedef void message_digest_on_loaded(void *arg, const struct err *err);
void message_digest_load(struct op *op, const struct message_place *place, const struct mailbox_cold *cold,
			 struct message_digest *out, message_digest_on_loaded *cb, void *arg);

#endif
