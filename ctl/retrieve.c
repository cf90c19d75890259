/* The commands about remote accounts that exist: retrieve list, show, set, now, enable,
 * disable and delete. */
#include "ctl/retrieve.h"

#include <openssl/crypto.h>
#include <stdio.h>

#include "ctl/commands.h"
#include "ctl/output.h"

void
retrieve_print(const cJSON *o)
{
	printf("%s  %s  %s://%s@%s:%.0f  %s", output_text(o, "address"), output_text(o, "id"),
	       output_text(o, "protocol"), output_text(o, "user"), output_text(o, "host"), output_number(o, "port"),
	       output_text(o, "state"));
	printf("  %.0f messages", output_number(o, "messages"));
	if (*output_text(o, "last_ok") != '\0')
		printf("  last good %.19sZ", output_text(o, "last_ok"));
	if (*output_text(o, "next") != '\0')
		printf("  next %.19sZ", output_text(o, "next"));
	if (*output_text(o, "last_error") != '\0')
		printf("  %s", output_text(o, "last_error"));
	printf("\n");
}

static int
retrieve_begin(struct ctl *ctl, const char *command, int argc, char **argv, int least, int most)
{
	struct err err;

	if (ctl_has_unknown_option(argc, argv))
		return 1;
	if (argc < least || argc > most)
		return ctl_usage(command);
	return ctl_connect(ctl, &err) == 0 ? 0 : ctl_fail("%s", err.text);
}

int
command_retrieve_list(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_result r = CTL_RESULT;
	const cJSON *o;
	cJSON *list;

	if (retrieve_begin(ctl, "retrieve list", argc, argv, 0, 1) != 0)
		return 1;
	admin_retrieve_list(&ctl->admin, argc == 1 ? str_c(argv[0]) : STR_NONE, ctl_on_result, &r);
	list = ctl_await(ctl, &r);
	if (list == NULL)
		return 1;
	if (ctl->json) {
		output_json(list);
		return 0;
	}
	cJSON_ArrayForEach (o, list)
		retrieve_print(o);
	cJSON_Delete(list);
	return 0;
}

int
command_retrieve_show(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_result r = CTL_RESULT;
	cJSON *account;

	if (retrieve_begin(ctl, "retrieve show", argc, argv, 2, 2) != 0)
		return 1;
	admin_retrieve_show(&ctl->admin, str_c(argv[0]), str_c(argv[1]), ctl_on_result, &r);
	account = ctl_await(ctl, &r);
	if (account == NULL)
		return 1;
	output_record(ctl, account);
	return 0;
}

static int
retrieve_set(struct ctl *ctl, int argc, char **argv, struct retrieve_options *o)
{
	struct ctl_wait w = CTL_WAIT;
	struct admin_retrieve wanted;
	struct err err;

	if (retrieve_take_secret(&argc, argv, o) != 0)
		return 1;
	if (retrieve_begin(ctl, "retrieve set", argc, argv, 2, RETRIEVE_FIELDS_MAX) != 0)
		return 1;
	for (int i = 2; i < argc; i++) {
		struct directory_field field;
		if (!output_cut_field(argv[i], &field.name, &field.value) || o->count == RETRIEVE_FIELDS_MAX)
			return ctl_usage("retrieve set");
		o->fields[o->count++] = field;
	}
	if (o->count == 0 && o->secret[0] == '\0')
		return ctl_usage("retrieve set");
	if (o->secret[0] != '\0' && ctl_seals(ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	wanted = (struct admin_retrieve){
		.address = str_c(argv[0]), .fields = o->fields, .count = o->count, .secret = str_c(o->secret)};
	admin_retrieve_set(&ctl->admin, str_c(argv[1]), &wanted, ctl_on_done, &w);
	return ctl_await_done(ctl, &w);
}

int
command_retrieve_set(struct ctl *ctl, int argc, char **argv)
{
	struct retrieve_options o = {.count = 0};
	int status = retrieve_set(ctl, argc, argv, &o);

	OPENSSL_cleanse(o.secret, sizeof(o.secret));
	return status;
}

/* ---- Orders about one ---- */

typedef struct admin_call *retrieve_order(struct admin *a, struct str address, struct str id, admin_on_done *cb,
					  void *arg);

static int
retrieve_run(struct ctl *ctl, const char *command, retrieve_order *order, int argc, char **argv)
{
	struct ctl_wait w = CTL_WAIT;

	if (retrieve_begin(ctl, command, argc, argv, 2, 2) != 0)
		return 1;
	order(&ctl->admin, str_c(argv[0]), str_c(argv[1]), ctl_on_done, &w);
	return ctl_await_done(ctl, &w);
}

int
command_retrieve_now(struct ctl *ctl, int argc, char **argv)
{
	return retrieve_run(ctl, "retrieve now", admin_retrieve_now, argc, argv);
}

int
command_retrieve_enable(struct ctl *ctl, int argc, char **argv)
{
	return retrieve_run(ctl, "retrieve enable", admin_retrieve_enable, argc, argv);
}

int
command_retrieve_disable(struct ctl *ctl, int argc, char **argv)
{
	return retrieve_run(ctl, "retrieve disable", admin_retrieve_disable, argc, argv);
}

int
command_retrieve_delete(struct ctl *ctl, int argc, char **argv)
{
	return retrieve_run(ctl, "retrieve delete", admin_retrieve_delete, argc, argv);
}
