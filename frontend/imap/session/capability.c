/* The announced capabilities: one table. A row is listed only if everything that it
 * names is implemented completely. */
#include "frontend/core/login.h"
#include "frontend/imap/private.h"

static bool
capability_always(const struct imap_session *s)
{
	(void)s;
	return true;
}

static bool
logged_in(const struct imap_session *s)
{
	return (s->state & IMAP_LOGGED_IN) != 0;
}

static bool
may_start_tls(const struct imap_session *s)
{
	return !logged_in(s) && conn_tls_available(s->conn) && !conn_is_tls(s->conn);
}

static bool
may_authenticate(const struct imap_session *s)
{
	return !logged_in(s) && login_is_allowed(&s->base);
}

static bool
may_bind_channel(const struct imap_session *s)
{
	unsigned char exporter[32];

	return may_authenticate(s) && conn_tls_exporter(s->conn, exporter);
}

static bool
login_disabled(const struct imap_session *s)
{
	return !logged_in(s) && !login_is_allowed(&s->base);
}

static bool
may_idle(const struct imap_session *s)
{
	return logged_in(s) && imap_settings(s)->enable_idle;
}

/* IDLE is part of it, and an operator may disable IDLE. */
static bool
has_all_of_rev2(const struct imap_session *s)
{
	return imap_settings(s)->enable_idle;
}

static bool
may_compress(const struct imap_session *s)
{
	return logged_in(s) && !conn_is_deflated(s->conn);
}

static const struct {
	const char *name;
	bool (*is_there)(const struct imap_session *s);
} rows[] = {
	{"IMAP4rev1", capability_always},
	{"IMAP4rev2", has_all_of_rev2},
	{"LITERAL+", capability_always},
	{"SASL-IR", capability_always},
	{"ID", capability_always},
	{"ENABLE", capability_always},
	{"STARTTLS", may_start_tls},
	{"LOGINDISABLED", login_disabled},
	{"AUTH=PLAIN", may_authenticate},
	{"AUTH=LOGIN", may_authenticate},
	{"AUTH=SCRAM-SHA-256", may_authenticate},
	{"AUTH=SCRAM-SHA-256-PLUS", may_bind_channel},
	{"IDLE", may_idle},
	{"NAMESPACE", logged_in},
	{"UNAUTHENTICATE", logged_in},
	{"CHILDREN", logged_in},
	{"LIST-EXTENDED", logged_in},
	{"LIST-STATUS", logged_in},
	{"LIST-MYRIGHTS", logged_in},
	{"SPECIAL-USE", logged_in},
	{"CREATE-SPECIAL-USE", logged_in},
	{"STATUS=SIZE", logged_in},
	{"UNSELECT", logged_in},
	{"UIDPLUS", logged_in},
	{"MOVE", logged_in},
	{"MULTIAPPEND", logged_in},
	{"REPLACE", logged_in},
	{"CATENATE", logged_in},
	{"METADATA", logged_in},
	{"QUOTA", logged_in},
	{"QUOTA=RES-STORAGE", logged_in},
	{"COMPRESS=DEFLATE", may_compress},
	{"UTF8=ACCEPT", logged_in},
	{"CONDSTORE", logged_in},
	{"QRESYNC", logged_in},
	{"ESEARCH", logged_in},
	{"SEARCHRES", logged_in},
	{"WITHIN", logged_in},
	{"SORT", logged_in},
	{"SORT=DISPLAY", logged_in},
	{"THREAD=REFERENCES", logged_in},
	{"THREAD=ORDEREDSUBJECT", logged_in},
	{"OBJECTID", logged_in},
	{"SAVEDATE", logged_in},
	{"BINARY", logged_in},
	{"PREVIEW", logged_in},
	{"PARTIAL", logged_in},
	{"ESORT", logged_in},
	{"INPROGRESS", logged_in},
};

void
imap_print_capabilities(const struct imap_session *s, struct buf *out)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!rows[i].is_there(s))
			continue;
		if (out->len != 0)
			buf_add_byte(out, ' ');
		buf_add_c(out, rows[i].name);
	}
	if (logged_in(s) && imap_settings(s)->max_message_size != 0)
		buf_printf(out, " APPENDLIMIT=%llu", (unsigned long long)imap_settings(s)->max_message_size);
}

unsigned
imap_enable_bit(struct str name)
{
	static const struct {
		const char *name;
		unsigned bits;
	} bits[] = {
		{"IMAP4rev2", IMAP_REV2},
		{"CONDSTORE", IMAP_CONDSTORE},
		{"QRESYNC", IMAP_QRESYNC | IMAP_CONDSTORE},
		{"UTF8=ACCEPT", IMAP_UTF8_ACCEPT},
	};

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (str_eq_ci(name, str_c(bits[i].name)))
			return bits[i].bits;
	return 0;
}
