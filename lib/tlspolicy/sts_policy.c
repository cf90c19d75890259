#include "lib/tlspolicy/sts_policy.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/hex.h"

static const char *const mode_names[] = {
	[STS_MODE_NONE] = "none",
	[STS_MODE_TESTING] = "testing",
	[STS_MODE_ENFORCE] = "enforce",
};

const char *
sts_mode_name(enum sts_mode mode)
{
	return mode_names[mode];
}

/* ---- The record ---- */
static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool
take_id(struct str value, char out[STS_ID_MAX])
{
	if (value.len == 0 || value.len >= STS_ID_MAX)
		return false;
	for (size_t i = 0; i < value.len; i++)
		if (!is_alnum(value.p[i]))
			return false;
	return str_copy(value, out, STS_ID_MAX);
}

/* "v=STSv1; id=20160831085700Z;", other fields are allowed after the version. */
static bool
parse_record(struct str text, char id_out[STS_ID_MAX])
{
	struct str field, name, value;
	bool found = false;

	str_cut(text, ';', &field, &text);
	while (text.len != 0) {
		str_cut(text, ';', &field, &text);
		if (!str_cut(str_trim(field), '=', &name, &value) || !str_eq(str_trim(name), STR("id")))
			continue;
		if (found || !take_id(str_trim(value), id_out))
			return false;
		found = true;
	}
	return found;
}

static bool
sts_policy_is_record(struct str text)
{
	struct str version, rest;

	return str_cut(text, ';', &version, &rest) && str_eq(str_trim(version), STR("v=STSv1"));
}

bool
sts_record_parse(const struct str *texts, unsigned count, char id_out[STS_ID_MAX])
{
	const struct str *record = NULL;

	for (unsigned i = 0; i < count; i++) {
		if (!sts_policy_is_record(texts[i]))
			continue;
		if (record != NULL)
			return false;
		record = &texts[i];
	}
	return record != NULL && parse_record(*record, id_out);
}

/* ---- The policy ---- */
struct reading {
	struct arena *arena; /* borrowed */
	struct sts_policy *policy;
	struct str *mx, *lines;
	bool has_version, has_mode, has_max_age;
};

static int
read_mode(struct reading *r, struct str value, struct err *err)
{
	if (r->has_mode)
		return 0;
	for (unsigned i = 0; i < sizeof(mode_names) / sizeof(mode_names[0]); i++)
		if (str_eq(value, str_c(mode_names[i]))) {
			r->policy->mode = (enum sts_mode)i;
			r->has_mode = true;
			return 0;
		}
	return err_set(err, ERR_INVALID, "mode must be enforce, testing or none");
}

static int
read_max_age(struct reading *r, struct str value, struct err *err)
{
	uint64_t seconds;

	if (r->has_max_age)
		return 0;
	if (value.len > 10 || !str_to_u64(value, &seconds))
		return err_set(err, ERR_INVALID, "max_age is not a number");
	if (seconds > (uint64_t)STS_MAX_AGE_S)
		seconds = (uint64_t)STS_MAX_AGE_S;
	r->policy->max_age_ms = (int64_t)seconds * 1000;
	r->has_max_age = true;
	return 0;
}

static int
read_mx(struct reading *r, struct str value, struct err *err)
{
	struct str name = str_starts_ci(value, STR("*.")) ? str_from(value, 2) : value;
	char *lower;

	if (name.len == 0 || name.len > 253 || str_index(name, '*') >= 0 || !str_is_printable_ascii(name) ||
	    str_index(name, ' ') >= 0)
		return err_set(err, ERR_INVALID, "mx is not a host name");
	if (r->policy->mx_count == STS_MX_MAX)
		return 0;
	lower = arena_alloc(r->arena, value.len);
	memcpy(lower, value.p, value.len);
	str_lower(lower, value.len);
	r->mx[r->policy->mx_count++] = str_of(lower, value.len);
	return 0;
}

/* Unknown fields are ignored (3.2). */
static int
read_line(struct reading *r, struct str line, struct err *err)
{
	struct str name, value;

	if (str_trim(line).len == 0)
		return 0;
	if (!str_cut(line, ':', &name, &value))
		return err_set(err, ERR_INVALID, "a line without a colon");
	name = str_trim(name);
	value = str_trim(value);
	if (r->policy->line_count < STS_LINES_MAX)
		r->lines[r->policy->line_count++] = arena_str(r->arena, str_trim(line));
	if (str_eq(name, STR("version"))) {
		if (!r->has_version && !str_eq(value, STR("STSv1")))
			return err_set(err, ERR_INVALID, "version is not STSv1");
		r->has_version = true;
		return 0;
	}
	if (str_eq(name, STR("mode")))
		return read_mode(r, value, err);
	if (str_eq(name, STR("max_age")))
		return read_max_age(r, value, err);
	return str_eq(name, STR("mx")) ? read_mx(r, value, err) : 0;
}

int
sts_policy_parse(struct str text, struct arena *arena, struct sts_policy *policy, struct err *err)
{
	struct reading r = {.arena = arena, .policy = policy};
	struct str line;

	memset(policy, 0, sizeof(*policy));
	if (text.len > STS_POLICY_BYTES)
		return err_set(err, ERR_LIMIT, "larger than %d bytes", STS_POLICY_BYTES);
	policy->mx = r.mx = arena_array(arena, struct str, STS_MX_MAX);
	policy->lines = r.lines = arena_array(arena, struct str, STS_LINES_MAX);
	while (text.len != 0) {
		str_cut(text, '\n', &line, &text);
		if (line.len != 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (read_line(&r, line, err) != 0)
			return -1;
	}
	if (!r.has_version || !r.has_mode || !r.has_max_age)
		return err_set(err, ERR_INVALID, "%s is missing",
			       !r.has_version ? "version"
			       : !r.has_mode  ? "mode"
					      : "max_age");
	if (policy->mx_count == 0 && policy->mode != STS_MODE_NONE)
		return err_set(err, ERR_INVALID, "no mx");
	return 0;
}

/* The '*' in "*.example.com" matches one label: mail.example.com, but not example.com or a.b.example.com. */
static bool
sts_policy_fits(struct str pattern, struct str host)
{
	ptrdiff_t dot;

	if (!str_starts_ci(pattern, STR("*.")))
		return str_eq_ci(pattern, host);
	dot = str_index(host, '.');
	return dot > 0 && str_eq_ci(str_from(pattern, 1), str_from(host, (size_t)dot));
}

bool
sts_policy_allows(const struct sts_policy *policy, struct str host)
{
	for (unsigned i = 0; i < policy->mx_count; i++)
		if (sts_policy_fits(policy->mx[i], host))
			return true;
	return false;
}

/* ---- Our own policy ---- */

void
sts_policy_write(const struct sts_policy *policy, struct buf *out)
{
	buf_printf(out, "version: STSv1\r\nmode: %s\r\n", sts_mode_name(policy->mode));
	for (unsigned i = 0; i < policy->mx_count; i++)
		buf_printf(out, "mx: %.*s\r\n", STR_ARG(policy->mx[i]));
	buf_printf(out, "max_age: %lld\r\n", (long long)(policy->max_age_ms / 1000));
}

void
sts_policy_id(struct str text, char id_out[STS_ID_MAX])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)text.p, text.len, digest);
	hex_write(digest, (STS_ID_MAX - 1) / 2, id_out);
}
