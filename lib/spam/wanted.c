#include "lib/spam/wanted.h"

bool
spam_checks_are_on(const struct settings *s)
{
	const struct settings_spam *spam = settings_spam(s, STR_NONE);

	return (spam->engine.count != 0 || spam->virus_scanner.count != 0) &&
	       settings_smtp_out(s, STR_NONE)->max_spam_check_threads != 0;
}

bool
spam_check_is_wanted(const struct settings *s, bool is_authenticated, uint64_t bytes)
{
	const struct settings_spam *spam = settings_spam(s, STR_NONE);

	return spam_checks_are_on(s) && (!is_authenticated || spam->check_authenticated) &&
	       (spam->max_size == 0 || bytes <= (uint64_t)spam->max_size);
}
