/* The content of the hashes settings:*. The invariant: settings_check_value()
 * allows every text that is kept, so a snapshot can always be built. */
#include "lib/settings/hashes.h"

#include <stdio.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"

/* Names and findings contain whatever an operator typed. */
enum { NAME_SHOWN_MAX = 300, FINDINGS_MAX = 200 };

static void
copy_printable(struct str s, char *out, size_t size)
{
	size_t len = s.len < size ? s.len : size - 1;
	for (size_t i = 0; i < len; i++)
		out[i] = s.p[i] > 0x20 && s.p[i] < 0x7f ? s.p[i] : '?';
	out[len] = '\0';
}

/* ---- The table ---- */
struct settings_hash *
settings_hash_find(struct settings_hash *table, struct str name)
{
	struct settings_hash *h;
	HASH_FIND(hh, table, name.p, name.len, h);
	return h;
}

struct settings_hash *
settings_hash_get(struct settings_hash **table, struct str name)
{
	struct settings_hash *h = settings_hash_find(*table, name);
	if (h != NULL)
		return h;
	struct str group, domain;
	h = mem_new(struct settings_hash);
	h->name = str_dup(name);
	h->is_empty = true;
	if (str_cut(name, ':', &group, &domain)) {
		h->domain = str_dup(domain);
		str_lower(h->domain, domain.len);
	}
	h->group = settings_group_find(group);
	if (h->group != NULL) {
		h->rows = settings_group_rows(h->group, &h->row_count);
		h->texts = mem_zalloc(h->row_count * sizeof(*h->texts));
	}
	HASH_ADD_KEYPTR(hh, *table, h->name, name.len, h);
	return h;
}

static void
remove_finding(struct settings_hash *h, struct settings_finding *finding)
{
	HASH_DEL(h->findings, finding);
	mem_free(finding->name);
	mem_free(finding->text);
	mem_free(finding);
}

void
settings_hash_remove(struct settings_hash **table, struct settings_hash *h)
{
	struct settings_finding *finding, *next;
	HASH_DEL(*table, h);
	HASH_ITER (hh, h->findings, finding, next)
		remove_finding(h, finding);
	for (unsigned i = 0; i < h->row_count; i++)
		mem_free(h->texts[i]);
	mem_free(h->texts);
	mem_free(h->domain);
	mem_free(h->name);
	mem_free(h);
}

/* ---- Findings ---- */
struct reading {
	struct settings_hash *h;
	settings_on_report *on_report;
	void *arg;
};

/* field empty: concerns the hash as a whole. */
static void
find_fault(struct reading *r, struct str field, struct str value, const char *text)
{
	char hash[NAME_SHOWN_MAX], shown_field[80], name[NAME_SHOWN_MAX + 90];
	copy_printable(str_c(r->h->name), hash, sizeof(hash));
	copy_printable(field, shown_field, sizeof(shown_field));
	snprintf(name, sizeof(name), "%s%s%s", hash, field.len > 0 ? "." : "", shown_field);

	struct settings_finding *finding;
	HASH_FIND_STR(r->h->findings, name, finding);
	if (finding == NULL) {
		if (HASH_COUNT(r->h->findings) >= FINDINGS_MAX)
			return;
		finding = mem_new(struct settings_finding);
		finding->name = mem_strdup(name);
		HASH_ADD_KEYPTR(hh, r->h->findings, finding->name, strlen(finding->name), finding);
	}
	finding->seen = true;
	if (finding->text != NULL && strcmp(finding->text, text) == 0)
		return;
	mem_free(finding->text);
	finding->text = mem_strdup(text);
	char key[NAME_SHOWN_MAX + 10];
	redis_key_print(key, sizeof(key), KEY_SETTINGS, str_c(hash));
	log_error(NULL, "invalid setting ignored", F_C("key", key), F_C("field", shown_field),
		  F_STR("value", str_first(value, 200)), F_C("reason", text));
	r->on_report(r->arg, name, text);
}

static void
end_reading(struct reading *r)
{
	struct settings_finding *finding, *next;
	HASH_ITER (hh, r->h->findings, finding, next) {
		bool seen = finding->seen;
		finding->seen = false;
		if (seen)
			continue;
		log_info(NULL, "setting corrected", F_C("setting", finding->name));
		r->on_report(r->arg, finding->name, NULL);
		remove_finding(r->h, finding);
	}
}

static void
find_unknown_group(struct reading *r)
{
	struct str group, domain;
	str_cut(str_c(r->h->name), ':', &group, &domain);
	const char *nearest = settings_nearest_group(group);
	char text[ERR_TEXT_MAX];
	if (nearest != NULL)
		snprintf(text, sizeof(text), "no such group of settings; did you mean settings:%s?", nearest);
	else
		snprintf(text, sizeof(text), "no such group of settings");
	find_fault(r, STR_NONE, STR_NONE, text);
}

