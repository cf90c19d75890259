/* Which messages are checked for spam and viruses at all, by the settings. */
#ifndef SP_SPAM_WANTED_H
#define SP_SPAM_WANTED_H

#include "lib/settings/settings.h"

/* An engine or a scanner is set, and workers may ask. */
bool spam_checks_are_on(const struct settings *s);
bool spam_check_is_wanted(const struct settings *s, bool is_authenticated, uint64_t bytes);

#endif
