/* The priority of a message (RFC 6710, in the three steps of its MIXER profile). Only
 * users may set it, and only lower it, unless their domain allows both; a message
 * marked as bulk is never urgent. */
#include "frontend/submit/private.h"
#include "lib/directory/directory.h"

static const struct settings_smtp_in *
priority_settings(const struct submit *s)
{
	return settings_smtp_in(frontend_settings(s->frontend), directory_domain_of(str_c(s->options.account)));
}

static int
priority_limit(int priority, int most)
{
	return priority < most ? priority : most;
}

/* The setting of the user's domain. */
static int
priority_usual(const struct submit *s)
{
	static const int steps[] = {
		[SMTP_PRIORITY_WORD_LOW] = SUBMIT_PRIORITY_LOW,
		[SMTP_PRIORITY_WORD_NORMAL] = SUBMIT_PRIORITY_NORMAL,
		[SMTP_PRIORITY_WORD_HIGH] = SUBMIT_PRIORITY_HIGH,
	};

	return s->options.account != NULL ? steps[priority_settings(s)->priority] : SUBMIT_PRIORITY_NORMAL;
}

int
submit_priority_allowed(const struct submit *s)
{
	int most = priority_usual(s);

	if (!s->options.has_priority || s->options.account == NULL)
		return most;
	if (priority_settings(s)->allow_high_priority)
		return s->options.priority;
	return priority_limit(s->options.priority, most > SUBMIT_PRIORITY_NORMAL ? most : SUBMIT_PRIORITY_NORMAL);
}

int
submit_priority_final(const struct submit *s)
{
	return s->watch.is_bulk ? priority_limit(s->priority, SUBMIT_PRIORITY_LOW) : s->priority;
}
