/* Options of a program. */
#include "lib/service/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/version.h"

static const struct service_option no_options[] = {{0}};

static void
print_table(const struct service_option *table)
{
	for (const struct service_option *o = table; o->name != NULL; o++) {
		printf("       --%s%s%s\n              %s", o->name, o->argument != NULL ? " " : "",
		       o->argument != NULL ? o->argument : "", o->help);
		if (o->default_value != NULL)
			printf(" Default: %s.", o->default_value);
		if (o->environment != NULL)
			printf(" Environment: %s.", o->environment);
		printf("\n");
	}
}

static void
options_print_help(const struct service_description *d, const struct service_option *own,
		   const struct service_option *common)
{
	printf("NAME\n       %s - %s\n\nSYNOPSIS\n       %s [OPTIONS]\n\nOPTIONS\n", d->kind, d->summary, d->kind);
	print_table(own);
	print_table(common);
	printf("       --version\n              The program's version.\n"
	       "       --help This page.\n\n"
	       "ENVIRONMENT\n       STAGEPOST_CLUSTER_KEY\n              Encrypts and authenticates the bus between "
	       "hosts; the same for all "
	       "processes.\n"
	       "       STAGEPOST_SECRET_KEY\n              Frontends and workers: seals secrets in the store, as "
	       "id:base64,...; the same for all of them.\n\n"
	       "Everything else is a setting in Redis: see `stagepost settings list`.\n\n"
	       "SIGNALS\n       SIGTERM, SIGINT: accept no new work, finish open work, and exit within the grace "
	       "time.\n"
	       "       A second signal: exit at once.\n\n"
	       "EXIT STATUS\n       0 on success; 1 on failure, with one line that gives the reason.\n");
}

static const struct service_option *
options_find(const struct service_option *table, const char *name, size_t len)
{
	for (const struct service_option *o = table; o->name != NULL; o++)
		if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
			return o;
	return NULL;
}

static void
take_defaults(const struct service_option *table)
{
	for (const struct service_option *o = table; o->name != NULL; o++) {
		const char *value = o->environment != NULL ? getenv(o->environment) : NULL;
		/* An empty variable counts as unset. */
		*o->value = value != NULL && value[0] != '\0' ? value : o->default_value;
	}
}

int
options_parse(const struct service_description *d, const struct service_option *common, int argc, char **argv,
	      struct err *err)
{
	const struct service_option *own = d->options != NULL ? d->options : no_options;

	take_defaults(own);
	take_defaults(common);
	for (int i = 1; i < argc; i++) {
		const struct service_option *o;
		const char *name = argv[i] + 2, *equals;
		size_t len;

		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			options_print_help(d, own, common);
			return 1;
		}
		if (strcmp(argv[i], "--version") == 0) {
			printf("%s (Stagepost) %s\n", d->kind, STAGEPOST_VERSION);
			return 1;
		}
		if (strncmp(argv[i], "--", 2) != 0)
			return err_set(err, ERR_INVALID, "'%s' is not an option; see %s --help", argv[i], d->kind);
		equals = strchr(name, '=');
		len = equals != NULL ? (size_t)(equals - name) : strlen(name);
		o = options_find(own, name, len);
		if (o == NULL)
			o = options_find(common, name, len);
		if (o == NULL)
			return err_set(err, ERR_INVALID, "unknown option '%s'; see %s --help", argv[i], d->kind);
		if (o->argument == NULL && equals != NULL)
			return err_set(err, ERR_INVALID, "--%s takes no value", o->name);
		if (o->argument == NULL)
			*o->value = "on";
		else if (equals != NULL)
			*o->value = equals + 1;
		else if (i + 1 < argc)
			*o->value = argv[++i];
		else
			return err_set(err, ERR_INVALID, "--%s needs a value", o->name);
	}
	return 0;
}
