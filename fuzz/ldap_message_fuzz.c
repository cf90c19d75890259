/* LDAP: frames, filters, controls and DNs. The first byte says what the rest is. The
 * normal form of a DN is a DN with the same normal form; a filter that can be read can
 * be judged. */
#include "frontend/ldap/ber.h"
#include "frontend/ldap/control.h"
#include "frontend/ldap/dn.h"
#include "frontend/ldap/filter.h"
#include "lib/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_frame(struct str text)
{
	struct evbuffer *in = evbuffer_new();
	size_t len = 0;

	evbuffer_add(in, text.p, text.len);
	if (ldap_frame(in, 4096, &len) == LDAP_FRAME_WHOLE)
		CHECK(len >= 2 && len <= text.len && len <= 4096);
	evbuffer_free(in);
}

static void
fuzz_filter(struct str text, struct arena *arena)
{
	static const struct ldap_root root;
	struct ldap_entry entries[] = {{.kind = LDAP_ROOT, .root = &root},
				       {.kind = LDAP_SUBSCHEMA},
				       {.kind = LDAP_DOMAIN, .domain = STR("example.test")},
				       {.kind = LDAP_PEOPLE, .domain = STR("example.test")}};
	struct ldap_filter filter;
	struct ldap_plan plan;

	if (ldap_filter_take(&text, arena, &filter) != LDAP_FILTER_GOOD)
		return;
	for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		CHECK(ldap_filter_judge(&filter, &entries[i], arena, NULL) <= LDAP_TRUE);
	ldap_filter_plan(&filter, STR("example.test"), arena, &plan);
	CHECK(plan.count <= LDAP_PLAN_ADDRESSES);
}

static void
fuzz_dn(struct str text, struct arena *arena)
{
	struct ldap_dn *dn = arena_new(arena, struct ldap_dn), *again = arena_new(arena, struct ldap_dn);
	struct ldap_name name;
	struct str normal;

	if (!ldap_dn_parse(text, arena, dn))
		return;
	CHECK(ldap_name_parse(text, arena, &name));
	normal = ldap_dn_normal(dn, arena);
	if (normal.len > LDAP_DN_BYTES_MAX)
		return;
	CHECKF(ldap_dn_parse(normal, arena, again), "%.*s", STR_ARG(normal));
	CHECK(again->count == dn->count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ldap_controls controls;
	struct arena arena;
	struct str text;

	if (size == 0)
		return 0;
	text = str_of((const char *)data + 1, size - 1);
	arena_init(&arena);
	switch (data[0] & 3) {
	case 0: fuzz_frame(text); break;
	case 1: fuzz_filter(text, &arena); break;
	case 2: fuzz_dn(text, &arena); break;
	default: (void)ldap_controls_take(text, true, &controls); break;
	}
	arena_fini(&arena);
	return 0;
}
