/* The regular comparison of address books with the records that they are made from
 * (lib/directory/directory.h): every worker looks now and then at some domains, and
 * one of them compares those that are due. */
#ifndef SP_WORKER_COMPARER_H
#define SP_WORKER_COMPARER_H

struct worker;
struct comparer;

/* worker: borrowed for the comparer's lifetime. */
struct comparer *comparer_new(struct worker *w);
/* Compares nothing more; what is in progress is given up, and another worker goes on. */
void comparer_stop(struct comparer *c);
void comparer_free(struct comparer **c);

#endif
