/* Sums of DMARC reports by domain and source. */
#include "ctl/dmarc_sums.h"

#include <stdio.h>
#include <string.h>
#include <uthash.h>

#include "ctl/output.h"
#include "lib/dmarcrpt/report.h"
#include "lib/dmarcrpt/unpack.h"
#include "lib/tlspolicy/tally.h"

struct reporter {
	struct str name;
	struct reporter *next;
};

/* All entries of the hashes are in the command's arena. */
struct dmarc_source {
	const char *name; /* the key: "<domain> <address>" */
	struct str domain;
	const char *address;
	uint64_t messages, spf, dkim, failed; /* aligned and passed; failed: neither */
	uint64_t dispositions[DMARC_POLICIES];
	struct reporter *reporters;
	UT_hash_handle hh;
};

struct dmarc_seen {
	const char *name;
	UT_hash_handle hh;
};

/* ---- Adding up ---- */
/* The same report may have come to several addresses. */
static bool
sums_is_repeated(struct dmarc_sums *s, const struct dmarc_report *r)
{
	const char *name =
		arena_printf(s->arena, "%.*s %.*s %.*s", STR_ARG(r->domain), STR_ARG(r->id), STR_ARG(r->reporter));
	struct dmarc_seen *seen;

	if (r->id.len == 0)
		return false;
	HASH_FIND_STR(s->seen, name, seen);
	if (seen != NULL)
		return true;
	seen = arena_new(s->arena, struct dmarc_seen);
	seen->name = name;
	HASH_ADD_KEYPTR(hh, s->seen, seen->name, strlen(seen->name), seen);
	return false;
}

static struct dmarc_source *
sums_get_source(struct dmarc_sums *s, struct str domain, const char *address)
{
	const char *name = arena_printf(s->arena, "%.*s %s", STR_ARG(domain), address);
	struct dmarc_source *source;

	HASH_FIND_STR(s->sources, name, source);
	if (source != NULL)
		return source;
	source = arena_new(s->arena, struct dmarc_source);
	source->name = name;
	source->domain = arena_str(s->arena, domain);
	source->address = arena_strdup(s->arena, address);
	HASH_ADD_KEYPTR(hh, s->sources, source->name, strlen(source->name), source);
	return source;
}

static void
sums_add_reporter(struct dmarc_sums *s, struct dmarc_source *source, struct str name)
{
	struct reporter **end = &source->reporters;

	for (; *end != NULL; end = &(*end)->next)
		if (str_eq((*end)->name, name))
			return;
	*end = arena_new(s->arena, struct reporter);
	(*end)->name = arena_str(s->arena, name);
}

static void
sums_add_row(struct dmarc_sums *s, const struct dmarc_report *report, const struct dmarc_report_row *row)
{
	struct dmarc_source *source = sums_get_source(s, report->domain, row->source);

	source->messages += row->count;
	source->spf += row->is_spf_aligned ? row->count : 0;
	source->dkim += row->is_dkim_aligned ? row->count : 0;
	source->failed += !row->is_spf_aligned && !row->is_dkim_aligned ? row->count : 0;
	source->dispositions[row->disposition] += row->count;
	sums_add_reporter(s, source, report->reporter);
}

static void
sums_add_report(struct dmarc_sums *s, const struct dmarc_report *report)
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

/* ---- What there is to read ---- */
void
dmarc_sums_note(struct dmarc_sums *s, const char *file, const char *why)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "file", file);
	cJSON_AddStringToObject(o, "why", why);
	cJSON_AddItemToArray(s->unreadable, o);
}

static void
sums_add_unpacked(struct dmarc_sums *s, const char *name, const struct dmarc_unpacked *unpacked, struct arena *arena)
{
	struct dmarc_report report;
	struct err err;

	for (unsigned i = 0; i < unpacked->count; i++) {
		if (dmarc_report_parse(unpacked->xml[i], arena, &report, &err) == 0)
			sums_add_report(s, &report);
		else
			dmarc_sums_note(s, name, err.text);
	}
}

bool
dmarc_sums_add(struct dmarc_sums *s, const char *name, struct str data)
{
	struct dmarc_unpacked unpacked;
	struct arena arena; /* for this one only */
	struct err err;
	bool is_some = true;

	arena_init(&arena);
	if (dmarc_unpack(data, &arena, &unpacked, &err) == 0)
		sums_add_unpacked(s, name, &unpacked, &arena);
	else if (err.code == ERR_NOT_FOUND)
		is_some = false;
	else
		dmarc_sums_note(s, name, err.text);
	arena_fini(&arena);
	return is_some;
}

/* ---- The result ---- */
static int
sums_compare(const struct dmarc_source *a, const struct dmarc_source *b)
{
	int order = str_cmp(a->domain, b->domain);

	if (order != 0)
		return order;
	if (a->messages != b->messages)
		return a->messages > b->messages ? -1 : 1;
	return strcmp(a->address, b->address);
}

static cJSON *
sums_source_json(const struct dmarc_source *source)
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
sums_json(struct dmarc_sums *s)
{
	cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "sources");

	HASH_SORT(s->sources, sums_compare);
	for (const struct dmarc_source *source = s->sources; source != NULL; source = source->hh.next)
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

int
dmarc_sums_print(const struct ctl *ctl, struct dmarc_sums *s, unsigned sources)
{
	bool is_nothing = s->reports == 0 && (unsigned)cJSON_GetArraySize(s->unreadable) >= sources;
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

/* ---- Beginning and end ---- */
int
dmarc_sums_init(struct dmarc_sums *s, struct arena *arena, const char *domain, const char *since)
{
	int64_t since_ms = 0;

	*s = (struct dmarc_sums){.arena = arena};
	if (domain != NULL && !directory_canonical_domain(str_c(domain), s->domain))
		return ctl_fail("'%s' is not a domain", domain);
	if (since != NULL && !tally_day_parse(str_c(since), &since_ms))
		return ctl_fail("'%s' is not a day (2026-11-24)", since);
	s->since_s = since_ms / 1000;
	s->unreadable = cJSON_CreateArray();
	return 0;
}

void
dmarc_sums_fini(struct dmarc_sums *s)
{
	HASH_CLEAR(hh, s->sources);
	HASH_CLEAR(hh, s->seen);
	cJSON_Delete(s->unreadable);
}
