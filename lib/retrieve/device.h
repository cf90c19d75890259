/* The device authorization grant (RFC 8628): a person allows access in a browser, on any
 * machine, by a code that the program shows; and the providers that are known by name. */
#ifndef SP_RETRIEVE_DEVICE_H
#define SP_RETRIEVE_DEVICE_H

#include "lib/retrieve/oauth.h"

struct retrieve_provider {
	const char *name;	/* "microsoft" */
	const char *token_url;	/* https */
	const char *device_url; /* NULL: it gives no access to mail by a device code */
	const char *scopes[2];	/* by the protocol */
};
/* NULL: not known. */
const struct retrieve_provider *retrieve_provider_find(struct str name);

/* The token endpoint cannot be reached at the moment: told once, and it goes on. Borrowed. */
typedef void retrieve_on_trouble(void *arg, const char *words);

/* Borrowed for the call, but where it says so. */
struct retrieve_device_options {
	struct retrieve_web web; /* of its own lifetime: longer than the request's */
	const char *device_url, *token_url;
	const char *client_id;
	struct str client_secret;	 /* may be empty */
	const char *scope;		 /* may be empty */
	retrieve_on_trouble *on_trouble; /* with the arg of the others; may be NULL */
};

/* What the person has to do: open the URL and enter the code (complete_url has it already;
 * it may be empty). Borrowed for the call. */
typedef void retrieve_on_code(void *arg, const char *url, const char *complete_url, const char *code, int64_t seconds);
/* The end: the refresh token; or err: ERR_DENIED the person refused, ERR_TIMEOUT the code
 * has expired, else the endpoint's own words. */
struct retrieve_device;
struct retrieve_device *retrieve_device_start(const struct retrieve_device_options *o, retrieve_on_code *on_code,
					      retrieve_on_token *on_end, void *arg);
/* No callback will come. Sets *d to NULL. */
void retrieve_device_cancel(struct retrieve_device **d);

#endif
