#include "lib/dns/context.h"

#include <errno.h>
#include <unistd.h>
#include <unbound-event.h>

#include "lib/base/log.h"

struct option {
	const char *name, *value;
};

static const struct option common_options[] = {
	{"do-not-query-localhost:", "no"},
	{"outgoing-range:", "512"},
	{"num-queries-per-thread:", "4096"},
	{"infra-cache-numhosts:", "10000"},
	{"cache-max-negative-ttl:", "300"},
	{"infra-keep-probing:", "yes"},
	{"infra-host-ttl:", "3"}, /* a forwarder is used again as soon as it is back */
	{NULL, NULL},
};
static const struct option cached_options[] = {
	{"msg-cache-size:", "8m"},
	{"rrset-cache-size:", "16m"},
	{NULL, NULL},
};
static const struct option uncached_options[] = {
	{"cache-max-ttl:", "0"},
	{"cache-max-negative-ttl:", "0"},
	{"msg-cache-size:", "0"},
	{"rrset-cache-size:", "0"},
	{NULL, NULL},
};

/* The addresses of private networks and of documentation. */
static const struct option reverse_options[] = {{"unblock-lan-zones:", "yes"}, {NULL, NULL}};

static int
context_set_options(struct ub_ctx *ctx, const struct option *options, struct err *err)
{
	for (; options->name != NULL; options++) {
		int rc = ub_ctx_set_option(ctx, options->name, options->value);

		if (rc != 0)
			return err_set(err, ERR_INVALID, "libunbound refuses %s %s: %s", options->name, options->value,
				       ub_strerror(rc));
	}
	return 0;
}

/* Sets the server for queries. */
static int
context_set_resolver(struct ub_ctx *ctx, const char *resolver, struct err *err)
{
	int rc;

	if (resolver == NULL) {
		rc = ub_ctx_resolvconf(ctx, NULL);
		if (rc != 0)
			log_warning(NULL, "resolv.conf cannot be read; asking the root servers",
				    F_C("error", ub_strerror(rc)));
		return 0;
	}
	rc = ub_ctx_set_fwd(ctx, resolver);
	if (rc != 0)
		return err_set(err, ERR_INVALID, "not a resolver: '%s' (address or address@port)", resolver);
	return 0;
}

/* A configured resolver is asked about everything, including .test and reverse zones,
 * which libunbound by itself would deny; here those that no option opens. */
static int
context_open_zones(struct ub_ctx *ctx, const char *resolver, struct err *err)
{
	static const char *const zones[] = {
		"test.",
		"invalid.",
		"localhost.",
		"home.arpa.",
		"127.in-addr.arpa.",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.",
		NULL,
	};

	if (resolver == NULL)
		return 0;
	for (unsigned i = 0; zones[i] != NULL; i++) {
		if (ub_ctx_zone_add(ctx, zones[i], "transparent") != 0)
			return err_set(err, ERR_INVALID, "libunbound refuses the zone %s", zones[i]);
	}
	return 0;
}

static int
context_set_trust_anchor(struct ub_ctx *ctx, const char *file, struct err *err)
{
	int rc;

	if (file == NULL)
		return 0;
	/* libunbound itself reads it only at the first query, and then answers none. */
	if (access(file, R_OK) != 0)
		return err_set_errno(err, errno, "trust anchor file %s", file);
	rc = ub_ctx_add_ta_file(ctx, file);
	if (rc != 0)
		return err_set(err, ERR_INVALID, "trust anchor file %s: %s", file, ub_strerror(rc));
	return 0;
}

/* Makes libunbound read its configuration, including the trust anchors:
 * removing a zone that does not exist changes nothing, but requires that. */
static int
context_end_configuration(struct ub_ctx *ctx, const char *trust_anchor, struct err *err)
{
	int rc = ub_ctx_zone_remove(ctx, "none.invalid.");

	if (rc == 0)
		return 0;
	if (trust_anchor != NULL)
		return err_set(err, ERR_INVALID,
			       "trust anchor file %s: it has no DS or DNSKEY record that libunbound can read",
			       trust_anchor);
	return err_set(err, ERR_INVALID, "libunbound cannot be started: %s", ub_strerror(rc));
}

struct ub_ctx *
dns_context_new(struct event_base *base, const char *resolver, const char *trust_anchor, bool caching, struct err *err)
{
	struct ub_ctx *ctx = ub_ctx_create_event(base);

	if (ctx == NULL) {
		err_set(err, ERR_UNAVAILABLE, "libunbound cannot be started");
		return NULL;
	}
	if (context_set_options(ctx, common_options, err) != 0 ||
	    context_set_options(ctx, caching ? cached_options : uncached_options, err) != 0 ||
	    (resolver != NULL && context_set_options(ctx, reverse_options, err) != 0) ||
	    context_set_trust_anchor(ctx, trust_anchor, err) != 0)
		goto failed;
	if (ub_ctx_hosts(ctx, NULL) != 0)
		log_warning(NULL, "the hosts file cannot be read");
	/* Opening zones needs the end of the configuration, so it comes last. */
	if (context_set_resolver(ctx, resolver, err) == 0 && context_end_configuration(ctx, trust_anchor, err) == 0 &&
	    context_open_zones(ctx, resolver, err) == 0)
		return ctx;
failed:
	ub_ctx_delete(ctx);
	return NULL;
}
