/* The results of the methods that authenticate mail, in the words of RFC 8601, 2.7. */
#ifndef SP_MAILAUTH_RESULT_H
#define SP_MAILAUTH_RESULT_H

/* RFC 7208, 2.6. */
enum spf_result { SPF_NONE, SPF_NEUTRAL, SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_TEMPERROR, SPF_PERMERROR, SPF_RESULTS };

/* RFC 7489, 11.2. */
enum dmarc_result {
	DMARC_RESULT_NONE, /* no policy, or no single author */
	DMARC_RESULT_PASS,
	DMARC_RESULT_FAIL,
	DMARC_RESULT_TEMPERROR,
	DMARC_RESULT_PERMERROR,
	DMARC_RESULTS
};

const char *spf_result_name(enum spf_result result);
const char *dmarc_result_name(enum dmarc_result result);

#endif
