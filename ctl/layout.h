/* The folder of a cluster that runs on one machine: where its files are, and
 * which ports it uses. Written by `up`, read by every other command. */
#ifndef SP_CTL_LAYOUT_H
#define SP_CTL_LAYOUT_H

#include <stdbool.h>

#include "lib/base/err.h"

#define LAYOUT_PATH_MAX 700
#define LAYOUT_TEXT_MAX 800

/* Exists while a restore is running, or if one was not finished. */
#define LAYOUT_UNFINISHED_RESTORE "run/restore.unfinished"

struct layout {
	char dir[LAYOUT_PATH_MAX]; /* absolute */
	char redis_url[LAYOUT_TEXT_MAX];
	char blobs_url[LAYOUT_TEXT_MAX];
	char listen[64];
	char hostname[256];
	int port_base;
	int frontends;
	int brokers;
	int workers;
	int up_pid; /* of the supervisor; 0: not known */
};

/* Port of frontend `index` for a standard port; also for Redis and metrics. */
int layout_port(const struct layout *l, int standard_port, int frontend);
/* Metrics port of the n-th process of the cluster. */
int layout_metrics_port(const struct layout *l, int n);
/* dir/name into out. */
void layout_path(const struct layout *l, const char *name, char out[LAYOUT_PATH_MAX]);

/* Creates the folders and determines the absolute path. */
int layout_prepare(struct layout *l, const char *dir, struct err *err);
int layout_save(const struct layout *l, struct err *err);
/* Reads dir/run/cluster.json; STAGEPOST_REDIS and STAGEPOST_BLOBS take
 * precedence. ERR_NOT_FOUND if there is neither. */
int layout_load(struct layout *l, const char *dir, struct err *err);

/* For the person in front of it. */
void layout_print_ports(const struct layout *l);

#endif
