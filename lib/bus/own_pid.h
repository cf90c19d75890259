/* This process's number, without a system call.
 *
 * Before each signal to one of its threads, and before each wait for one, ZeroMQ
 * asks for it, to notice that it runs in a forked child. That is a quarter of all
 * system calls of a broker. So the program has a getpid() of its own, which the
 * libraries call too; after a fork() it asks the kernel anew. */
#ifndef SP_BUS_OWN_PID_H
#define SP_BUS_OWN_PID_H

/* From now on it is kept. May be called again. */
void own_pid_keep(void);

#endif
