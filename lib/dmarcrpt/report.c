#include "lib/dmarcrpt/report.h"

#include "lib/xml/reader.h"

#define TEXT_MAX  255
#define COUNT_MAX UINT64_C(1000000000000) /* no sum of counts overflows */

/* Whoever reads the sums has a terminal. */
static struct str
report_text(const struct xml_node *node, struct arena *arena)
{
	struct str text = str_first_utf8(xml_text(node), TEXT_MAX);
	char *clean = arena_dup(arena, text.len > 0 ? text.p : "", text.len);

	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)clean[i] < 0x20 || (unsigned char)clean[i] >= 0x7f)
			clean[i] = '?';
	return str_of(clean, text.len);
}

static struct str
report_domain(const struct xml_node *node, struct arena *arena)
{
	struct str text = report_text(node, arena);
	char *lower = arena_dup(arena, text.p, text.len);

	str_lower(lower, text.len);
	return str_of(lower, text.len);
}

/* "pass" of RFC 9990, and words of one's own, mean that nothing was done. */
static enum dmarc_policy
report_disposition(struct str word)
{
	for (unsigned i = 0; i < DMARC_POLICIES; i++)
		if (str_eq_ci(word, str_c(dmarc_policy_name((enum dmarc_policy)i))))
			return (enum dmarc_policy)i;
	return DMARC_NONE;
}

static struct dmarc_report_row *
report_read_row(const struct xml_node *row, struct arena *arena)
{
	const struct xml_node *evaluated = row != NULL ? xml_child(row, "policy_evaluated") : NULL;
	struct dmarc_report_row *r = arena_new(arena, struct dmarc_report_row);
	struct ip ip;

	if (row == NULL || !ip_parse(xml_text(xml_child(row, "source_ip")), &ip) ||
	    !str_to_u64(xml_text(xml_child(row, "count")), &r->count) || r->count == 0 || r->count > COUNT_MAX)
		return NULL;
	ip_text(&ip, r->source);
	if (evaluated == NULL)
		return r;
	r->disposition = report_disposition(xml_text(xml_child(evaluated, "disposition")));
	r->is_spf_aligned = str_eq_ci(xml_text(xml_child(evaluated, "spf")), STR("pass"));
	r->is_dkim_aligned = str_eq_ci(xml_text(xml_child(evaluated, "dkim")), STR("pass"));
	return r;
}

static void
report_read_rows(const struct xml_node *root, struct arena *arena, struct dmarc_report *report)
{
	struct dmarc_report_row **end = &report->rows;

	for (const struct xml_node *n = root->children; n != NULL; n = n->next) {
		if (!str_eq(n->name, STR("record")))
			continue;
		*end = report_read_row(xml_child(n, "row"), arena);
		if (*end != NULL)
			end = &(*end)->next;
		else
			report->skipped++;
	}
}

static void
report_read_head(const struct xml_node *root, struct arena *arena, struct dmarc_report *report)
{
	report->reporter = report_text(xml_find(root, "report_metadata", "org_name", NULL), arena);
	report->id = report_text(xml_find(root, "report_metadata", "report_id", NULL), arena);
	report->domain = report_domain(xml_find(root, "policy_published", "domain", NULL), arena);
	str_to_i64(xml_text(xml_find(root, "report_metadata", "date_range", "begin", NULL)), &report->begin_s);
	str_to_i64(xml_text(xml_find(root, "report_metadata", "date_range", "end", NULL)), &report->end_s);
}

int
dmarc_report_parse(struct str xml, struct arena *arena, struct dmarc_report *report_out, struct err *err)
{
	struct xml_reader *reader = xml_reader_new(arena);
	const struct xml_node *root = NULL;

	*report_out = (struct dmarc_report){.skipped = 0};
	xml_reader_allow(reader, DMARC_REPORT_ELEMENTS_MAX);
	if (xml_reader_feed(reader, xml, err) == 0)
		root = xml_reader_end(reader, err);
	xml_reader_free(&reader);
	if (root == NULL)
		return -1;
	if (!str_eq(root->name, STR("feedback")))
		return err_set(err, ERR_INVALID, "not a DMARC report, which would begin with <feedback>");
	report_read_head(root, arena, report_out);
	if (report_out->domain.len == 0)
		return err_set(err, ERR_INVALID, "it does not say whose policy it is about");
	report_read_rows(root, arena, report_out);
	return 0;
}
