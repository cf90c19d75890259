/* Results of verifying a signature, in the words of RFC 8601, 2.7.1. */
#ifndef SP_DKIM_RESULT_H
#define SP_DKIM_RESULT_H

enum dkim_result {
	DKIM_RESULT_NONE,      /* not verified yet */
	DKIM_RESULT_PASS,      /* the signature holds */
	DKIM_RESULT_FAIL,      /* it does not: the message was changed, or it is forged */
	DKIM_RESULT_POLICY,    /* it may hold, but is not accepted: weak, expired, or only of a part of the body */
	DKIM_RESULT_NEUTRAL,   /* it is malformed */
	DKIM_RESULT_TEMPERROR, /* its key cannot be had now */
	DKIM_RESULT_PERMERROR, /* its key is missing, revoked or unusable */
	DKIM_RESULTS
};

const char *dkim_result_name(enum dkim_result result);

#endif
