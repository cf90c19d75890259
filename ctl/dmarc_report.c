/* The command dmarc-report read: adds up DMARC reports that others have sent, by the address
 * that sent mail in the domain's name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "lib/base/buf.h"
#include "lib/directory/directory.h"
#include "lib/dmarcrpt/report.h"
#include "lib/dmarcrpt/unpack.h"
#include "lib/tlspolicy/tally.h"

struct reporter {
	struct str name;
	struct reporter *next;
};

/* All entries of the hashes are in the command's arena. */
struct source {
	const char *name; /* the key: "<domain> <address>" */
	struct str domain;
	const char *address;
	uint64_t messages, spf, dkim, failed; /* aligned and passed; failed: neither */
	uint64_t dispositions[DMARC_POLICIES];
	struct reporter *reporters;
	UT_hash_handle hh;
};

struct seen {
	const char *name;
	UT_hash_handle hh;
};

struct sums {
	struct arena *arena;		   /* borrowed */
	char domain[DIRECTORY_DOMAIN_MAX]; /* empty: all */
	int64_t since_s;		   /* reports that end before are left out */
	struct source *sources;
	struct seen *seen;
	unsigned reports, repeated, skipped;
	cJSON *unreadable; /* owner */
};

/* ---- Adding up ---- */
/* The same report may have come to several addresses. */
static bool
sums_is_repeated(struct sums *s, const struct dmarc_report *r)
{
	const char *name =
		arena_printf(s->arena, "%.*s %.*s %.*s", STR_ARG(r->domain), STR_ARG(r->id), STR_ARG(r->reporter));
	struct seen *seen;

	if (r->id.len == 0)
		return false;
	HASH_FIND_STR(s->seen, name, seen);
	if (seen != NULL)
		return true;
	seen = arena_new(s->arena, struct seen);
	seen->name = name;
	HASH_ADD_KEYPTR(hh, s->seen, seen->name, strlen(seen->name), seen);
	return false;
}

static struct source *
sums_get_source(struct sums *s, struct str domain, const char *address)
{
	const char *name = arena_printf(s->arena, "%.*s %s", STR_ARG(domain), address);
	struct source *source;

	HASH_FIND_STR(s->sources, name, source);
	if (source != NULL)
		return source;
	source = arena_new(s->arena, struct source);
	source->name = name;
	source->domain = arena_str(s->arena, domain);
	source->address = arena_strdup(s->arena, address);
	HASH_ADD_KEYPTR(hh, s->sources, source->name, strlen(source->name), source);
	return source;
}

static void
sums_add_reporter(struct sums *s, struct source *source, struct str name)
{
	struct reporter **end = &source->reporters;

	for (; *end != NULL; end = &(*end)->next)
		if (str_eq((*end)->name, name))
			return;
	*end = arena_new(s->arena, struct reporter);
	(*end)->name = arena_str(s->arena, name);
}

static void
sums_add_row(struct sums *s, const struct dmarc_report *report, const struct dmarc_report_row *row)
{
	struct source *source = sums_get_source(s, report->domain, row->source);

	source->messages += row->count;
	source->spf += row->is_spf_aligned ? row->count : 0;
	source->dkim += row->is_dkim_aligned ? row->count : 0;
	source->failed += !row->is_spf_aligned && !row->is_dkim_aligned ? row->count : 0;
	source->dispositions[row->disposition] += row->count;
	sums_add_reporter(s, source, report->reporter);
}

static void
sums_add_report(struct sums *s, const struct dmarc_report *report)
{
	if ((*s->domain != '\0' && !str_eq(report->domain, str_c(s->domain))) || report->end_s < s->since_s)
		return;
	if (sums_is_repeated(s, report)) {
		s->repeated++;
		return;
	}
	s->reports++;
	s->skipped += report->skipped;
	for (const struct dmarc_report_row *row = report->rows; row != NULL; row = row->next)
		sums_add_row(s, report, row);
}

/* ---- Files ---- */
static void
sums_note_unreadable(struct sums *s, const char *file, const char *why)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "file", file);
	cJSON_AddStringToObject(o, "why", why);
	cJSON_AddItemToArray(s->unreadable, o);
}

static int
sums_read_file(const char *file, struct buf *out, struct err *err)
{
	enum { PIECE = 256 * 1024 };
	int fd = strcmp(file, "-") == 0 ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	ssize_t got;
	int failed;

	if (fd < 0)
		return err_set_errno(err, errno, "it cannot be opened");
	while ((got = read(fd, buf_reserve(out, PIECE), PIECE)) > 0) {
		out->len += (size_t)got;
		if (out->len > DMARC_UNPACKED_MAX)
			break; /* dmarc_unpack() refuses it */
	}
	failed = errno;
	if (fd != STDIN_FILENO)
		close(fd);
	return got < 0 ? err_set_errno(err, failed, "it cannot be read") : 0;
}

static void
sums_add_data(struct sums *s, const char *file, struct str data, struct arena *arena)
{
	struct dmarc_unpacked unpacked;
	struct err err;

	if (dmarc_unpack(data, arena, &unpacked, &err) != 0) {
		sums_note_unreadable(s, file, err.text);
		return;
	}
	for (unsigned i = 0; i < unpacked.count; i++) {
		struct dmarc_report report;

		if (dmarc_report_parse(unpacked.xml[i], arena, &report, &err) == 0)
			sums_add_report(s, &report);
		else
			sums_note_unreadable(s, file, err.text);
	}
}

