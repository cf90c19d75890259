/* What all parts of the broker share. */
#include "spool-broker/broker.h"

const struct settings *
broker_settings(const struct broker *b)
{
	return b->config.settings != NULL ? settings_current(b->config.settings) : settings_defaults();
}

void
broker_wake(struct broker *b)
{
	if (b->pump != NULL)
		event_active(b->pump, EV_TIMEOUT, 0);
}
