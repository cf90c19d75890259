/* An LDAP session: messages from the input, and the end. */
#include "frontend/core/login.h"
#include "frontend/ldap/ber.h"
#include "frontend/ldap/ldap.h"
#include "frontend/ldap/private.h"

enum {
	PARTIAL_BYTES = 16 * 1024, /* a message larger than this is taken out of the input as it comes */
	MESSAGE_WORK = 500,	   /* units of lib/base/slice.h */
};

const struct settings_ldap *
ldap_settings(const struct ldap_session *s)
{
	return settings_ldap(frontend_settings(conn_frontend(s->conn)), STR_NONE);
}

/* ---- Input ---- */

static void
ldap_session_take_message(struct ldap_session *s, struct str message)
{
	struct str content;
	bool is_whole = ldap_ber_take(&message, LBER_SEQUENCE, &content) && message.len == 0;

	conn_set_timeout(s->conn, 0);
	if (ldap_dispatch(s, is_whole ? content : STR_NONE) == CMD_WAIT)
		conn_pause(s->conn);
}

static void
ldap_session_break(struct ldap_session *s, enum ldap_reply_name name)
{
	log_info(conn_log(s->conn), "refused", F_C("reply", ldap_reply_get(name)->text),
		 F_C("account", s->account != NULL ? s->account : ""));
	ldap_search_drop_all(s);
	ldap_notice(s->conn, name);
	conn_close(s->conn);
}

/* A large message is collected here: the input holds no more than 64 KiB. */
static bool
ldap_session_take_partial(struct ldap_session *s)
{
	struct evbuffer *in = conn_input(s->conn);
	size_t wanted = s->partial_bytes - s->partial.len, have = evbuffer_get_length(in);
	size_t take = have < wanted ? have : wanted;
	struct str message;

	if (take != 0) {
		evbuffer_remove(in, buf_reserve(&s->partial, take), take);
		s->partial.len += take;
	}
	if (s->partial.len < s->partial_bytes)
		return false;
	arena_reset(&s->command.arena);
	message = arena_str(&s->command.arena, buf_str(&s->partial));
	buf_fini(&s->partial);
	s->partial_bytes = 0;
	ldap_session_take_message(s, message);
	return true;
}

static bool
ldap_session_take_whole(struct ldap_session *s, size_t len)
{
	char *bytes;

	arena_reset(&s->command.arena);
	bytes = arena_alloc(&s->command.arena, len);
	evbuffer_remove(conn_input(s->conn), bytes, len);
	ldap_session_take_message(s, str_of(bytes, len));
	return true;
}

static void
ldap_session_on_turn(struct op *command)
{
	session_resume(session_of(command));
}

/* While searches are in progress, core does not look whether there is room or time for
 * more: it is done here. */
static bool
ldap_session_must_wait(struct ldap_session *s)
{
	if (s->searches == NULL)
		return false;
	if (s->search_count >= LDAP_SEARCHES_MAX || !session_may_write(&s->base, ldap_search_on_drained)) {
		conn_pause(s->conn);
		return true;
	}
	if (!session_spend(&s->base, MESSAGE_WORK))
		return false;
	conn_pause(s->conn);
	session_later(&s->base, ldap_session_on_turn);
	return true;
}

/* The next message. False: it is not complete yet, or must wait. */
static bool
ldap_session_take_input(struct session *base)
{
	struct ldap_session *s = (struct ldap_session *)base;
	size_t max = s->account != NULL ? LDAP_MESSAGE_MAX : LDAP_MESSAGE_BEFORE_LOGIN, len = 0;

	if (ldap_session_must_wait(s))
		return false;
	if (s->partial_bytes != 0)
		return ldap_session_take_partial(s);
	switch (ldap_frame(conn_input(s->conn), max, &len)) {
	case LDAP_FRAME_WHOLE: return ldap_session_take_whole(s, len);
	case LDAP_FRAME_PARTIAL:
		if (len <= PARTIAL_BYTES)
			return false;
		s->partial_bytes = len;
		return ldap_session_take_partial(s);
	case LDAP_FRAME_TOO_LARGE: ldap_session_break(s, LDAP_TOO_LARGE); return false;
	case LDAP_FRAME_MALFORMED: break;
	}
	ldap_session_break(s, LDAP_BAD_ENVELOPE);
	return false;
}