static void
sums_add_file(struct sums *s, const char *file)
{
	struct buf data = BUF_EMPTY;
	struct arena arena; /* for this file only */
	struct err err;

	arena_init(&arena);
	if (sums_read_file(file, &data, &err) == 0)
		sums_add_data(s, file, buf_str(&data), &arena);
	else
		sums_note_unreadable(s, file, err.text);
	arena_fini(&arena);
	buf_fini(&data);
}

/* ---- The result ---- */
static int
sums_compare(const struct source *a, const struct source *b)
{
	int order = str_cmp(a->domain, b->domain);

	if (order != 0)
		return order;
	if (a->messages != b->messages)
		return a->messages > b->messages ? -1 : 1;
	return strcmp(a->address, b->address);
}

static cJSON *
sums_source_json(const struct source *source)
{
	cJSON *o = cJSON_CreateObject(), *names;

	output_add_str(o, "domain", source->domain);
	cJSON_AddStringToObject(o, "source", source->address);
	cJSON_AddNumberToObject(o, "messages", (double)source->messages);
	cJSON_AddNumberToObject(o, "spf", (double)source->spf);
	cJSON_AddNumberToObject(o, "dkim", (double)source->dkim);
	cJSON_AddNumberToObject(o, "failed", (double)source->failed);
	for (unsigned i = 0; i < DMARC_POLICIES; i++)
		cJSON_AddNumberToObject(o, dmarc_policy_name((enum dmarc_policy)i), (double)source->dispositions[i]);
	names = cJSON_AddArrayToObject(o, "reporters");
	for (const struct reporter *r = source->reporters; r != NULL; r = r->next)
		cJSON_AddItemToArray(names, cJSON_CreateString(r->name.p));
	return o;
}

static cJSON *
sums_json(struct sums *s)
{
	cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "sources");

	HASH_SORT(s->sources, sums_compare);
	for (const struct source *source = s->sources; source != NULL; source = source->hh.next)
		cJSON_AddItemToArray(list, sums_source_json(source));
	cJSON_AddNumberToObject(o, "reports", s->reports);
	cJSON_AddNumberToObject(o, "repeated", s->repeated);
	cJSON_AddNumberToObject(o, "skipped_rows", s->skipped);
	cJSON_AddItemReferenceToObject(o, "unreadable", s->unreadable);
	return o;
}

static void
sums_print(const cJSON *o)
{
	const cJSON *line, *name;

	cJSON_ArrayForEach (line, cJSON_GetObjectItem(o, "sources")) {
		printf("%-30s %-40s %8.0f messages %8.0f spf %8.0f dkim %8.0f failed %8.0f quarantined %8.0f rejected "
		       " ",
		       output_text(line, "domain"), output_text(line, "source"), output_number(line, "messages"),
		       output_number(line, "spf"), output_number(line, "dkim"), output_number(line, "failed"),
		       output_number(line, "quarantine"), output_number(line, "reject"));
		cJSON_ArrayForEach (name, cJSON_GetObjectItem(line, "reporters"))
			printf("%s%s", cJSON_GetStringValue(name), name->next != NULL ? ", " : "");
		printf("\n");
	}
	printf("; %.0f reports, %.0f of them repeated, %.0f rows skipped\n",
	       output_number(o, "reports") + output_number(o, "repeated"), output_number(o, "repeated"),
	       output_number(o, "skipped_rows"));
	cJSON_ArrayForEach (line, cJSON_GetObjectItem(o, "unreadable"))
		printf("; %s: %s\n", output_text(line, "file"), output_text(line, "why"));
}

static int
sums_finish(const struct ctl *ctl, struct sums *s, unsigned files)
{
	bool is_nothing = s->reports == 0 && (unsigned)cJSON_GetArraySize(s->unreadable) >= files;
	cJSON *o;

	if (is_nothing)
		return ctl_fail("%s: %s", output_text(s->unreadable->child, "file"),
				output_text(s->unreadable->child, "why"));
	o = sums_json(s);
	if (ctl->json) {
		output_json(o);
		return 0;
	}
	sums_print(o);
	cJSON_Delete(o);
	return 0;
}

static int
sums_take_options(struct sums *s, int *argc, char **argv)
{
	const char *domain = NULL, *since = NULL;
	int64_t since_ms = 0;

	if (ctl_take_option(argc, argv, "--domain", &domain) != 0 ||
	    ctl_take_option(argc, argv, "--since", &since) != 0)
		return ctl_usage("dmarc-report read");
	if (ctl_has_unknown_option(*argc, argv))
		return 1;
	if (*argc < 1)
		return ctl_usage("dmarc-report read");
	if (domain != NULL && !directory_canonical_domain(str_c(domain), s->domain))
		return ctl_fail("'%s' is not a domain", domain);
	if (since != NULL && !tally_day_parse(str_c(since), &since_ms))
		return ctl_fail("'%s' is not a day (2026-11-24)", since);
	s->since_s = since_ms / 1000;
	return 0;
}

int
command_dmarc_report_read(struct ctl *ctl, int argc, char **argv)
{
	struct sums s = {.arena = &ctl->arena};
	int status;

	if (sums_take_options(&s, &argc, argv) != 0)
		return 1;
	s.unreadable = cJSON_CreateArray();
	for (int i = 0; i < argc; i++)
		sums_add_file(&s, argv[i]);
	status = sums_finish(ctl, &s, (unsigned)argc);
	HASH_CLEAR(hh, s.sources);
	HASH_CLEAR(hh, s.seen);
	cJSON_Delete(s.unreadable);
	return status;
}
