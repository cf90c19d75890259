/* Which records a domain needs. Only what is served here and told to clients. */
#include <stdio.h>

#include "lib/admin/dns_private.h"
#include "lib/base/buf.h"
#include "lib/tlspolicy/sts_own.h"
#include "lib/tlspolicy/sts_policy.h"

enum { HTTPS_PORT = 443, LDAP_PORT = 389 };

static const struct {
	const char *kind, *type;
} kinds[] = {
	[DNS_KIND_ADDRESS] = {"address", "A"},	 [DNS_KIND_MX] = {"mx", "MX"},
	[DNS_KIND_SPF] = {"spf", "TXT"},	 [DNS_KIND_DKIM] = {"dkim", "TXT"},
	[DNS_KIND_DMARC] = {"dmarc", "TXT"},	 [DNS_KIND_STS] = {"mta-sts", "TXT"},
	[DNS_KIND_TLSRPT] = {"tls-rpt", "TXT"},	 [DNS_KIND_ALIAS] = {"alias", "CNAME"},
	[DNS_KIND_SERVICE] = {"service", "SRV"},
};

const char *
dns_record_type(const struct dns_record *record)
{
	return kinds[record->kind].type;
}

const char *
dns_record_kind(const struct dns_record *record)
{
	return kinds[record->kind].kind;
}

static struct dns_record *
dns_records_add(struct dns_records *l, enum dns_kind kind, const char *name, const char *value)
{
	struct dns_record *r = arena_new(l->arena, struct dns_record);

	r->kind = kind;
	r->name = str_c(name);
	r->value = str_c(value);
	if (l->last != NULL)
		l->last->next = r;
	else
		l->first = r;
	l->last = r;
	return r;
}

/* "<prefix><domain>" */
static const char *
dns_records_name(struct dns_records *l, const char *prefix)
{
	return arena_printf(l->arena, "%s%.*s", prefix, STR_ARG(l->domain));
}

/* A host that others point to needs an address, whoever's name it is. */
static struct dns_record *
dns_records_need_host(struct dns_records *l, struct str host)
{
	struct dns_record *r;

	for (r = l->first; r != NULL; r = r->next)
		if (r->kind == DNS_KIND_ADDRESS && str_eq_ci(r->name, host))
			return r;
	r = dns_records_add(l, DNS_KIND_ADDRESS, arena_printf(l->arena, "%.*s", STR_ARG(host)), "");
	r->note = "A and AAAA: the addresses of the frontends";
	return r;
}

/* ---- Mail to the domain, and from it ---- */
static void
dns_records_add_one_mx(struct dns_records *l, struct str host)
{
	const char *value = arena_printf(l->arena, "10 %.*s.", STR_ARG(host));

	dns_records_need_host(l, host);
	dns_records_add(l, DNS_KIND_MX, dns_records_name(l, ""), value)->host = host;
}

/* The hosts of the MTA-STS policy that are named in full, or the server. */
static void
dns_records_add_mx(struct dns_records *l)
{
	const struct settings_list *mx = &settings_smtp_in(l->settings, l->domain)->mta_sts_mx;
	unsigned count = 0;

	for (unsigned i = 0; i < mx->count; i++)
		if (!str_starts(mx->items[i], STR("*."))) {
			dns_records_add_one_mx(l, arena_str(l->arena, mx->items[i]));
			count++;
		}
	if (count == 0)
		dns_records_add_one_mx(l, l->hostname);
}

static void
dns_records_add_spf(struct dns_records *l)
{
	const struct settings_smtp_out *out = settings_smtp_out(l->settings, l->domain);
	struct buf value = BUF_EMPTY;

	buf_add_c(&value, "v=spf1 mx");
	if (out->outbound_ipv4[0] != '\0')
		buf_printf(&value, " ip4:%s", out->outbound_ipv4);
	if (out->outbound_ipv6[0] != '\0')
		buf_printf(&value, " ip6:%s", out->outbound_ipv6);
	buf_add_c(&value, " ~all");
	dns_records_add(l, DNS_KIND_SPF, dns_records_name(l, ""), arena_dup(l->arena, value.data, value.len))->note =
		"a safe start: add all addresses that the workers and other senders of the domain have, then end it "
		"with "
		"-all";
	buf_fini(&value);
}

static void
dns_records_add_dmarc(struct dns_records *l)
{
	dns_records_add(l, DNS_KIND_DMARC, dns_records_name(l, "_dmarc."),
			arena_printf(l->arena, "v=DMARC1; p=none; rua=mailto:postmaster@%.*s", STR_ARG(l->domain)))
		->note =
		"a safe start: nothing is refused; when the reports are clean, continue with p=quarantine and p=reject";
}

