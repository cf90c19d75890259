/* A message of the queue, or one that has left it, for people. */
#ifndef SP_CTL_MESSAGE_H
#define SP_CTL_MESSAGE_H

#include <cjson/cJSON.h>

/* One of the list of lib/admin/queue.h: a line, and one each recipient. */
void message_print_listed(const cJSON *m);
/* The way of a message: one line an event. */
void message_print_trace(const cJSON *record);

#endif
