/* The administration page at /admin/ and the API /api/v1/ behind it. Any frontend
 * serves any request: sessions lie in the store. */
#ifndef SP_FRONTEND_WEB_WEB_H
#define SP_FRONTEND_WEB_WEB_H

#include "frontend/http/http.h"

/* web_api_live: the one endpoint that takes WebSockets too. */
extern const struct http_handler web_page, web_api, web_api_live;

/* What the API works on. f is borrowed, and whole but for f->web. */
struct web *web_new(struct frontend *f);
/* No request is left. NULLs *w. */
void web_free(struct web **w);

#endif
