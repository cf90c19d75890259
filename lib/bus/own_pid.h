/* The process id, without a system call.
 *
 * ZeroMQ calls getpid() before each signal to one of its threads, and before each
 * wait for one, to notice that it runs in a forked child. That is a quarter of
 * all system calls of a broker. So the program has its own getpid(), which the
 * libraries call too; after a fork() it asks the kernel again. */
#ifndef SP_BUS_OWN_PID_H
#define SP_BUS_OWN_PID_H

/* Remembers the process id from now on. May be called again. */
void own_pid_keep(void);

#endif
