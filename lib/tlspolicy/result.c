#include "lib/tlspolicy/result.h"

#include "lib/base/check.h"

#define TLS_RESULT_NAME(name, text) text,
static const char *const names[TLS_RESULT_COUNT] = {TLS_RESULTS(TLS_RESULT_NAME)};

const char *
tls_result_name(enum tls_result result)
{
	CHECK((unsigned)result < TLS_RESULT_COUNT);
	return names[result];
}
