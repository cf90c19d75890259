/* Is what DNS answers what it should be? Generous where there are several right
 * ways: a backup server beside ours, an SPF record of the operator's own making. */
#include "lib/admin/dns_private.h"
#include "lib/base/buf.h"
#include "lib/tlspolicy/sts_policy.h"

struct dns_query *
dns_record_ask(struct dns *dns, struct dns_record *r, dns_on_answer *cb, void *arg)
{
	switch (r->kind) {
	case DNS_KIND_ADDRESS:
	case DNS_KIND_ALIAS: return dns_query_ips(dns, r->name, true, true, cb, arg);
	case DNS_KIND_MX: return dns_query_mx(dns, r->name, cb, arg);
	case DNS_KIND_SERVICE: return dns_query_srv(dns, r->name, cb, arg);
	default: return dns_query_txt(dns, r->name, cb, arg);
	}
}

static struct arena *
judge_arena(struct dns_record *r)
{
	return &r->call->op.arena;
}

static void
judge_add_found(struct dns_record *r, const char *text)
{
	r->found[r->found_count++] = str_c(text);
}

static void
judge_set_room(struct dns_record *r, unsigned count)
{
	r->found = arena_array(judge_arena(r), struct str, count + 1);
}

static void
judge_say(struct dns_record *r, enum dns_state state, const char *problem)
{
	r->state = state;
	r->problem = problem;
}

/* ---- Addresses ---- */
static void
judge_take_ips(struct dns_record *r, const struct dns_answer *a)
{
	char text[IP_TEXT_MAX];

	judge_set_room(r, a->ip_count + 1);
	if (a->canonical.len != 0)
		judge_add_found(r, arena_printf(judge_arena(r), "%.*s.", STR_ARG(a->canonical)));
	r->ips = arena_array(judge_arena(r), struct ip, a->ip_count + 1);
	r->ip_count = a->ip_count;
	for (unsigned i = 0; i < a->ip_count; i++) {
		r->ips[i] = a->ips[i];
		ip_text(&a->ips[i], text);
		judge_add_found(r, arena_strdup(judge_arena(r), text));
	}
	r->state = r->found_count == 0 ? DNS_MISSING : DNS_RIGHT;
	if (r->kind == DNS_KIND_ADDRESS && a->ip_count == 0 && a->canonical.len != 0)
		judge_say(r, DNS_WRONG, "it is an alias of a name without an address");
}

static bool
judge_has_ip(const struct dns_record *r, const struct ip *ip)
{
	for (unsigned i = 0; i < r->ip_count; i++)
		if (ip_eq(&r->ips[i], ip))
			return true;
	return false;
}

void
dns_record_compare(struct dns_record *r)
{
	bool is_host = r->found_count != 0 && str_eq_ci(r->found[0], r->value);

	if (r->target == NULL || r->state != DNS_RIGHT || is_host)
		return;
	if (r->target->state == DNS_UNKNOWN && r->ip_count != 0) {
		judge_say(r, DNS_UNKNOWN, r->target->problem);
		return;
	}
	if (r->ip_count == 0)
		judge_say(r, DNS_WRONG, "it is an alias of another name");
	for (unsigned i = 0; i < r->ip_count; i++)
		if (!judge_has_ip(r->target, &r->ips[i]))
			judge_say(r, DNS_WRONG, "it has another address than the server");
}

/* ---- Hosts ---- */
static void
judge_take_mx(struct dns_record *r, const struct dns_answer *a)
{
	bool is_there = false;

	judge_set_room(r, a->mx_count);
	for (unsigned i = 0; i < a->mx_count; i++) {
		is_there |= str_eq_ci(a->mx[i].host, r->host);
		judge_add_found(r,
				arena_printf(judge_arena(r), "%u %.*s.", a->mx[i].preference, STR_ARG(a->mx[i].host)));
	}
	if (is_there)
		r->state = DNS_RIGHT;
	else if (a->mx_count == 0)
		r->state = DNS_MISSING;
	else
		judge_say(r, DNS_WRONG, "mail goes to other servers");
}

static void
judge_take_srv(struct dns_record *r, const struct dns_answer *a)
{
	bool is_there = false;

	judge_set_room(r, a->srv_count);
	for (unsigned i = 0; i < a->srv_count; i++) {
		is_there |= str_eq_ci(a->srv[i].host, r->host) && a->srv[i].port == r->port;
		judge_add_found(r, arena_printf(judge_arena(r), "%u %u %u %.*s.", a->srv[i].priority, a->srv[i].weight,
						a->srv[i].port, STR_ARG(a->srv[i].host)));
	}
	if (is_there)
		r->state = DNS_RIGHT;
	else if (a->srv_count == 0)
		r->state = DNS_MISSING;
	else
		judge_say(r, DNS_WRONG, "clients are sent to another host or port");
}

