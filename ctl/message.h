/* A message in the queue, or one that has left it, printed for people. */
#ifndef SP_CTL_MESSAGE_H
#define SP_CTL_MESSAGE_H

#include <cjson/cJSON.h>

/* An entry of the list of lib/admin/queue.h: one line, and one for each recipient. */
void message_print_listed(const cJSON *m);
/* The history of a message: one line per event. */
void message_print_trace(const cJSON *record);

#endif
