/* A cluster on one machine, as `stagepost up` runs it. Shared by up.c and up_processes.c. */
#ifndef SP_CTL_UP_H
#define SP_CTL_UP_H

#include <signal.h>

#include "ctl/layout.h"
#include "ctl/secret_file.h"
#include "ctl/supervisor.h"

enum { UP_STAGE_REDIS, UP_STAGE_BROKER, UP_STAGE_WORKER, UP_STAGE_FRONTEND };

struct up {
	struct layout layout;
	bool demo;
	bool detach;
	struct supervisor *children;
	char log_dir[LAYOUT_PATH_MAX];
	char run_dir[LAYOUT_PATH_MAX];
	char cert[LAYOUT_PATH_MAX];
	char key[LAYOUT_PATH_MAX];
	char seal_key[SECRET_FILE_KEY_MAX]; /* STAGEPOST_SECRET_KEY; empty: the environment has it */
	char bin_dir[LAYOUT_PATH_MAX];	    /* where our own programs are */
	int metrics_count;		    /* processes with a metrics port so far */
};

/* Starts all, in the order of their stages. *stop_wanted may be set by a signal meanwhile. */
int up_start_all(struct up *up, const volatile sig_atomic_t *stop_wanted, struct err *err);
/* Waits until every process reports that it is ready. */
int up_wait_ready(struct up *up, const volatile sig_atomic_t *stop_wanted, struct err *err);

#endif
