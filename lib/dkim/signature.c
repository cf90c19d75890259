#include "lib/dkim/signature.h"

#include "lib/base/base64.h"
#include "lib/base/check.h"

#define CLOCK_SLACK_S 300 /* a signature may come from a clock that is ahead */

static const char *const results[DKIM_RESULTS] = {"none",    "pass",	  "fail",     "policy",
						  "neutral", "temperror", "permerror"};

const char *
dkim_result_name(enum dkim_result result)
{
	CHECK((unsigned)result < DKIM_RESULTS);
	return results[result];
}

/* ---- Tags ---- */
static bool
signature_read_canon(struct str value, struct dkim_signature *out)
{
	struct str header, body;
	bool has_body = str_cut(value, '/', &header, &body);

	out->header_canon = str_eq_ci(header, STR("relaxed")) ? DKIM_RELAXED : DKIM_SIMPLE;
	out->body_canon = has_body && str_eq_ci(body, STR("relaxed")) ? DKIM_RELAXED : DKIM_SIMPLE;
	return (out->header_canon == DKIM_RELAXED || str_eq_ci(header, STR("simple"))) &&
	       (!has_body || out->body_canon == DKIM_RELAXED || str_eq_ci(body, STR("simple")));
}

bool
dkim_signature_is_domain(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
		      c == '_' || (c == '.' && i > 0 && i + 1 < s.len && s.p[i - 1] != '.')))
			return false;
	}
	return s.len > 0 && s.len <= 253;
}

static bool
signature_is_within(struct str name, struct str domain)
{
	return str_eq_ci(name, domain) ||
	       (name.len > domain.len && str_ends_ci(name, domain) && name.p[name.len - domain.len - 1] == '.');
}

static const char *
signature_read_identity(const struct dkim_tags *tags, enum dkim_signature_kind kind, struct dkim_signature *out)
{
	const struct dkim_tag *tag = dkim_tags_find(tags, STR("i"));
	ptrdiff_t at;

	out->identity_domain = out->domain;
	if (kind == DKIM_ARC_MESSAGE_SIGNATURE || tag == NULL)
		return NULL;
	at = str_rindex(tag->value, '@');
	if (at < 0 || !signature_is_within(str_from(tag->value, (size_t)at + 1), out->domain))
		return "i= is not within d=";
	out->identity_domain = str_from(tag->value, (size_t)at + 1);
	return NULL;
}

static const char *
signature_read_times(const struct dkim_tags *tags, int64_t now, struct dkim_signature *out)
{
	const struct dkim_tag *made = dkim_tags_find(tags, STR("t")), *expires = dkim_tags_find(tags, STR("x"));
	uint64_t made_s = 0, expires_s = 0;

	/* A number that is too large for us lies in a distant future (RFC 6376, 3.5). */
	if (made != NULL && !str_to_u64(made->value, &made_s))
		return "a bad t=";
	if (expires != NULL && !str_to_u64(expires->value, &expires_s))
		return "a bad x=";
	if (expires != NULL && made != NULL && expires_s <= made_s)
		return "it expires before it was made";
	out->is_expired = expires != NULL && (int64_t)(expires_s & INT64_MAX) < now - CLOCK_SLACK_S;
	return NULL;
}

static const char *
signature_read_names(const struct dkim_tags *tags, enum dkim_signature_kind kind, struct dkim_signature *out)
{
	const struct dkim_tag *tag = dkim_tags_find(tags, STR("h"));
	struct str rest, name;
	unsigned count = 0;

	if (tag == NULL)
		return "h= is missing";
	out->names = tag->value;
	for (rest = out->names; dkim_tag_item(&rest, &name); count++)
		if (name.len == 0 && kind == DKIM_SIGNATURE_FIELD)
			return "a bad h=";
	if (count > DKIM_SIGNED_NAMES_MAX)
		return "too many fields are signed";
	if (kind == DKIM_SIGNATURE_FIELD && !dkim_tag_has_item(out->names, STR("from")))
		return "From is not signed";
	if (kind == DKIM_ARC_MESSAGE_SIGNATURE && dkim_tag_has_item(out->names, STR("arc-seal")))
		return "ARC-Seal is signed";
	return NULL;
}

static const char *
signature_read_algorithm(const struct dkim_tags *tags, struct dkim_signature *out, enum dkim_result *result_out)
{
	struct str value = dkim_tags_value(tags, "a", "");

	if (str_eq_ci(value, STR("rsa-sha256"))) {
		out->algorithm = DKIM_RSA;
	} else if (str_eq_ci(value, STR("ed25519-sha256"))) {
		out->algorithm = DKIM_ED25519;
	} else if (str_eq_ci(value, STR("rsa-sha1"))) {
		*result_out = DKIM_RESULT_POLICY; /* RFC 8301, 3.1 */
		return "rsa-sha1 is too weak";
	} else {
		return "an unknown algorithm";
	}
	return NULL;
}

