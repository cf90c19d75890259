#include "lib/mailauth/result.h"

#include "lib/base/check.h"

static const char *const spf_names[SPF_RESULTS] = {
	"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror",
};

static const char *const dmarc_names[DMARC_RESULTS] = {"none", "pass", "fail", "temperror", "permerror"};

const char *
spf_result_name(enum spf_result result)
{
	CHECK((unsigned)result < SPF_RESULTS);
	return spf_names[result];
}

const char *
dmarc_result_name(enum dmarc_result result)
{
	CHECK((unsigned)result < DMARC_RESULTS);
	return dmarc_names[result];
}