/* ---- Texts ---- */
/* The value of a tag, as in "v=DKIM1; k=rsa; p=..."; empty: it is not there. */
static struct str
judge_tag(struct str text, struct str tag)
{
	struct str field, name, value;

	while (text.len != 0) {
		str_cut(text, ';', &field, &text);
		if (str_cut(field, '=', &name, &value) && str_eq(str_trim(name), tag))
			return str_trim(value);
	}
	return STR_NONE;
}

/* Zone files may have broken the text into lines. */
static bool
judge_same_but_blanks(struct str a, struct str b)
{
	size_t i = 0, j = 0;

	for (;;) {
		while (i < a.len && (a.p[i] == ' ' || a.p[i] == '\t'))
			i++;
		while (j < b.len && (b.p[j] == ' ' || b.p[j] == '\t'))
			j++;
		if (i == a.len || j == b.len)
			return i == a.len && j == b.len;
		if (a.p[i++] != b.p[j++])
			return false;
	}
}

static void
judge_dkim(struct dns_record *r, struct str text)
{
	struct str k = judge_tag(text, STR("k")), own = judge_tag(r->value, STR("k"));

	if (!judge_same_but_blanks(judge_tag(text, STR("p")), judge_tag(r->value, STR("p"))) ||
	    !str_eq(k.len != 0 ? k : STR("rsa"), own.len != 0 ? own : STR("rsa")))
		judge_say(r, DNS_WRONG, "it is another key");
}

/* "+mx" is "mx". */
static bool
judge_spf_has(struct str text, struct str mechanism)
{
	struct str word;

	while (str_next_word(&text, " ", &word))
		if (str_eq_ci(word.p[0] == '+' ? str_from(word, 1) : word, mechanism))
			return true;
	return false;
}

/* Others' records that it refers to are the operator's affair. */
static bool
judge_spf_refers(struct str text)
{
	struct str word;

	while (str_next_word(&text, " ", &word)) {
		struct str bare = word.p[0] == '+' ? str_from(word, 1) : word;

		if (str_starts_ci(bare, STR("include:")) || str_starts_ci(bare, STR("redirect=")) ||
		    str_starts_ci(bare, STR("exists:")))
			return true;
	}
	return false;
}

static void
judge_spf(struct dns_record *r, struct str text)
{
	struct str rest = r->value, word;

	if (judge_spf_refers(text))
		return;
	while (str_next_word(&rest, " ", &word))
		if (!str_eq(word, STR("~all")) && !judge_spf_has(text, word)) {
			judge_say(r, DNS_WRONG, arena_printf(judge_arena(r), "it does not have %.*s", STR_ARG(word)));
			return;
		}
}

static void
judge_sts(struct dns_record *r, struct str text)
{
	char id[STS_ID_MAX];

	if (!sts_record_parse(&text, 1, id))
		judge_say(r, DNS_WRONG, "it is not valid");
	else if (!str_eq(judge_tag(r->value, STR("id")), str_c(id)))
		judge_say(r, DNS_WRONG, "the policy has changed since its id was published");
}

static void
judge_dmarc(struct dns_record *r, struct str text)
{
	if (judge_tag(text, STR("p")).len == 0)
		judge_say(r, DNS_WRONG, "it has no policy p=");
}

static void
judge_tlsrpt(struct dns_record *r, struct str text)
{
	if (judge_tag(text, STR("rua")).len == 0)
		judge_say(r, DNS_WRONG, "it has no address rua=");
}

/* How to know the record among other texts of the name; NULL: all are meant. */
static const struct {
	const char *start;
	void (*judge)(struct dns_record *r, struct str text);
} text_kinds[] = {
	[DNS_KIND_SPF] = {"v=spf1", judge_spf},		  [DNS_KIND_DKIM] = {NULL, judge_dkim},
	[DNS_KIND_DMARC] = {"v=DMARC1", judge_dmarc},	  [DNS_KIND_STS] = {"v=STSv1", judge_sts},
	[DNS_KIND_TLSRPT] = {"v=TLSRPTv1", judge_tlsrpt},
};

static void
judge_take_texts(struct dns_record *r, const struct dns_answer *a)
{
	const char *start = text_kinds[r->kind].start;

	judge_set_room(r, a->text_count);
	for (unsigned i = 0; i < a->text_count; i++)
		if (start == NULL || str_starts_ci(a->texts[i], str_c(start)))
			r->found[r->found_count++] = arena_str(judge_arena(r), a->texts[i]);
	if (r->found_count == 0) {
		r->state = DNS_MISSING;
	} else if (r->found_count > 1) {
		judge_say(r, DNS_WRONG, "there are several, so none counts");
	} else {
		r->state = DNS_RIGHT;
		text_kinds[r->kind].judge(r, r->found[0]);
	}
}

void
dns_record_take(struct dns_record *r, const struct dns_answer *a)
{
	switch (r->kind) {
	case DNS_KIND_ADDRESS:
	case DNS_KIND_ALIAS: judge_take_ips(r, a); break;
	case DNS_KIND_MX: judge_take_mx(r, a); break;
	case DNS_KIND_SERVICE: judge_take_srv(r, a); break;
	default: judge_take_texts(r, a);
	}
}
