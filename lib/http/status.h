/* Status codes with their reason phrases (RFC 9110, 15; RFC 6585), and dates. */
#ifndef SP_HTTP_STATUS_H
#define SP_HTTP_STATUS_H

#include <stdint.h>

/* "Not Found"; "Unknown" for a status that is not in the table. */
const char *http_reason(int status);

/* "Sun, 06 Nov 1994 08:49:37 GMT" (IMF-fixdate). */
#define HTTP_DATE_MAX 32
void http_date(int64_t unix_ms, char out[HTTP_DATE_MAX]);

#endif