static void
find_unknown_field(struct reading *r, struct str field, struct str value)
{
	const char *nearest = settings_nearest(str_c(r->h->group->name), field);
	char text[ERR_TEXT_MAX];
	if (nearest != NULL)
		snprintf(text, sizeof(text), "no such field; did you mean %s?", nearest);
	else
		snprintf(text, sizeof(text), "no such field");
	find_fault(r, field, value, text);
}

/* ---- Reading ---- */
static bool
is_domain_bad(const struct settings_hash *h)
{
	if (h->domain == NULL)
		return false;
	size_t len = strlen(h->domain);
	return len == 0 || len > SETTINGS_DOMAIN_MAX || strpbrk(h->domain, " :\t\r\n") != NULL;
}

static bool
hashes_set_text(struct settings_hash *h, unsigned row, struct str text)
{
	if (h->texts[row] != NULL && str_eq(str_c(h->texts[row]), text))
		return false;
	mem_free(h->texts[row]);
	h->texts[row] = str_dup(text);
	return true;
}

static bool
clear_text(struct settings_hash *h, unsigned row)
{
	if (h->texts[row] == NULL)
		return false;
	mem_free(h->texts[row]);
	h->texts[row] = NULL;
	return true;
}

/* Returns whether a text in force changed; marks the row as present. */
static bool
apply_field(struct reading *r, struct str field, struct str value, bool *is_present)
{
	struct settings_hash *h = r->h;
	const struct settings_row *row = settings_row_find(str_c(h->group->name), field);
	if (row == NULL) {
		find_unknown_field(r, field, value);
		return false;
	}
	if (h->domain != NULL && row->scope != SCOPE_DOMAIN) {
		char text[ERR_TEXT_MAX];
		snprintf(text, sizeof(text), "applies to all domains and can only be set in settings:%s",
			 h->group->name);
		find_fault(r, field, value, text);
		return false;
	}
	is_present[row - h->rows] = true;
	struct err err;
	if (settings_check_value(row, value, &err) != 0) {
		find_fault(r, field, value, err.text);
		return false;
	}
	return hashes_set_text(h, (unsigned)(row - h->rows), value);
}

bool
settings_hash_apply(struct settings_hash *h, const redisReply *pairs, settings_on_report *on_report, void *arg)
{
	struct reading r = {h, on_report, arg};
	size_t count = pairs->type == REDIS_REPLY_ARRAY ? pairs->elements : 0;
	bool changed = false;

	h->is_empty = count == 0;
	if (h->is_empty)
		; /* a key that is gone is not an error */
	else if (h->group == NULL)
		find_unknown_group(&r);
	else if (is_domain_bad(h))
		find_fault(&r, STR_NONE, STR_NONE, "what follows the group is not a domain name");
	if (h->group != NULL) {
		bool *is_present = mem_zalloc(h->row_count);
		for (size_t i = 0; i + 1 < count && !is_domain_bad(h); i += 2)
			changed |= apply_field(&r, redis_str(pairs->element[i]), redis_str(pairs->element[i + 1]),
					       is_present);
		for (unsigned row = 0; row < h->row_count; row++)
			if (!is_present[row])
				changed |= clear_text(h, row);
		mem_free(is_present);
	}
	end_reading(&r);
	return changed;
}

void
settings_hash_apply_wrong_type(struct settings_hash *h, settings_on_report *on_report, void *arg)
{
	struct reading r = {h, on_report, arg};
	h->is_empty = false;
	if (h->group == NULL)
		find_unknown_group(&r);
	else
		find_fault(&r, STR_NONE, STR_NONE, "the key is not a hash; delete it and use HSET");
	end_reading(&r);
}

/* ---- Building ---- */
static int
hashes_compare_names(const struct settings_hash *a, const struct settings_hash *b)
{
	return strcmp(a->name, b->name);
}

const struct settings *
settings_hashes_build(struct settings_hash **table)
{
	struct buf inputs = BUF_EMPTY;
	struct settings_hash *h;
	/* Two hashes may name one domain in different case: in a fixed order, so
	 * that all processes agree. */
	HASH_SORT(*table, hashes_compare_names);
	for (h = *table; h != NULL; h = h->hh.next)
		for (unsigned row = 0; row < h->row_count; row++) {
			if (h->texts[row] == NULL)
				continue;
			struct settings_input input = {&h->rows[row], str_c(h->domain), str_c(h->texts[row])};
			buf_add(&inputs, &input, sizeof(input));
		}
	const struct settings *s = settings_build((const struct settings_input *)(void *)inputs.data,
						  inputs.len / sizeof(struct settings_input));
	buf_fini(&inputs);
	return s;
}
