/* A refresh token by the device-code flow: the person allows access in a browser. */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/retrieve.h"
#include "lib/retrieve/device.h"

struct token_wait {
	struct ctl_wait wait;
	char *out; /* borrowed: RETRIEVE_INPUT_MAX */
};

static void
token_on_code(void *arg, const char *url, const char *complete_url, const char *code, int64_t seconds)
{
	(void)arg;
	fprintf(stderr, "Open %s\nand enter the code %s (valid for %lld minutes)\n", url, code,
		(long long)((seconds + 59) / 60));
	if (complete_url[0] != '\0')
		fprintf(stderr, "or open %s\n", complete_url);
	fputs("waiting...\n", stderr);
}

static void
token_on_trouble(void *arg, const char *words)
{
	(void)arg;
	fprintf(stderr, "%s; trying again\n", words);
}

static void
token_on_end(void *arg, struct str token, const struct err *err)
{
	struct token_wait *w = arg;
	struct err long_token;

	if (err == NULL && !str_copy(token, w->out, RETRIEVE_INPUT_MAX)) {
		err_set(&long_token, ERR_LIMIT, "the refresh token is too long");
		err = &long_token;
	}
	ctl_wait_end(&w->wait, err);
}

int
retrieve_get_token(struct ctl *ctl, struct retrieve_options *o)
{
	struct token_wait w = {.wait = CTL_WAIT, .out = o->secret};
	struct web_client *web;
	struct retrieve_device_options options = {
		.device_url = o->device_url,
		.client_id = o->client_id,
		.client_secret = str_c(o->client_secret),
		.scope = o->scope != NULL ? o->scope : "",
		.on_trouble = token_on_trouble,
	};
	int status;

	if (o->oauth2 == NULL || o->secret[0] != '\0')
		return 0;
	if (o->device_url == NULL)
		return ctl_fail("%s gives no access to mail by a code: give a refresh token with --token-stdin, or "
				"--device-url",
				o->oauth2);
	for (unsigned i = 0; i < o->count; i++)
		if (str_eq(o->fields[i].name, STR("token_url")))
			options.token_url = arena_dup(&ctl->arena, o->fields[i].value.p, o->fields[i].value.len);
	web = web_client_new(ctl->base);
	options.web = (struct retrieve_web){.base = ctl->base, .web = web, .ca_file = getenv("STAGEPOST_CA_FILE")};
	retrieve_device_start(&options, token_on_code, token_on_end, &w);
	status = ctl_await_done(ctl, &w.wait);
	web_client_free(&web);
	return status;
}