static const char *
signature_read_rest(const struct dkim_tags *tags, enum dkim_signature_kind kind, struct dkim_signature *out)
{
	/* RFC 8617 does not say what a missing c= means there; what validates seals takes it as this. */
	const char *form = kind == DKIM_SIGNATURE_FIELD ? "simple" : "relaxed/relaxed";
	const struct dkim_tag *length = dkim_tags_find(tags, STR("l"));
	struct str query = dkim_tags_value(tags, "q", "dns/txt");

	out->signature = dkim_tags_value(tags, "b", "");
	out->body_hash = dkim_tags_value(tags, "bh", "");
	out->length = DKIM_WHOLE_BODY;
	if (out->signature.len == 0 || out->body_hash.len == 0)
		return "b= or bh= is missing";
	if (length != NULL && !str_to_u64(length->value, &out->length))
		return "a bad l=";
	if (!dkim_tag_has_item(query, STR("dns/txt")))
		return "its key is not in DNS";
	if (!signature_read_canon(dkim_tags_value(tags, "c", form), out))
		return "an unknown canonical form";
	return NULL;
}

const char *
dkim_signature_parse(struct str field, enum dkim_signature_kind kind, int64_t now, struct dkim_signature *out,
		     enum dkim_result *result_out)
{
	struct dkim_tags tags;
	struct str name, value;
	const char *problem;

	*out = (struct dkim_signature){.field = field};
	*result_out = DKIM_RESULT_NEUTRAL;
	if (field.len > DKIM_SIGNATURE_FIELD_MAX)
		return "it is too long";
	str_cut(field, ':', &name, &value);
	if (!dkim_tags_parse(value, &tags))
		return "its tags are malformed";
	out->domain = dkim_tags_value(&tags, "d", "");
	out->selector = dkim_tags_value(&tags, "s", "");
	if (!dkim_signature_is_domain(out->domain) || !dkim_signature_is_domain(out->selector)) {
		out->domain = out->selector = STR_NONE;
		return "a bad d= or s=";
	}
	if (kind == DKIM_SIGNATURE_FIELD && !str_eq(dkim_tags_value(&tags, "v", ""), STR("1")))
		return "an unknown version";
	if (kind == DKIM_ARC_MESSAGE_SIGNATURE && dkim_tags_find(&tags, STR("v")) != NULL)
		return "it has v=";
	if ((problem = signature_read_algorithm(&tags, out, result_out)) != NULL ||
	    (problem = signature_read_rest(&tags, kind, out)) != NULL ||
	    (problem = signature_read_identity(&tags, kind, out)) != NULL ||
	    (problem = signature_read_names(&tags, kind, out)) != NULL)
		return problem;
	return signature_read_times(&tags, now, out);
}

/* ---- What is signed ---- */
static bool
signature_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void
dkim_signature_canon(enum dkim_canon canon, struct str field, struct str signature, struct buf *out)
{
	struct buf without = BUF_EMPTY;
	size_t from = (size_t)(signature.p - field.p), to = from + signature.len;

	CHECK(signature.p >= field.p && to <= field.len);
	while (from > 0 && signature_is_space(field.p[from - 1]))
		from--;
	while (to < field.len && signature_is_space(field.p[to]))
		to++;
	buf_add_str(&without, str_first(field, from));
	buf_add_str(&without, str_from(field, to));
	dkim_canon_field_as(canon, buf_str(&without), out);
	out->len -= 2;
	buf_fini(&without);
}

void
dkim_signature_digest(const struct dkim_signature *s, const struct dkim_fields *fields,
		      unsigned char digest_out[DKIM_DIGEST_BYTES])
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	bool used[DKIM_FIELDS_MAX] = {false};
	struct buf out = BUF_EMPTY;
	struct str rest = s->names, name;

	CHECK(digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1);
	/* Its own field comes last, and is not one of those in h=. */
	for (unsigned i = 0; i < fields->count; i++)
		used[i] = fields->items[i].text.p == s->field.p;
	while (dkim_tag_item(&rest, &name)) {
		uint32_t hash = dkim_field_hash(name);
		int i = dkim_field_find_last(fields, fields->count, name, hash);

		/* A name that is there again means the next field above; none left: nothing. */
		while (i >= 0 && used[i])
			i = dkim_field_find_last(fields, (unsigned)i, name, hash);
		if (i < 0)
			continue;
		used[i] = true;
		buf_clear(&out);
		dkim_canon_field_as(s->header_canon, fields->items[i].text, &out);
		EVP_DigestUpdate(digest, out.data, out.len);
	}
	buf_clear(&out);
	dkim_signature_canon(s->header_canon, s->field, s->signature, &out);
	EVP_DigestUpdate(digest, out.data, out.len);
	CHECK(EVP_DigestFinal_ex(digest, digest_out, NULL) == 1);
	EVP_MD_CTX_free(digest);
	buf_fini(&out);
}

bool
dkim_signature_has_hash(struct str base64, const unsigned char hash[DKIM_DIGEST_BYTES])
{
	struct buf text = BUF_EMPTY, bytes = BUF_EMPTY;
	bool same;

	dkim_tag_squeeze(base64, &text);
	same = base64_decode(buf_str(&text), &bytes) && bytes.len == DKIM_DIGEST_BYTES &&
	       memcmp(bytes.data, hash, DKIM_DIGEST_BYTES) == 0;
	buf_fini(&text);
	buf_fini(&bytes);
	return same;
}
