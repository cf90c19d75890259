/* The variables of a banner. */
#include <stdio.h>
#include <time.h>

#include "frontend/core/core.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"

/* The name configured for the local address ("address=name,..."), else ours. */
static struct str
host_name(const struct conn *c)
{
	const struct core *core = core_of(conn_frontend(c));
	struct str rest = str_c(core->hostnames), word;

	while (str_next_word(&rest, ", ", &word)) {
		struct str address, name;
		struct ip ip;
		if (str_cut(word, '=', &address, &name) && ip_parse(address, &ip) && ip_eq(&ip, conn_local(c)))
			return name;
	}
	return str_c(core->frontend.service->hostname);
}

/* False: there is no variable of that name. */
static bool
add_variable(struct conn *c, struct str name, struct buf *out)
{
	int64_t now = clock_unix_ms();
	time_t seconds = (time_t)(now / 1000);
	char text[64];
	struct tm tm;

	if (str_eq(name, STR("HostName"))) {
		buf_add_str(out, host_name(c));
	} else if (str_eq(name, STR("ConnectedIP"))) {
		ip_text(conn_peer(c), text);
		buf_add_c(out, text);
	} else if (str_eq(name, STR("Time"))) {
		clock_rfc5322(now, text, sizeof(text));
		buf_add_c(out, text);
	} else if (str_eq(name, STR("TimeUTC"))) {
		gmtime_r(&seconds, &tm);
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S +0000", &tm);
		buf_add_c(out, text);
	} else if (str_eq(name, STR("UnixTime"))) {
		buf_printf(out, "%lld", (long long)(now / 1000));
	} else {
		return false;
	}
	return true;
}

const char *
frontend_banner(struct conn *c, struct arena *arena, const char *text)
{
	struct buf out = BUF_EMPTY;
	struct str rest = str_c(text), head;
	const char *banner;

	while (rest.len != 0) {
		struct str name, tail;
		bool opens = str_cut(rest, '#', &head, &rest);
		buf_add_str(&out, head);
		if (!opens)
			break;
		if (!str_cut(rest, '#', &name, &tail)) {
			buf_add_byte(&out, '#');
			continue;
		}
		if (add_variable(c, name, &out)) {
			rest = tail;
			continue;
		}
		/* Not one of our variables: kept as it is; its end may be the start of one of
		 * ours. */
		buf_add_byte(&out, '#');
		buf_add_str(&out, name);
		rest = str_from(rest, name.len);
	}
	banner = arena_dup(arena, out.data, out.len);
	buf_fini(&out);
	return banner;
}

const struct settings *
frontend_settings(const struct frontend *f)
{
	return settings_current(f->service->settings);
}
