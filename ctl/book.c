/* `stagepost book rebuild`: makes the address books of domains what their accounts and
 * aliases say. */
#include <stdio.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/progress.h"
#include "lib/directory/directory.h"

struct book_rebuild {
	struct ctl *ctl;
	struct ctl_wait wait;
	struct progress progress;
	struct str *domains;
	unsigned count;
	struct directory_comparison figures; /* of the domain at hand */
	cJSON *result;
	unsigned failed;
};

static void
book_on_names(void *arg, const struct str *names, unsigned count, const struct err *err)
{
	struct book_rebuild *r = arg;

	if (err == NULL) {
		r->domains = arena_array(&r->ctl->arena, struct str, count + 1);
		for (unsigned i = 0; i < count; i++)
			r->domains[i] = arena_str(&r->ctl->arena, names[i]);
		r->count = count;
	}
	ctl_wait_end(&r->wait, err);
}

static void
book_on_progress(void *arg, const struct directory_comparison *so_far)
{
	struct book_rebuild *r = arg;

	progress_show(&r->progress, so_far->examined, 0);
}

static void
book_on_compared(void *arg, const struct directory_comparison *figures, const struct err *err)
{
	struct book_rebuild *r = arg;

	r->figures = *figures;
	ctl_wait_end(&r->wait, err);
}

static void
book_tell(struct book_rebuild *r, struct str domain)
{
	cJSON *row;

	if (!r->ctl->json) {
		printf("%.*s: %llu examined, %llu mended\n", STR_ARG(domain), (unsigned long long)r->figures.examined,
		       (unsigned long long)r->figures.mended);
		return;
	}
	row = cJSON_CreateObject();
	output_add_str(row, "domain", domain);
	cJSON_AddNumberToObject(row, "examined", (double)r->figures.examined);
	cJSON_AddNumberToObject(row, "mended", (double)r->figures.mended);
	cJSON_AddItemToArray(r->result, row);
}

/* One domain's failure does not keep the others from being rebuilt. */
static void
book_rebuild_one(struct book_rebuild *r, struct str domain)
{
	char name[120];
	const struct directory_comparison_options options = {.name = name, .on_progress = book_on_progress};

	snprintf(name, sizeof(name), "tool-%ld", (long)getpid());
	r->wait = CTL_WAIT;
	directory_book_compare(ctl_directory(r->ctl), domain, &options, book_on_compared, r);
	while (!r->wait.done)
		event_base_loop(r->ctl->base, EVLOOP_ONCE);
	progress_end(&r->progress);
	if (r->wait.err.code == ERR_NONE) {
		book_tell(r, domain);
		return;
	}
	ctl_fail("%.*s: %s", STR_ARG(domain), r->wait.err.text);
	r->failed++;
}

int
command_book_rebuild(struct ctl *ctl, int argc, char **argv)
{
	struct book_rebuild r = {.ctl = ctl};
	bool all = ctl_take_flag(&argc, argv, "--all");
	char domain[DIRECTORY_DOMAIN_MAX];
	struct str one;
	struct err err;

	if (ctl_has_unknown_option(argc, argv))
		return 1;
	if (argc != (all ? 0 : 1))
		return ctl_usage("book rebuild");
	if (!all && !directory_canonical_domain(str_c(argv[0]), domain))
		return ctl_fail("\"%.100s\" is not a domain name", argv[0]);
	if (ctl_connect(ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	progress_begin(&r.progress, "comparing");
	one = all ? STR_NONE : str_c(domain);
	r.domains = &one;
	r.count = 1;
	if (all) {
		directory_domain_list(ctl_directory(ctl), book_on_names, &r);
		if (ctl_wait(ctl, &r.wait) != 0)
			return ctl_fail("%s", r.wait.err.text);
	}
	if (ctl->json)
		r.result = cJSON_CreateArray();
	for (unsigned i = 0; i < r.count; i++)
		book_rebuild_one(&r, r.domains[i]);
	if (r.result != NULL)
		output_json(r.result);
	return r.failed != 0;
}