/* A search has a limit of its own, but a client that does not read its answers has not. */
static void
ldap_session_get_limits(const struct session *base, struct session_limits *out)
{
	const struct ldap_session *s = (const struct ldap_session *)base;
	const struct settings_ldap *settings = ldap_settings(s);
	bool reads = conn_output_pending(s->conn) <= CONN_OUTPUT_HIGH;
	bool is_searching =
		reads && s->searches != NULL && s->partial_bytes == 0 && evbuffer_get_length(conn_input(s->conn)) == 0;

	*out = (struct session_limits){
		.command_ms = is_searching ? 0 : settings->command_timeout,
		.idle_ms = reads ? settings->session_timeout : settings->command_timeout,
		.bad_commands = settings->max_bad_commands,
		.insecure_auth = settings->allow_insecure_auth,
	};
}

static enum session_phase
ldap_session_get_phase(const struct session *base)
{
	const struct ldap_session *s = (const struct ldap_session *)base;

	if (s->binding || s->searches != NULL)
		return SESSION_WORKING;
	return s->partial_bytes != 0 || s->sasl_continues || evbuffer_get_length(conn_input(s->conn)) != 0
		       ? SESSION_BEGUN
		       : SESSION_BETWEEN;
}

/* ---- Beginning and end ---- */

/* The client speaks first. */
static void
ldap_session_greet(struct session *base)
{
	(void)base;
}

static void
ldap_session_begin_tls(struct session *base)
{
	struct ldap_session *s = (struct ldap_session *)base;

	login_free(base);
	s->sasl_continues = false;
}

static void
ldap_session_goodbye(struct session *base, enum session_end why)
{
	static const enum ldap_reply_name notices[] = {
		[SESSION_TOO_MANY_BAD] = LDAP_TOO_MANY_BAD,
		[SESSION_SHUTTING_DOWN] = LDAP_SHUTTING_DOWN,
		[SESSION_TIMED_OUT] = LDAP_TIMED_OUT,
		[SESSION_DISABLED] = LDAP_ACCOUNT_GONE,
	};
	struct ldap_session *s = (struct ldap_session *)base;

	ldap_search_drop_all(s);
	ldap_notice(s->conn, notices[why]);
}

static void
ldap_session_forget(struct session *base)
{
	struct ldap_session *s = (struct ldap_session *)base;

	ldap_search_drop_all(s);
	buf_fini(&s->partial);
}

static const struct session_protocol ldap_session_protocol = {
	.limits = ldap_session_get_limits,
	.phase = ldap_session_get_phase,
	.on_open = ldap_session_greet,
	.take_input = ldap_session_take_input,
	.goodbye = ldap_session_goodbye,
	.on_tls = ldap_session_begin_tls,
	.on_close = ldap_session_forget,
	.on_challenge = ldap_on_challenge,
	.on_final = ldap_on_final,
	.on_login = ldap_on_login,
};

static void
ldap_refuse_connection(struct conn *c)
{
	ldap_notice(c, LDAP_TOO_MANY_CONNECTIONS);
}

static int64_t
ldap_max_connections(const struct settings *settings)
{
	return settings_ldap(settings, STR_NONE)->max_connections;
}

static const struct ip_blocks *
ldap_proxy_protocol_from(const struct settings *settings)
{
	return &settings_ldap(settings, STR_NONE)->proxy_protocol_from;
}

static const char *
ldap_client_authorities(const struct settings *settings)
{
	return settings_ldap(settings, STR_NONE)->client_authorities;
}

static const struct protocol_listener ldap_listeners[] = {
	{.name = "ldap", .port = 389, .implicit_tls = false},
	{.name = "ldaps", .port = 636, .implicit_tls = true},
	{.name = NULL},
};

const struct protocol protocol_ldap = {
	.name = "ldap",
	.session_size = sizeof(struct ldap_session),
	.listeners = ldap_listeners,
	.metric_open = M_CONNECTIONS_LDAP,
	.metric_accepted = M_ACCEPTED_LDAP,
	.max_connections = ldap_max_connections,
	.proxy_protocol_from = ldap_proxy_protocol_from,
	.client_authorities = ldap_client_authorities,
	.refuse = ldap_refuse_connection,
	.session = &ldap_session_protocol,
	SESSION_EVENTS,
};
