/* The API's endpoints, declared once: the way to a handler, the rights, the checks of
 * a body and the OpenAPI description are made from this table.
 *
 * A new endpoint is a row in api_table.c; a handler that needs no further line
 * elsewhere finds the request checked: the caller may do it, the body has the members
 * that the row names, each of the type that it says. */
#ifndef SP_FRONTEND_WEB_API_TABLE_H
#define SP_FRONTEND_WEB_API_TABLE_H

#include <stdbool.h>

#include "lib/base/str.h"
#include "lib/http/head.h"

struct web_request;

/* Each may do what those before it may, as far as the endpoint's reach. */
enum web_role {
	WEB_ANYBODY, /* not logged in */
	WEB_USER,    /* any account */
	WEB_DOMAIN_ADMIN,
	WEB_SYSTEM_ADMIN,
};

/* What of the path the caller must own. A system_admin reaches everything. */
enum web_reach {
	WEB_REACH_ROLE,	   /* nothing: the role alone decides */
	WEB_REACH_OWN,	   /* nothing: the handler answers only what is the caller's own */
	WEB_REACH_DOMAIN,  /* {domain}: a domain_admin's own, nobody else's */
	WEB_REACH_ACCOUNT, /* {address}, and {domain} if there is one: a user his own account, a
			    * domain_admin those of his domain */
};

enum web_type {
	WEB_TEXT,
	WEB_COUNT, /* a whole number that is not negative */
	WEB_BOOL,
	WEB_TEXTS,   /* an array of texts */
	WEB_OBJECT,  /* of the answer; `of` names its members */
	WEB_OBJECTS, /* an array of them */
	WEB_VALUE,   /* a text, a number, true, false or null: the handler judges it */
};

#define WEB_REQUIRED 1u
#define WEB_NULLABLE 2u /* null is allowed too */
#define WEB_SECRET   4u /* a password: never answered, never logged */

/* A member of a body or of an answer, or a parameter of the query. */
struct web_member {
	const char *name; /* NULL ends a list; "*": members of any other name */
	enum web_type type;
	unsigned flags;
	const char *help;	     /* what it means, and what is allowed */
	const char *words;	     /* "a|b": a WEB_TEXT is one of them; NULL: any */
	const struct web_member *of; /* what a WEB_OBJECT(S) consists of; NULL: not described */
};

/* The answer has an ETag; a change takes If-Match: 412 if it has been changed since. */
#define WEB_VERSIONED 1u
/* Not with a token of the API: what makes new ways to log in. */
#define WEB_NOT_BY_TOKEN 2u

struct web_endpoint {
	enum http_method method;
	const char *pattern; /* behind /api/v1/: "domains/{domain}/users/{address}" */
	enum web_role role;  /* the least */
	enum web_reach reach;
	int status; /* when all went well */
	unsigned flags;
	void (*handle)(struct web_request *w);
	const char *summary;
	const struct web_member *query;	 /* NULL: none */
	const struct web_member *body;	 /* NULL: it takes none */
	const struct web_member *answer; /* NULL: not described, or 204 */
};

extern const struct web_endpoint web_endpoints[]; /* a NULL pattern ends it */

/* What a name between braces stands for; a bug if it is not known. */
const char *web_parameter_help(struct str name);

#endif
