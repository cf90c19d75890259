/* Where a server is to listen, as operators write it: "http://+:8080/path",
 * "https://192.0.2.1", "http://[::1]:8080". */
#ifndef SP_BASE_LISTEN_URL_H
#define SP_BASE_LISTEN_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/ip.h"
#include "lib/base/str.h"

struct listen_url {
	bool tls;	 /* https */
	struct ip ip;	 /* family 0: all addresses, written as "+" or "*" */
	uint16_t port;	 /* 80 or 443 if not given */
	struct str path; /* borrowed from the text; "/" if not given */
};

/* A name instead of an address is refused: what it means may differ between hosts. */
bool listen_url_parse(struct str text, struct listen_url *out);

#endif
