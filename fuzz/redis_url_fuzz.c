/* The store's URL: an accepted one has a host and a port, or a path. */
#include <stdint.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/redis/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = mem_strndup((const char *)data, size);
	struct redis_url url;
	struct err err = {0};

	if (redis_url_parse(text, &url, &err) != 0) {
		CHECK(err.code == ERR_INVALID && err.text[0] != '\0');
	} else {
		CHECK((url.host[0] == '\0') != (url.path[0] == '\0'));
		CHECK(url.port > 0 && url.port <= 65535 && url.database >= 0 && url.database <= 1000);
		CHECK(strpbrk(url.host, " \r\n/@[]") == NULL);
	}
	mem_free(text);
	return 0;
}
