/* What the rooms of the broker share. */
#include "spool-broker/broker.h"

#include "lib/base/check.h"
#include "lib/base/mem.h"

const struct settings *
broker_settings(const struct broker *b)
{
	return b->config.settings != NULL ? settings_current(b->config.settings) : settings_defaults();
}

void
broker_expect(struct broker *b)
{
	b->replies_due++;
}

bool
broker_returned(struct broker *b)
{
	CHECK(b->replies_due != 0);
	b->replies_due--;
	if (!b->closing)
		return true;
	if (b->replies_due == 0) {
		mem_free(b->shards);
		mem_free(b);
	}
	return false;
}

void
broker_wake(struct broker *b)
{
	if (b->pump != NULL)
		event_active(b->pump, EV_TIMEOUT, 0);
}
