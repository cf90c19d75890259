/* Which mail system a destination belongs to, and which limits hold there: the
 * router of the REMOTE schedule.
 *
 * A site is named by the MX hosts of the best preference ("mx1.example.net,
 * mx2.example.net"), so that all domains of one provider count together. Where
 * settings:destination:<name> has limits for such a host, or a domain above it, or
 * for the destination or one above that, the site has that name, so that the limits
 * hold for everything below it. Mail that goes through a relay host belongs to the
 * relay. A destination whose MX records cannot be found is a site of its own. */
#ifndef SP_BROKER_ROUTING_H
#define SP_BROKER_ROUTING_H

#include "lib/dns/dns.h"
#include "lib/settings/settings.h"
#include "spool-broker/schedule/schedule.h"

struct broker;
struct routing;

/* b, dns: borrowed; dns NULL: every destination is a site of its own. Calls the
 * REMOTE schedule's reroute() when a lookup finds something new. */
struct routing *routing_new(struct broker *b, struct dns *dns);
void routing_free(struct routing **r);
/* The router as the schedule sees it; borrowed from r. */
struct schedule_router routing_router(struct routing *r);
/* Asks DNS again about destinations that still have mail, and drops what has not been used for a while. */
void routing_tick(struct routing *r);

/* ---- For its unit test ---- */
/* Acts as if this much time had passed. */
void routing_age(struct routing *r, int64_t ms);
/* hosts: separated by commas, or empty. */
void routing_name(const struct settings *s, struct str hosts, struct str destination, unsigned brokers,
		  char name_out[SITE_NAME_MAX], struct site_limits *limits_out);

#endif
