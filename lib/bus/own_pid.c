/* The process id, queried once. */
#include "lib/bus/own_pid.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/check.h"

static atomic_int kept; /* 0: unknown */
static atomic_bool keeps;

static void
own_pid_forget(void)
{
	atomic_store(&kept, 0);
}

void
own_pid_keep(void)
{
	if (!atomic_exchange(&keeps, true))
		CHECK(pthread_atfork(NULL, NULL, own_pid_forget) == 0);
}

/* Replaces the C library's function. */
pid_t
getpid(void)
{
	pid_t pid = atomic_load_explicit(&kept, memory_order_relaxed);

	if (pid != 0)
		return pid;
	pid = (pid_t)syscall(SYS_getpid);
	/* Only after forks are being noticed. */
	if (atomic_load(&keeps))
		atomic_store(&kept, pid);
	return pid;
}
