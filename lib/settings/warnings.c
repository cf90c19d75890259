/* Values that are allowed but most likely not intended. */
#include "lib/base/check.h"
#include "lib/settings/private.h"

static bool
has_everyone(const struct ip_blocks *blocks)
{
	for (unsigned i = 0; i < blocks->count; i++)
		if (blocks->items[i].prefix == 0)
			return true;
	return false;
}

static bool
is_open_relay(const struct settings *s)
{
	return settings_smtp_in(s, STR_NONE)->allow_relay == ALLOW_RELAY_ANYONE;
}

static bool
is_everyone_whitelisted(const struct settings *s)
{
	return has_everyone(&settings_smtp_in(s, STR_NONE)->relay_whitelist);
}

static bool
is_smtp_auth_insecure(const struct settings *s)
{
	return settings_smtp_in(s, STR_NONE)->allow_insecure_auth;
}

static bool
is_pop_auth_insecure(const struct settings *s)
{
	return settings_pop(s, STR_NONE)->allow_insecure_auth;
}

static bool
is_imap_auth_insecure(const struct settings *s)
{
	return settings_imap(s, STR_NONE)->allow_insecure_auth;
}

static bool
is_smtp_proxy_everyone(const struct settings *s)
{
	return has_everyone(&settings_smtp_in(s, STR_NONE)->proxy_protocol_from);
}

static bool
is_retry_disorderly(const struct settings *s)
{
	const struct settings_spool *spool = settings_spool(s, STR_NONE);
	return spool->retry_first > spool->retry_longest;
}

static bool
is_acme_without_contact(const struct settings *s)
{
	const struct settings_acme *acme = settings_acme(s, STR_NONE);
	return acme->directory_url[0] != '\0' && acme->contact[0] == '\0';
}

#define CLEAR_PASSWORDS "passwords may cross the network in the clear"

static const struct {
	const char *name;
	bool (*applies)(const struct settings *s);
	const char *text;
} warnings[] = {
	{"smtp-in.allow_relay", is_open_relay, "anyone may send mail to anyone through this server: an open relay"},
	{"smtp-in.relay_whitelist", is_everyone_whitelisted, "the list contains every address: an open relay"},
	{"smtp-in.allow_insecure_auth", is_smtp_auth_insecure, CLEAR_PASSWORDS},
	{"pop.allow_insecure_auth", is_pop_auth_insecure, CLEAR_PASSWORDS},
	{"imap.allow_insecure_auth", is_imap_auth_insecure, CLEAR_PASSWORDS},
	{"smtp-in.proxy_protocol_from", is_smtp_proxy_everyone,
	 "the list contains every address: any client may claim to come from any other address"},
	{"spool.retry_first", is_retry_disorderly, "longer than retry_longest, which is then used from the start"},
	{"acme.contact", is_acme_without_contact, "without a contact no certificates are ordered"},
};

enum { WARNING_COUNT = sizeof(warnings) / sizeof(warnings[0]) };
_Static_assert(WARNING_COUNT <= 32, "one bit each");

unsigned
settings_warning_bits(const struct settings *s)
{
	unsigned bits = 0;
	for (unsigned i = 0; i < WARNING_COUNT; i++)
		if (warnings[i].applies(s))
			bits |= 1u << i;
	return bits;
}

const char *
settings_warning_name(unsigned bit)
{
	CHECK(bit < WARNING_COUNT);
	return warnings[bit].name;
}

const char *
settings_warning_text(unsigned bit)
{
	CHECK(bit < WARNING_COUNT);
	return warnings[bit].text;
}

void
settings_warnings(const struct settings *s, settings_on_finding *on_warning, void *arg)
{
	unsigned bits = settings_warning_bits(s);
	for (unsigned i = 0; i < WARNING_COUNT; i++)
		if (bits & 1u << i)
			on_warning(arg, warnings[i].name, warnings[i].text);
}
