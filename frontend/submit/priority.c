/* How urgent a message is (RFC 6710, in the three steps of its MIXER profile).
 * Only users may say so, and only down, unless their domain may do both; what
 * calls itself bulk is never urgent. */
#include "frontend/smtp/private.h"
#include "lib/directory/directory.h"

static const struct settings_smtp_in *
settings_of(const struct smtp_session *s)
{
	return settings_smtp_in(frontend_settings(conn_frontend(s->conn)), directory_domain_of(str_c(s->account)));
}

static int
limit(int priority, int most)
{
	return priority < most ? priority : most;
}

/* That of the user's domain. */
static int
usual(const struct smtp_session *s)
{
	static const int steps[] = {
		[SMTP_PRIORITY_WORD_LOW] = SMTP_PRIORITY_LOW,
		[SMTP_PRIORITY_WORD_NORMAL] = SMTP_PRIORITY_NORMAL,
		[SMTP_PRIORITY_WORD_HIGH] = SMTP_PRIORITY_HIGH,
	};

	return s->account != NULL ? steps[settings_of(s)->priority] : SMTP_PRIORITY_NORMAL;
}

int
smtp_priority_allowed(const struct smtp_session *s, const struct smtp_mail_params *params)
{
	int most = usual(s);

	if (!params->has_priority || s->account == NULL)
		return most;
	if (settings_of(s)->allow_high_priority)
		return params->priority;
	return limit(params->priority, most > SMTP_PRIORITY_NORMAL ? most : SMTP_PRIORITY_NORMAL);
}

int
smtp_priority(const struct smtp_transaction *t)
{
	return t->watch.is_bulk ? limit(t->priority, SMTP_PRIORITY_LOW) : t->priority;
}
