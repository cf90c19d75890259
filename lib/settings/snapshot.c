/* A snapshot: all settings in force at one moment, with the overrides of
 * domains. Immutable once built, and reference-counted, so threads may share
 * it. All its strings are in its arena. */
#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/settings/private.h"

#define uthash_fatal(message) CHECKF(false, "%s", message)
#include <uthash.h>

/* A group's values for one domain. */
struct override {
	char *domain; /* key, lower case; owner: the arena */
	void *values; /* the group's struct; owner: the arena */
	UT_hash_handle hh;
};

struct settings {
	atomic_uint references;
	uint64_t version;
	struct arena arena;
	struct settings_values values;
	struct override *overrides[GROUP_COUNT]; /* owner of the tables; entries: the arena */
};

/* ---- The hash of the content ---- FNV-1a, 64 bit */
static uint64_t
hash_bytes(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *p = data;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t
hash_group(uint64_t hash, const struct settings_group *group, const void *values, struct buf *scratch)
{
	unsigned count;
	const struct settings_row *rows = settings_group_rows(group, &count);
	for (unsigned i = 0; i < count; i++) {
		buf_clear(scratch);
		buf_printf(scratch, "%s.%s=", rows[i].group, rows[i].field);
		settings_format(&rows[i], (const char *)values + settings_row_offset(&rows[i]), scratch);
		hash = hash_bytes(hash, scratch->data, scratch->len + 1);
	}
	return hash;
}

static int
compare_domains(const struct override *a, const struct override *b)
{
	return strcmp(a->domain, b->domain);
}

static uint64_t
compute_version(struct settings *s)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	struct buf scratch = BUF_EMPTY;
	for (unsigned g = 0; g < GROUP_COUNT; g++) {
		const struct settings_group *group = &settings_groups[g];
		hash = hash_group(hash, group, (const char *)&s->values + group->offset, &scratch);
		HASH_SORT(s->overrides[g], compare_domains);
		for (const struct override *o = s->overrides[g]; o != NULL; o = o->hh.next) {
			hash = hash_bytes(hash, o->domain, strlen(o->domain) + 1);
			hash = hash_group(hash, group, o->values, &scratch);
		}
	}
	buf_fini(&scratch);
	return hash;
}

/* ---- Building ---- */
static const struct settings_group *
group_of(const struct settings_row *row)
{
	return settings_group_find(str_c(row->group));
}

static void
set_value(struct settings *s, const struct settings_row *row, void *values, struct str text)
{
	struct err err;
	int rc = settings_parse(row, text, &s->arena, (char *)values + settings_row_offset(row), &err);
	CHECKF(rc == 0, "%s.%s: %s", row->group, row->field, err.text);
}

static void
set_defaults(struct settings *s)
{
	unsigned count;
	const struct settings_row *rows = settings_rows(&count);
	for (unsigned i = 0; i < count; i++)
		set_value(s, &rows[i], (char *)&s->values + group_of(&rows[i])->offset, str_c(rows[i].default_text));
}

/* The values of the group for the domain: initially a copy of the group's. */
static void *
override_get(struct settings *s, const struct settings_group *group, struct str domain)
{
	struct override **table = &s->overrides[group - settings_groups], *o;
	HASH_FIND(hh, *table, domain.p, domain.len, o);
	if (o == NULL) {
		o = arena_new(&s->arena, struct override);
		o->domain = arena_dup(&s->arena, domain.p, domain.len);
		o->values = arena_alloc(&s->arena, group->size);
		memcpy(o->values, (const char *)&s->values + group->offset, group->size);
		HASH_ADD_KEYPTR(hh, *table, o->domain, domain.len, o);
	}
	return o->values;
}

/* A domain with a relay_host of its own does not get the common login. */
static const struct {
	const char *group, *host;
	const char *login[2];
} settings_logins[] = {
	{"smtp-out", "relay_host", {"relay_user", "relay_password"}},
};

