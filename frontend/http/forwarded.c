/* The client behind a balancer: as reported by the balancers listed in
 * http.forwarded_from, in Forwarded (RFC 7239), or in X-Forwarded-For and
 * X-Forwarded-Proto. Read from the right: each one says who it was talking to, and
 * the first that is not listed is the client, whose own claims are ignored. */
#include "frontend/http/private.h"

/* Splits a list from its end; commas in quotes do not separate items. */
static bool
forwarded_last(struct str *list, struct str *item_out)
{
	bool quoted = false;
	size_t at = list->len;

	if (list->len == 0)
		return false;
	while (at > 0 && (quoted || list->p[at - 1] != ',')) {
		quoted ^= list->p[at - 1] == '"';
		at--;
	}
	*item_out = str_trim(str_from(*list, at));
	*list = str_first(*list, at > 0 ? at - 1 : 0);
	return true;
}

static struct str
forwarded_unquote(struct str s)
{
	return s.len >= 2 && s.p[0] == '"' && s.p[s.len - 1] == '"' ? str_first(str_from(s, 1), s.len - 2) : s;
}

/* "192.0.2.1", "192.0.2.1:4711", "[2001:db8::1]:4711" */
static bool
forwarded_address(struct str s, struct ip *out)
{
	ptrdiff_t end;

	if (str_starts(s, STR("["))) {
		end = str_index(s, ']');
		return end > 0 && ip_parse(str_first(str_from(s, 1), (size_t)end - 1), out);
	}
	if (ip_parse(s, out))
		return true;
	end = str_index(s, ':');
	return end > 0 && ip_parse(str_first(s, (size_t)end), out);
}

/* "for=192.0.2.1;proto=https" */
static struct str
forwarded_parameter(struct str item, struct str name)
{
	struct str pair, key, value;

	while (str_next_word(&item, ";", &pair))
		if (str_cut(pair, '=', &key, &value) && str_eq_ci(str_trim(key), name))
			return forwarded_unquote(str_trim(value));
	return STR_NONE;
}

/* A balancer that does not say otherwise terminates TLS: that is the purpose of listing it. */
static bool
forwarded_is_secure(struct str proto)
{
	return proto.len == 0 || str_eq_ci(proto, STR("https"));
}

/* The items of all fields of that name, the last one first. */
static void
forwarded_walk(struct http_request *r, const struct ip_blocks *trusted, struct str name, bool parameters)
{
	for (unsigned i = r->head.field_count; i-- > 0;) {
		struct str list = r->head.fields[i].value, item;
		if (!str_eq_ci(r->head.fields[i].name, name))
			continue;
		while (ip_blocks_have(trusted, &r->client) && forwarded_last(&list, &item)) {
			struct str from = parameters ? forwarded_parameter(item, STR("for")) : item;
			struct ip ip;
			if (parameters)
				r->secure = forwarded_is_secure(forwarded_parameter(item, STR("proto")));
			if (!forwarded_address(from, &ip))
				return;
			r->client = ip;
		}
	}
}

/* The balancer's own word is the last one: it may append to what the client sent. */
static bool
forwarded_proto_is_secure(const struct http_request *r)
{
	struct str list, item;

	for (unsigned i = r->head.field_count; i-- > 0;) {
		list = r->head.fields[i].value;
		if (str_eq_ci(r->head.fields[i].name, STR("X-Forwarded-Proto")) && forwarded_last(&list, &item))
			return forwarded_is_secure(item);
	}
	return true;
}

static bool
forwarded_has_any(const struct http_request *r)
{
	return http_field(r, STR("Forwarded")).len != 0 || http_field(r, STR("X-Forwarded-For")).len != 0 ||
	       http_field(r, STR("X-Forwarded-Proto")).len != 0;
}

static bool
forwarded_has_both(const struct http_request *r)
{
	return http_field(r, STR("Forwarded")).len != 0 && http_field(r, STR("X-Forwarded-For")).len != 0;
}

void
http_take_client(struct http_request *r)
{
	const struct ip_blocks *trusted = &http_settings(r->frontend)->forwarded_from;
	struct ip balancer = *conn_peer(r->session->conn), other;
	bool is_secure;

	r->client = balancer;
	r->secure = conn_is_secure(r->session->conn);
	if (!ip_blocks_have(trusted, &balancer))
		return;
	/* One that says nothing ends TLS all the same; on loopback it may be a client itself. */
	r->forwarded = !ip_is_loopback(&balancer) || forwarded_has_any(r);
	forwarded_walk(r, trusted, STR("X-Forwarded-For"), false);
	r->secure = is_secure = forwarded_proto_is_secure(r);
	if (http_field(r, STR("Forwarded")).len == 0)
		return;
	other = r->client;
	r->client = balancer;
	r->secure = true;
	forwarded_walk(r, trusted, STR("Forwarded"), true);
	/* Most balancers know only one of them, and pass the other as the client sent it. */
	r->secure = r->secure && is_secure;
	if (forwarded_has_both(r) && !ip_eq(&r->client, &other))
		r->client = balancer;
}
