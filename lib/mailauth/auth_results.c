#include "lib/mailauth/auth_results.h"

#include "lib/mime/header.h"

#define SIGNATURE_SHOWN 8 /* characters of b=, to tell signatures apart (RFC 6008, 4) */

/* ---- Values ---- */
/* RFC 2045, 5.1: a token, without "@", which is allowed in addresses. */
static bool
results_is_plain(char c)
{
	return c > ' ' && c < 0x7f && strchr("()<>,;:\\\"/[]?=", c) == NULL;
}

static void
results_add_quoted(struct buf *out, struct str value)
{
	buf_add_byte(out, '"');
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (c == '"' || c == '\\')
			buf_add_byte(out, '\\');
		buf_add_byte(out, (unsigned char)c < ' ' || c == 0x7f ? ' ' : c);
	}
	buf_add_byte(out, '"');
}

static void
results_add_value(struct buf *out, struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (!results_is_plain(value.p[i])) {
			results_add_quoted(out, value);
			return;
		}
	}
	if (value.len > 0)
		buf_add_str(out, value);
	else
		buf_add_c(out, "\"\"");
}

/* " header.d=example.org" */
static void
results_add_property(struct auth_results *r, const char *name, struct str value)
{
	buf_printf(r->out, " %s=", name);
	results_add_value(r->out, value);
}

static void
results_add_method(struct auth_results *r, const char *method, const char *result, const char *reason)
{
	buf_printf(r->out, ";\r\n\t%s=%s", method, result);
	if (reason != NULL) {
		buf_add_c(r->out, " reason=");
		results_add_quoted(r->out, str_c(reason));
	}
	r->has_any = true;
}

/* ---- The results ---- */
void
auth_results_begin(struct auth_results *r, struct str authserv_id, struct buf *out)
{
	r->out = out;
	r->has_any = false;
	results_add_value(out, authserv_id);
}

void
auth_results_add_spf(struct auth_results *r, const struct spf_answer *answer, bool is_helo, struct str identity)
{
	results_add_method(r, "spf", spf_result_name(answer->result), answer->problem);
	results_add_property(r, is_helo ? "smtp.helo" : "smtp.mailfrom", identity);
}

void
auth_results_add_dkim(struct auth_results *r, const struct dkim_verdict *verdicts, unsigned count)
{
	if (count == 0)
		results_add_method(r, "dkim", "none", NULL);
	for (unsigned i = 0; i < count; i++) {
		const struct dkim_verdict *v = &verdicts[i];
		char shown[SIGNATURE_SHOWN];
		size_t used = 0;

		results_add_method(r, "dkim", dkim_result_name(v->result), v->reason);
		if (v->domain.len == 0)
			continue;
		results_add_property(r, "header.d", v->domain);
		results_add_property(r, "header.s", v->selector);
		for (size_t c = 0; c < v->signature.len && used < sizeof(shown); c++)
			if (strchr(" \t\r\n", v->signature.p[c]) == NULL)
				shown[used++] = v->signature.p[c];
		if (used > 0)
			results_add_property(r, "header.b", str_of(shown, used));
	}
}

void
auth_results_add_dmarc(struct auth_results *r, const struct dmarc_answer *answer)
{
	results_add_method(r, "dmarc", dmarc_result_name(answer->result), answer->problem);
	if (answer->policy_domain.len > 0)
		buf_printf(r->out, " (p=%s)", dmarc_policy_name(answer->policy));
	if (answer->from.len > 0)
		results_add_property(r, "header.from", answer->from);
}

void
auth_results_add_arc(struct auth_results *r, const struct arc_verdict *verdict, bool is_trusted)
{
	results_add_method(r, "arc", arc_result_name(verdict->result), verdict->reason);
	if (verdict->result == ARC_PASS)
		buf_printf(r->out, " (i=%u d=%.*s%s)", verdict->count,
			   STR_ARG(verdict->sets[verdict->count - 1].seal.domain), is_trusted ? ", trusted" : "");
}

void
auth_results_end(struct auth_results *r)
{
	if (!r->has_any)
		buf_add_c(r->out, "; none");
}

/* ---- Those of others ---- */
/* A token, which may be quoted, compared byte by byte; moves past it. */
static bool
results_take_id(struct str *rest, struct str id)
{
	bool is_quoted = rest->len > 0 && rest->p[0] == '"';
	size_t at = is_quoted, matched = 0;

	for (; at < rest->len && matched < id.len; matched++, at++) {
		if (is_quoted && rest->p[at] == '\\' && at + 1 < rest->len)
			at++;
		if (!str_eq_ci(str_of(rest->p + at, 1), str_of(id.p + matched, 1)))
			return false;
	}
	if (matched < id.len || (is_quoted && (at == rest->len || rest->p[at] != '"')))
		return false;
	*rest = str_from(*rest, at + is_quoted);
	return true;
}

bool
auth_results_is_of(struct str value, struct str authserv_id)
{
	mime_skip_cfws(&value);
	if (!results_take_id(&value, authserv_id))
		return false;
	/* A version, a comment or the results may follow; another letter makes it another name. */
	return value.len == 0 || !results_is_plain(value.p[0]);
}
