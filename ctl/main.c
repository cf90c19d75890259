/* stagepost: the tool's entry. Finds the command, takes the common options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "lib/base/crashpoint.h"
#include "lib/base/log.h"
#include "lib/base/version.h"

static void
print_help(FILE *out)
{
	fputs("NAME\n"
	      "       stagepost - run and control a Stagepost mail cluster\n\n"
	      "SYNOPSIS\n"
	      "       stagepost COMMAND [ARGUMENTS] [--dir DIR] [--json]\n\n"
	      "COMMANDS\n",
	      out);
	for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++)
		fprintf(out, "       %s%s%s\n              %s\n", c->name, c->args[0] != '\0' ? " " : "", c->args,
			c->help);
	fputs("\nOPTIONS\n"
	      "       --dir DIR\n"
	      "              Directory of the cluster; default ./data.\n"
	      "       --json Print the result as JSON, for scripts.\n"
	      "       --version\n"
	      "              The program's version.\n"
	      "       --help Show this page, or the usage of the command given before it.\n\n"
	      "ENVIRONMENT\n"
	      "       STAGEPOST_REDIS, STAGEPOST_BLOBS\n"
	      "              Store to use instead of the one under --dir:\n"
	      "              redis://host:port, file:/folder.\n"
	      "       STAGEPOST_SECRET_KEY\n"
	      "              Keys for secrets, as the workers have them; default: those of --dir.\n"
	      "       STAGEPOST_CA_FILE\n"
	      "              Certificate authorities to trust instead of the system's.\n\n"
	      "EXIT STATUS\n"
	      "       0 on success; 1 on failure, with one line that gives the reason.\n",
	      out);
}

/* The row whose name is the first word or two; *words_out: how many. */
static const struct ctl_command *
main_find_command(int argc, char **argv, int *words_out)
{
	for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++) {
		const char *space = strchr(c->name, ' ');
		size_t first = space != NULL ? (size_t)(space - c->name) : strlen(c->name);
		if (strlen(argv[0]) != first || strncmp(argv[0], c->name, first) != 0)
			continue;
		if (space != NULL && (argc < 2 || strcmp(argv[1], space + 1) != 0))
			continue;
		*words_out = space != NULL ? 2 : 1;
		return c;
	}
	return NULL;
}

/* Lists the verbs when only the first word is known. */
static int
complain_of_unknown(const char *word)
{
	char verbs[300] = "";

	for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++) {
		size_t len = strlen(word);
		if (strncmp(c->name, word, len) != 0 || c->name[len] != ' ')
			continue;
		snprintf(verbs + strlen(verbs), sizeof(verbs) - strlen(verbs), "%s%s", verbs[0] != '\0' ? ", " : "",
			 c->name + len + 1);
	}
	if (verbs[0] != '\0')
		return ctl_fail("%s needs one of: %s", word, verbs);
	return ctl_fail("unknown command '%s'; see stagepost --help", word);
}

static void
print_usage(const struct ctl_command *c)
{
	printf("usage: stagepost %s%s%s\n       %s\n", c->name, c->args[0] != '\0' ? " " : "", c->args, c->help);
}

/* The usage of all commands that begin with the word; false if there are none. */
static bool
print_usages(const char *word)
{
	size_t len = strlen(word);
	bool any = false;

	for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++)
		if (strncmp(c->name, word, len) == 0 && (c->name[len] == ' ' || c->name[len] == '\0')) {
			print_usage(c);
			any = true;
		}
	return any;
}

int
main(int argc, char **argv)
{
	struct ctl ctl = {.dir = "data"};
	const struct ctl_command *command;
	int words, status;
	bool help;

	log_init("stagepost");
	crashpoint_init();
	/* The libraries' log messages are for operators of a service, not for users of a tool. */
	if (getenv("STAGEPOST_LOG_LEVEL") == NULL)
		log_set_least(LOG_ERROR);
	argc--, argv++;
	help = ctl_take_flag(&argc, argv, "--help");
	help |= ctl_take_flag(&argc, argv, "-h"); /* both are removed */
	ctl.json = ctl_take_flag(&argc, argv, "--json");
	if (argc == 1 && strcmp(argv[0], "--version") == 0) {
		puts("stagepost (Stagepost) " STAGEPOST_VERSION);
		return 0;
	}
	if (ctl_take_option(&argc, argv, "--dir", &ctl.dir) != 0)
		return ctl_fail("--dir needs a directory");
	if (argc == 0 || (argc == 1 && strcmp(argv[0], "help") == 0)) {
		print_help(help || argc == 1 ? stdout : stderr);
		return help || argc == 1 ? 0 : 1;
	}
	command = main_find_command(argc, argv, &words);
	if (command == NULL && help && print_usages(argv[0]))
		return 0;
	if (command == NULL)
		return complain_of_unknown(argv[0]);
	if (help) {
		print_usage(command);
		return 0;
	}
	arena_init(&ctl.arena);
	status = command->run(&ctl, argc - words, argv + words);
	ctl_disconnect(&ctl);
	arena_fini(&ctl.arena);
	if (fflush(stdout) != 0 && status == 0)
		status = ctl_fail("writing the output failed");
	return status;
}
