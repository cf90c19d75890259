/* What a round wants to know of a message as it streams by: how often it was received, and its fingerprint. */
#ifndef SP_WORKER_RETRIEVE_HEAD_H
#define SP_WORKER_RETRIEVE_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

/* A longer header is looked at up to here. */
#define HEAD_MAX (64 * 1024)

struct head {
	struct buf header; /* owner: until it has ended */
	bool ended;
	uint64_t size; /* of the message so far */
	unsigned received_count;
	unsigned char digest[32];   /* of Message-ID, Date and Received, or of the header */
	struct evp_md_ctx_st *body; /* owner: the hash of what follows the header; NULL: nothing yet, or it has ended */
	unsigned char body_digest[32];
};

void head_init(struct head *h);
void head_fini(struct head *h);
void head_feed(struct head *h, struct str piece);
/* The message has ended. The same for the same message, however the remote numbers it. */
uint64_t head_fingerprint(struct head *h);

/* 64 bits of a hash of what names a message at the remote. */
uint64_t head_hash(struct str remote_id);

#endif
