/* DMARC reports, packed in whatever way: everybody may send one. */
#include "lib/base/check.h"
#include "lib/dmarcrpt/report.h"
#include "lib/dmarcrpt/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_report(const struct dmarc_report *report)
{
	struct ip ip;

	CHECK(report->domain.len > 0);
	CHECK(str_is_printable_ascii(report->domain) && str_is_printable_ascii(report->reporter));
	for (const struct dmarc_report_row *row = report->rows; row != NULL; row = row->next)
		CHECK(row->count > 0 && (unsigned)row->disposition < DMARC_POLICIES &&
		      ip_parse(str_c(row->source), &ip));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dmarc_unpacked unpacked;
	struct dmarc_report report;
	struct arena arena;
	struct err err;

	arena_init(&arena);
	if (dmarc_unpack(str_of((const char *)data, size), &arena, &unpacked, &err) == 0) {
		CHECK(unpacked.count > 0 && unpacked.count <= DMARC_REPORTS_MAX);
		for (unsigned i = 0; i < unpacked.count; i++)
			if (dmarc_report_parse(unpacked.xml[i], &arena, &report, &err) == 0)
				check_report(&report);
	}
	arena_fini(&arena);
	return 0;
}
