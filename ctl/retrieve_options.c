/* The options of remote accounts. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/retrieve.h"
#include "lib/retrieve/device.h"

int
retrieve_add_field(struct retrieve_options *o, const char *name, const char *value)
{
	if (o->count == RETRIEVE_FIELDS_MAX)
		return ctl_fail("there are too many options");
	o->fields[o->count++] = (struct directory_field){str_c(name), str_c(value)};
	return 0;
}

/* Options with a value that is a field's. */
static const struct {
	const char *option, *field;
} options_of_fields[] = {
	{"--protocol", "protocol"},	  {"--host", "host"}, {"--port", "port"}, {"--tls", "tls"},
	{"--certificate", "certificate"}, {"--user", "user"}, {"--into", "into"}, {"--interval", "interval"},
	{"--delete-after", "keep"},
};

/* Options that are a field with one value. */
static const struct {
	const char *option, *field, *value;
} options_of_values[] = {
	{"--mirror", "mirror", "on"},
	{"--keep", "keep", "keep"},
	{"--delete", "keep", "delete"},
};

static int
options_take_fields(int *argc, char **argv, struct retrieve_options *o)
{
	const char *value;

	for (size_t i = 0; i < sizeof(options_of_fields) / sizeof(options_of_fields[0]); i++) {
		value = NULL;
		if (ctl_take_option(argc, argv, options_of_fields[i].option, &value) != 0)
			return ctl_fail("%s needs a value", options_of_fields[i].option);
		if (value != NULL && retrieve_add_field(o, options_of_fields[i].field, value) != 0)
			return 1;
	}
	for (;;) {
		value = NULL;
		if (ctl_take_option(argc, argv, "--folder", &value) != 0)
			return ctl_fail("--folder needs a value");
		if (value == NULL)
			break;
		if (retrieve_add_field(o, "folder", value) != 0)
			return 1;
	}
	for (size_t i = 0; i < sizeof(options_of_values) / sizeof(options_of_values[0]); i++)
		if (ctl_take_flag(argc, argv, options_of_values[i].option) &&
		    retrieve_add_field(o, options_of_values[i].field, options_of_values[i].value) != 0)
			return 1;
	return 0;
}

static bool
options_have(const struct retrieve_options *o, const char *field)
{
	for (unsigned i = 0; i < o->count; i++)
		if (str_eq(o->fields[i].name, str_c(field)))
			return true;
	return false;
}

/* ---- Secrets ---- */

/* A line of at most RETRIEVE_INPUT_MAX. */
static int
options_read_line(FILE *from, const char *what, char out[RETRIEVE_INPUT_MAX])
{
	if (fgets(out, RETRIEVE_INPUT_MAX, from) == NULL)
		return ctl_fail("no %s", what);
	out[strcspn(out, "\r\n")] = '\0';
	return out[0] != '\0' ? 0 : ctl_fail("the %s is empty", what);
}

int
retrieve_take_secret(int *argc, char **argv, struct retrieve_options *o)
{
	bool password = ctl_take_flag(argc, argv, "--password-stdin");
	bool token = ctl_take_flag(argc, argv, "--token-stdin");

	if (password && token)
		return ctl_fail("give --password-stdin or --token-stdin, not both");
	if (token || password)
		return options_read_line(
			stdin, token ? "refresh token on standard input" : "password on standard input", o->secret);
	return 0;
}

static int
options_take_client_secret(int *argc, char **argv, struct retrieve_options *o)
{
	const char *path = NULL;
	FILE *file;
	int status;

	if (ctl_take_option(argc, argv, "--client-secret-file", &path) != 0)
		return ctl_fail("--client-secret-file needs a file");
	if (path == NULL)
		return 0;
	file = fopen(path, "re");
	if (file == NULL)
		return ctl_fail("%s: %s", path, strerror(errno));
	status = options_read_line(file, "secret of the client in the file", o->client_secret);
	fclose(file);
	return status;
}

/* ---- OAuth2 ---- */

static int
options_apply_oauth2(struct retrieve_options *o)
{
	const struct retrieve_provider *provider = retrieve_provider_find(str_c(o->oauth2));
	bool is_imap = false;

	for (unsigned i = 0; i < o->count; i++)
		if (str_eq(o->fields[i].name, STR("protocol")))
			is_imap = str_eq_ci(o->fields[i].value, STR("imap"));
	if (provider == NULL && !str_starts_ci(str_c(o->oauth2), STR("https://")))
		return ctl_fail("--oauth2 takes google, microsoft, or the https URL of a token endpoint");
	if (o->client_id == NULL)
		return ctl_fail("--oauth2 needs --client-id: that of the program's registration with the provider");
	if (provider != NULL && o->device_url == NULL)
		o->device_url = provider->device_url;
	if (provider != NULL && o->scope == NULL)
		o->scope = provider->scopes[is_imap ? RETRIEVE_IMAP : RETRIEVE_POP3];
	if (retrieve_add_field(o, "auth", "oauth2") != 0 ||
	    retrieve_add_field(o, "token_url", provider != NULL ? provider->token_url : o->oauth2) != 0 ||
	    retrieve_add_field(o, "client_id", o->client_id) != 0)
		return 1;
	return o->scope != NULL ? retrieve_add_field(o, "scope", o->scope) : 0;
}

int
retrieve_take_options(int *argc, char **argv, struct retrieve_options *o)
{
	if (options_take_fields(argc, argv, o) != 0)
		return 1;
	if (!options_have(o, "protocol"))
		return ctl_fail("--protocol is pop3 or imap");
	o->not_tried = ctl_take_flag(argc, argv, "--no-try");
	if (ctl_take_option(argc, argv, "--oauth2", &o->oauth2) != 0 ||
	    ctl_take_option(argc, argv, "--device-url", &o->device_url) != 0 ||
	    ctl_take_option(argc, argv, "--client-id", &o->client_id) != 0 ||
	    ctl_take_option(argc, argv, "--scope", &o->scope) != 0)
		return ctl_fail("--oauth2, --device-url, --client-id and --scope need a value");
	if (o->oauth2 == NULL && (o->device_url != NULL || o->client_id != NULL || o->scope != NULL))
		return ctl_fail("--device-url, --client-id and --scope belong to --oauth2");
	if (options_take_client_secret(argc, argv, o) != 0 || retrieve_take_secret(argc, argv, o) != 0)
		return 1;
	if (o->oauth2 != NULL)
		return options_apply_oauth2(o);
	return o->secret[0] != '\0' ? 0 : ctl_fail("give the password with --password-stdin, or --oauth2");
}
