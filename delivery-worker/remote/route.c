#include "delivery-worker/remote/route.h"

#include <string.h>

#include "lib/base/host_port.h"

const struct route_refusal route_loops = {true, "5.4.6", "mail for this domain loops back to this system"};
const struct route_refusal route_no_address = {true, "5.4.4", "no mail server of this domain has an address"};
const struct route_refusal route_dns_failed = {false, "4.4.3", "the name servers of this domain cannot be reached"};
static const struct route_refusal no_domain = {true, "5.1.2", "the domain does not exist"};
static const struct route_refusal null_mx = {true, "5.1.10", "the domain accepts no mail (null MX)"};

bool
route_from_relay(struct str relay, uint16_t default_port, struct arena *arena, struct route *route_out)
{
	struct host_port at;
	char literal[IP_LITERAL_MAX];

	memset(route_out, 0, sizeof(*route_out));
	if (!host_port_parse(relay, &at))
		return false;
	if (at.literal.family != 0) {
		ip_literal(&at.literal, literal);
		at.host = str_c(literal);
	}
	route_out->port = at.port != 0 ? at.port : default_port;
	route_out->is_relay = true;
	route_out->count = 1;
	route_out->hosts[0].name = arena_str(arena, at.host);
	route_out->hosts[0].literal = at.literal;
	return true;
}

bool
route_from_literal(struct str destination, uint16_t port, struct arena *arena, struct route *route_out)
{
	memset(route_out, 0, sizeof(*route_out));
	if (destination.len == 0 || destination.p[0] != '[' ||
	    !ip_literal_parse(destination, &route_out->hosts[0].literal))
		return false;
	route_out->hosts[0].name = arena_str(arena, destination);
	route_out->count = 1;
	route_out->port = port;
	return true;
}

/* How many of the records come before one that names this system. */
static unsigned
route_usable_count(const struct dns_answer *a, struct str own_name)
{
	for (unsigned i = 0; i < a->mx_count; i++) {
		if (!str_eq_ci(a->mx[i].host, own_name))
			continue;
		while (i > 0 && a->mx[i - 1].preference == a->mx[i].preference)
			i--;
		return i;
	}
	return a->mx_count;
}

const struct route_refusal *
route_from_mx(const struct dns_answer *answer, struct str domain, struct str own_name, uint16_t port,
	      struct arena *arena, struct route *route_out)
{
	unsigned usable;

	memset(route_out, 0, sizeof(*route_out));
	route_out->port = port;
	if (answer == NULL)
		return &route_dns_failed;
	if (!answer->exists)
		return &no_domain;
	if (answer->mx_count == 0) {
		/* The domain itself is its only mail server (RFC 5321, 5.1). */
		if (str_eq_ci(domain, own_name))
			return &route_loops;
		route_out->hosts[0].name = arena_str(arena, domain);
		route_out->count = 1;
		return NULL;
	}
	if (answer->mx_count == 1 && answer->mx[0].host.len == 0)
		return &null_mx;
	usable = route_usable_count(answer, own_name);
	if (usable == 0)
		return &route_loops;
	for (unsigned i = 0; i < usable && route_out->count < ROUTE_HOSTS_MAX; i++) {
		struct route_host *h = &route_out->hosts[route_out->count];

		if (answer->mx[i].host.len == 0)
			continue;
		h->name = arena_str(arena, answer->mx[i].host);
		/* An address where a name belongs: common enough to be supported. */
		if (!ip_parse(h->name, &h->literal))
			h->literal.family = 0;
		route_out->count++;
	}
	return route_out->count > 0 ? NULL : &route_no_address;
}
