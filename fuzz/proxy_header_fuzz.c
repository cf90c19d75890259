/* The PROXY protocol header: a complete header stays the same whatever follows,
 * and every shorter prefix counts as incomplete. */
#include "frontend/core/proxy.h"
#include "lib/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of((const char *)data, size);
	struct proxy_header h, again;
	enum proxy_result result = proxy_parse(input, &h);

	if (result == PROXY_MORE) {
		CHECK(size < PROXY_HEADER_MAX);
		return 0;
	}
	if (result == PROXY_BAD)
		return 0;
	CHECK(h.length != 0 && h.length <= size && h.length <= PROXY_HEADER_MAX);
	CHECK(result != PROXY_ADDRESS || (h.source.family != 0 && h.destination.family != 0));
	for (size_t len = 0; len < h.length; len++)
		CHECK(proxy_parse(str_first(input, len), &again) == PROXY_MORE);
	CHECK(proxy_parse(str_first(input, h.length), &again) == result && again.length == h.length);
	CHECK(ip_eq(&again.source, &h.source) && again.source_port == h.source_port);
	return 0;
}
