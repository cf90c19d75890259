/* Remote accounts: what the files of the commands share. */
#ifndef SP_CTL_RETRIEVE_H
#define SP_CTL_RETRIEVE_H

#include "ctl/ctl.h"
#include "lib/admin/retrieve.h"

enum { RETRIEVE_FIELDS_MAX = 128, RETRIEVE_INPUT_MAX = 9000 };

/* What the options say; texts are argv's or the tool's arena's. */
struct retrieve_options {
	struct directory_field fields[RETRIEVE_FIELDS_MAX];
	unsigned count;
	const char *oauth2;	/* a provider or the URL of a token endpoint; NULL: a password */
	const char *device_url; /* NULL: the provider's */
	const char *client_id, *scope;
	char secret[RETRIEVE_INPUT_MAX];	/* wiped by the command */
	char client_secret[RETRIEVE_INPUT_MAX]; /* too */
	bool not_tried;
};

/* Takes the options of `add` and `once` out of argv. 1: after an error message. */
int retrieve_take_options(int *argc, char **argv, struct retrieve_options *o);
/* Takes what sets the secret alone: --password-stdin, --token-stdin. 1: after a message. */
int retrieve_take_secret(int *argc, char **argv, struct retrieve_options *o);
/* With OAuth2 and no token: lets the person allow access in a browser; the token becomes
 * the secret. 1: after an error message. */
int retrieve_get_token(struct ctl *ctl, struct retrieve_options *o);
/* A field of the options' list. 1: there are too many. */
int retrieve_add_field(struct retrieve_options *o, const char *name, const char *value);

/* Prints one account, for people. */
void retrieve_print(const cJSON *account);

#endif
