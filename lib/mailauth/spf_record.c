#include "lib/mailauth/spf_record.h"

#include <arpa/inet.h>

#include "lib/mailauth/spf_macro.h"

enum domain_use { DOMAIN_NONE, DOMAIN_OPTIONAL, DOMAIN_NEEDED };

struct mechanism {
	struct str name;
	enum domain_use domain;
	bool has_prefixes; /* "/24//64" may follow the domain */
};

static const struct mechanism mechanisms[SPF_KINDS] = {
	[SPF_ALL] = {STR("all"), DOMAIN_NONE, false},	  [SPF_INCLUDE] = {STR("include"), DOMAIN_NEEDED, false},
	[SPF_A] = {STR("a"), DOMAIN_OPTIONAL, true},	  [SPF_MX] = {STR("mx"), DOMAIN_OPTIONAL, true},
	[SPF_PTR] = {STR("ptr"), DOMAIN_OPTIONAL, false}, [SPF_IP4] = {STR("ip4"), DOMAIN_NONE, false},
	[SPF_IP6] = {STR("ip6"), DOMAIN_NONE, false},	  [SPF_EXISTS] = {STR("exists"), DOMAIN_NEEDED, false},
};

bool
spf_record_is(struct str text)
{
	static const struct str version = STR("v=spf1");

	return str_starts_ci(text, version) && (text.len == version.len || text.p[version.len] == ' ');
}

static int
record_bad(struct err *err, struct str term, const char *why)
{
	if (!str_is_printable_ascii(term))
		term = STR("(not ASCII)");
	return err_set(err, ERR_INVALID, "%s in the SPF record: %.*s", why, STR_ARG(str_first(term, 100)));
}

/* ALPHA *( ALPHA / DIGIT / "-" / "_" / "." ) */
static size_t
record_name_length(struct str s)
{
	size_t len = 0;

	while (len < s.len) {
		char c = s.p[len];
		bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!alpha && (len == 0 || !((c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.')))
			break;
		len++;
	}
	return len;
}

static bool
record_read_bits(struct str digits, unsigned most, uint8_t *out)
{
	uint64_t bits;

	if (digits.len > 3 || (digits.len > 1 && digits.p[0] == '0') || !str_to_u64(digits, &bits) || bits > most)
		return false;
	*out = (uint8_t)bits;
	return true;
}

/* Takes "<slash>digits" off the end of *s if it is there. False: the number is too large. */
static bool
record_take_bits(struct str *s, struct str slash, unsigned most, uint8_t *out)
{
	size_t digits = 0, from;

	while (digits < s->len && s->p[s->len - 1 - digits] >= '0' && s->p[s->len - 1 - digits] <= '9')
		digits++;
	from = s->len - digits;
	if (digits == 0 || from < slash.len || !str_eq(str_of(s->p + from - slash.len, slash.len), slash))
		return true;
	if (!record_read_bits(str_from(*s, from), most, out))
		return false;
	s->len = from - slash.len;
	return true;
}

/* The part behind the name: ":domain", "/24//64" or both. */
static int
record_read_target(const struct mechanism *m, struct str rest, struct spf_term *term, struct err *err)
{
	if (m->has_prefixes && (!record_take_bits(&rest, STR("//"), 128, &term->prefix6) ||
				!record_take_bits(&rest, STR("/"), 32, &term->prefix4)))
		return record_bad(err, term->text, "a bad prefix length");
	if (rest.len == 0)
		return m->domain == DOMAIN_NEEDED ? record_bad(err, term->text, "a missing domain") : 0;
	if (rest.p[0] != ':' || m->domain == DOMAIN_NONE || !spf_macro_is_domain(str_from(rest, 1)))
		return record_bad(err, term->text, "a bad domain");
	term->domain = str_from(rest, 1);
	return 0;
}

/* ":192.0.2.0/24". An IPv6 address that is mapped from IPv4 stays what it is: it never matches a client. */
static int
record_read_address(struct str rest, struct spf_term *term, struct err *err)
{
	bool is_4 = term->kind == SPF_IP4;
	struct str address, bits;
	char text[IP_TEXT_MAX];
	bool has_bits = str_cut(str_from(rest, 1), '/', &address, &bits);

	if (rest.len == 0 || rest.p[0] != ':' || address.len == 0 || !str_copy(address, text, sizeof(text)) ||
	    inet_pton(is_4 ? AF_INET : AF_INET6, text, term->address_bytes) != 1)
		return record_bad(err, term->text, "a bad address");
	if (has_bits && !record_read_bits(bits, is_4 ? 32 : 128, is_4 ? &term->prefix4 : &term->prefix6))
		return record_bad(err, term->text, "a bad prefix length");
	return 0;
}

static int
record_read_mechanism(struct str text, struct spf_term *term, struct err *err)
{
	static const enum spf_result results[] = {SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_NEUTRAL};
	static const struct str qualifiers = STR("+-~?");
	ptrdiff_t qualifier = str_index(qualifiers, text.p[0]);
	struct str rest = str_from(text, qualifier >= 0), name;

	*term = (struct spf_term){.text = text, .prefix4 = 32, .prefix6 = 128};
	term->result = qualifier >= 0 ? results[qualifier] : SPF_PASS;
	name = str_first(rest, record_name_length(rest));
	rest = str_from(rest, name.len);
	for (unsigned i = 0; i < SPF_KINDS; i++) {
		if (!str_eq_ci(name, mechanisms[i].name))
			continue;
		term->kind = (enum spf_kind)i;
		if (i == SPF_IP4 || i == SPF_IP6)
			return record_read_address(rest, term, err);
		return record_read_target(&mechanisms[i], rest, term, err);
	}
	return record_bad(err, text, "an unknown mechanism");
}

static int
record_read_modifier(struct str text, struct str name, struct str value, struct spf_record *record, struct err *err)
{
	struct str *known = NULL;

	if (str_eq_ci(name, STR("redirect")))
		known = &record->redirect;
	else if (str_eq_ci(name, STR("exp")))
		known = &record->explanation;
	if (known == NULL)
		return spf_macro_is_valid(value, SPF_MACRO_IN_RECORD) ? 0 : record_bad(err, text, "a bad modifier");
	if (known->len > 0)
		return record_bad(err, text, "a repeated modifier");
	if (!spf_macro_is_domain(value))
		return record_bad(err, text, "a bad domain");
	*known = value;
	return 0;
}

int
spf_record_parse(struct str text, struct arena *arena, struct spf_record *record_out, struct err *err)
{
	struct str rest = text, word;
	struct spf_term *terms;

	*record_out = (struct spf_record){0};
	if (text.len > SPF_RECORD_MAX)
		return err_set(err, ERR_INVALID, "the SPF record is longer than %d bytes", SPF_RECORD_MAX);
	if (!spf_record_is(text))
		return err_set(err, ERR_INVALID, "not an SPF record");
	terms = arena_array(arena, struct spf_term, text.len / 2 + 1);
	record_out->terms = terms;
	str_next_word(&rest, " ", &word);
	while (str_next_word(&rest, " ", &word)) {
		size_t name = record_name_length(word);

		if (name > 0 && name < word.len && word.p[name] == '=') {
			if (record_read_modifier(word, str_first(word, name), str_from(word, name + 1), record_out,
						 err) != 0)
				return -1;
		} else if (record_read_mechanism(word, &terms[record_out->count++], err) != 0) {
			return -1;
		}
	}
	return 0;
}