void
dns_records_add_key(struct dns_records *l, const struct dkim_key *key)
{
	struct buf value = BUF_EMPTY;
	struct dns_record *r;

	dkim_key_record(key, &value);
	r = dns_records_add(l, DNS_KIND_DKIM,
			    arena_printf(l->arena, "%s._domainkey.%.*s", key->selector, STR_ARG(l->domain)),
			    arena_dup(l->arena, value.data, value.len));
	if (key->state == DKIM_WAITING)
		r->note = "this key does not sign yet";
	if (key->state == DKIM_RETIRED)
		r->note = "this key no longer signs; mail in transit still needs it";
	buf_fini(&value);
}

/* ---- TLS ---- */
static void
dns_records_add_alias(struct dns_records *l, const char *prefix)
{
	const char *name = dns_records_name(l, prefix);
	struct dns_record *host = dns_records_need_host(l, l->hostname), *r;

	if (str_eq_ci(str_c(name), l->hostname))
		return;
	r = dns_records_add(l, DNS_KIND_ALIAS, name, arena_printf(l->arena, "%.*s.", STR_ARG(l->hostname)));
	r->host = l->hostname;
	r->target = host;
}

static void
dns_records_add_sts(struct dns_records *l)
{
	struct buf text = BUF_EMPTY;
	char id[STS_ID_MAX];

	if (sts_own_policy(settings_smtp_in(l->settings, l->domain), l->hostname, &text)) {
		sts_policy_id(buf_str(&text), id);
		dns_records_add(l, DNS_KIND_STS, dns_records_name(l, "_mta-sts."),
				arena_printf(l->arena, "v=STSv1; id=%s;", id))
			->note =
			"the id changes with the policy: publish it again after each change of smtp-in.mta_sts...";
		dns_records_add_alias(l, "mta-sts.");
	}
	buf_fini(&text);
}

static void
dns_records_add_tlsrpt(struct dns_records *l)
{
	dns_records_add(l, DNS_KIND_TLSRPT, dns_records_name(l, "_smtp._tls."),
			arena_printf(l->arena, "v=TLSRPTv1; rua=mailto:postmaster@%.*s", STR_ARG(l->domain)));
}

/* ---- Clients ---- */
static struct dns_record *
dns_records_add_service(struct dns_records *l, const char *service, const char *host, int64_t port)
{
	struct str target = host[0] != '\0' ? str_c(arena_strdup(l->arena, host)) : l->hostname;
	struct dns_record *r;

	dns_records_need_host(l, target);
	r = dns_records_add(l, DNS_KIND_SERVICE, arena_printf(l->arena, "_%s._tcp.%.*s", service, STR_ARG(l->domain)),
			    arena_printf(l->arena, "0 1 %d %.*s.", (int)port, STR_ARG(target)));
	r->host = target;
	r->port = (unsigned)port;
	return r;
}

/* RFC 6186, 8314: the same as autodiscover tells. */
static void
dns_records_add_services(struct dns_records *l)
{
	const struct settings_imap *imap = settings_imap(l->settings, l->domain);
	const struct settings_pop *pop = settings_pop(l->settings, l->domain);
	const struct settings_smtp_in *smtp = settings_smtp_in(l->settings, l->domain);

	dns_records_add_service(l, imap->autodiscover_ssl ? "imaps" : "imap", imap->autodiscover_host,
				imap->autodiscover_port);
	dns_records_add_service(l, pop->autodiscover_ssl ? "pop3s" : "pop3", pop->autodiscover_host,
				pop->autodiscover_port);
	dns_records_add_service(l, smtp->autodiscover_ssl ? "submissions" : "submission", smtp->autodiscover_host,
				smtp->autodiscover_port);
	dns_records_add_service(l, "autodiscover", "", HTTPS_PORT);
}

/* RFC 2782. Not every domain wants its address book to be found. */
static void
dns_records_add_ldap(struct dns_records *l)
{
	struct dns_record *r = dns_records_add_service(l, "ldap", "", LDAP_PORT);

	r->optional = true;
	r->note = "optional: for programs that look for the address book";
}

void
dns_records_make(struct dns_records *l)
{
	dns_records_add_mx(l);
	dns_records_add_spf(l);
	dns_records_add_dmarc(l);
	dns_records_add_sts(l);
	dns_records_add_tlsrpt(l);
	dns_records_add_alias(l, "autoconfig.");
	dns_records_add_alias(l, "autodiscover.");
	dns_records_add_services(l);
	dns_records_add_ldap(l);
}