static void
override_drop_login(struct settings *s, const struct settings_input *in)
{
	for (size_t i = 0; i < sizeof(settings_logins) / sizeof(settings_logins[0]); i++) {
		struct str group = str_c(settings_logins[i].group);
		if (in->row != settings_row_find(group, str_c(settings_logins[i].host)))
			continue;
		for (size_t k = 0; k < 2; k++)
			set_value(s, settings_row_find(group, str_c(settings_logins[i].login[k])),
				  override_get(s, group_of(in->row), in->domain), STR_NONE);
	}
}

const struct settings *
settings_build(const struct settings_input *inputs, size_t count)
{
	struct settings *s = mem_new(struct settings);
	atomic_init(&s->references, 1);
	arena_init(&s->arena);
	set_defaults(s);
	for (size_t i = 0; i < count; i++)
		if (inputs[i].domain.len == 0)
			set_value(s, inputs[i].row, (char *)&s->values + group_of(inputs[i].row)->offset,
				  inputs[i].text);
	/* Only now, because an override starts as a copy of the group. */
	for (size_t i = 0; i < count; i++)
		if (inputs[i].domain.len > 0)
			override_drop_login(s, &inputs[i]);
	for (size_t i = 0; i < count; i++)
		if (inputs[i].domain.len > 0)
			set_value(s, inputs[i].row, override_get(s, group_of(inputs[i].row), inputs[i].domain),
				  inputs[i].text);
	s->version = compute_version(s);
	return s;
}

static const struct settings *defaults;

static void
build_defaults(void)
{
	defaults = settings_build(NULL, 0);
}

const struct settings *
settings_defaults(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, build_defaults);
	return defaults;
}

/* ---- Use ---- */
uint64_t
settings_version(const struct settings *s)
{
	return s->version;
}

/* The count is the only thing in a snapshot that changes. */
static atomic_uint *
references_of(const struct settings *s)
{
	return (atomic_uint *)(uintptr_t)&s->references;
}

const struct settings *
settings_ref(const struct settings *s)
{
	atomic_fetch_add(references_of(s), 1);
	return s;
}

void
settings_unref(const struct settings **s)
{
	struct settings *snapshot = (struct settings *)(uintptr_t)*s;
	*s = NULL;
	if (snapshot == NULL)
		return;
	unsigned before = atomic_fetch_sub(&snapshot->references, 1);
	CHECK(before > 0);
	if (before > 1)
		return;
	for (unsigned g = 0; g < GROUP_COUNT; g++)
		HASH_CLEAR(hh, snapshot->overrides[g]);
	arena_fini(&snapshot->arena);
	mem_free(snapshot);
}

static const void *
find_values(const struct settings *s, unsigned group, struct str domain)
{
	const void *values = (const char *)&s->values + settings_groups[group].offset;
	if (s->overrides[group] == NULL || domain.len == 0 || domain.len > SETTINGS_DOMAIN_MAX)
		return values;
	char key[SETTINGS_DOMAIN_MAX];
	memcpy(key, domain.p, domain.len);
	str_lower(key, domain.len);
	const struct override *o;
	HASH_FIND(hh, s->overrides[group], key, domain.len, o);
	return o != NULL ? o->values : values;
}

#define ACCESSOR(group, name, help) \
	const struct settings_##group *settings_##group(const struct settings *s, struct str domain) \
	{ \
		return find_values(s, GROUP_##group, domain); \
	}
SETTINGS_GROUPS(ACCESSOR)

const char *
settings_authserv_id(const struct settings *s, const char *hostname)
{
	const char *name = settings_mail_auth(s, STR_NONE)->authserv_id;

	return name[0] != '\0' ? name : hostname;
}

void
settings_value_text(const struct settings *s, const struct settings_row *row, struct str domain, struct buf *out)
{
	unsigned group = (unsigned)(group_of(row) - settings_groups);
	settings_format(row, (const char *)find_values(s, group, domain) + settings_row_offset(row), out);
}
