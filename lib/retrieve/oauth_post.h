/* A form that is posted to an OAuth2 endpoint, and its answer in JSON. Private to
 * lib/retrieve. */
#ifndef SP_RETRIEVE_OAUTH_POST_H
#define SP_RETRIEVE_OAUTH_POST_H

#include <cjson/cJSON.h>

#include "lib/retrieve/oauth.h"

/* "&name=value", percent-encoded; an empty value is left out. The first has no "&". */
void oauth_form_add(struct buf *form, const char *name, struct str value);
/* Overwrites what it had, and frees it. */
void oauth_form_wipe(struct buf *form);

struct oauth_answer {
	const cJSON *json; /* an object; NULL: it was none */
	/* Of the answer, borrowed: "" if it succeeded, or if it is no such answer. */
	const char *error; /* "invalid_grant" */
};

/* err NULL: success: the object has what was asked for. Else answer->error tells the kind
 * if the endpoint answered at all; err has its words. ERR_DENIED: it answered
 * invalid_grant; nothing else gives it. */
typedef void oauth_on_answer(void *arg, const struct oauth_answer *answer, const struct err *err);
struct oauth_post;
/* One callback, never from within. url and form are copied. name: a literal, in errors: "the
 * token endpoint". */
struct oauth_post *oauth_post_start(const struct retrieve_web *web, const char *name, const char *url, struct str form,
				    oauth_on_answer *cb, void *arg);
/* Has the form left, or may it have? Nothing is asked of ip_is_allowed any more then. */
bool oauth_post_is_sent(const struct oauth_post *p);
/* The callback will not come. Sets *p to NULL. */
void oauth_post_cancel(struct oauth_post **p);

/* A member's text; "" if there is none. */
const char *oauth_text(const cJSON *json, const char *name);
/* A member that is 1 to 31,536,000, also as a text of digits; if it is not: otherwise. */
int64_t oauth_seconds(const cJSON *json, const char *name, int64_t otherwise);

#endif
