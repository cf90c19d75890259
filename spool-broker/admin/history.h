/* The last hour of the cluster in figures, a hash of the store for each minute, which
 * brokers add to every ten seconds. It is for a plot: a killed broker takes its last
 * seconds along. */
#ifndef SP_BROKER_HISTORY_H
#define SP_BROKER_HISTORY_H

#include <stdbool.h>

struct broker;
struct history;

struct history *history_new(void);
void history_free(struct history **h);
/* At every tick. */
void history_tick(struct broker *b, bool last);

#endif
