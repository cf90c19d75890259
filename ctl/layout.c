/* The folder of a cluster on one machine. */
#include "ctl/layout.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

enum { REDIS_PORT = 6379, METRICS_PORT = 9090, FRONTEND_STEP = 1000 };

int
layout_port(const struct layout *l, int standard_port, int frontend)
{
	return standard_port + l->port_base + frontend * FRONTEND_STEP;
}

int
layout_metrics_port(const struct layout *l, int n)
{
	return METRICS_PORT + l->port_base + n;
}

void
layout_path(const struct layout *l, const char *name, char out[LAYOUT_PATH_MAX])
{
	snprintf(out, LAYOUT_PATH_MAX, "%.500s/%s", l->dir, name);
}

static int
make_folder(const char *path, struct err *err)
{
	if (mkdir(path, 0750) != 0 && errno != EEXIST)
		return err_set_errno(err, errno, "making the folder %s", path);
	return 0;
}

/* Creates the parent folders too. */
static int
layout_make_folders(const char *path, struct err *err)
{
	char part[PATH_MAX];

	str_copy(str_c(path), part, sizeof(part));
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (make_folder(part, err) != 0)
			return -1;
		*slash = '/';
	}
	return make_folder(part, err);
}

int
layout_prepare(struct layout *l, const char *dir, struct err *err)
{
	static const char *const folders[] = {"redis", "blobs", "log", "run", "tls"};
	char absolute[PATH_MAX];

	if (layout_make_folders(dir, err) != 0)
		return -1;
	if (realpath(dir, absolute) == NULL)
		return err_set_errno(err, errno, "finding %s", dir);
	if (strlen(absolute) > 500)
		return err_set(err, ERR_INVALID, "the path %s is too long", absolute);
	str_copy(str_c(absolute), l->dir, sizeof(l->dir));
	for (unsigned i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		char path[LAYOUT_PATH_MAX];
		layout_path(l, folders[i], path);
		if (make_folder(path, err) != 0)
			return -1;
	}
	snprintf(l->redis_url, sizeof(l->redis_url), "redis://127.0.0.1:%d", layout_port(l, REDIS_PORT, 0));
	snprintf(l->blobs_url, sizeof(l->blobs_url), "file:%s/blobs", l->dir);
	return 0;
}

int
layout_save(const struct layout *l, struct err *err)
{
	char path[LAYOUT_PATH_MAX], whole[LAYOUT_PATH_MAX];
	cJSON *o = cJSON_CreateObject();
	char *text;
	FILE *f;

	cJSON_AddStringToObject(o, "redis", l->redis_url);
	cJSON_AddStringToObject(o, "blobs", l->blobs_url);
	cJSON_AddStringToObject(o, "listen", l->listen);
	cJSON_AddStringToObject(o, "hostname", l->hostname);
	cJSON_AddNumberToObject(o, "port_base", l->port_base);
	cJSON_AddNumberToObject(o, "frontends", l->frontends);
	cJSON_AddNumberToObject(o, "brokers", l->brokers);
	cJSON_AddNumberToObject(o, "workers", l->workers);
	cJSON_AddNumberToObject(o, "pid", l->up_pid);
	text = cJSON_Print(o);
	cJSON_Delete(o);
	/* Renamed once it is complete: others may be reading. */
	layout_path(l, "run/cluster.json.new", path);
	layout_path(l, "run/cluster.json", whole);
	f = fopen(path, "w");
	if (f == NULL) {
		free(text);
		return err_set_errno(err, errno, "writing %s", path);
	}
	fprintf(f, "%s\n", text);
	free(text);
	if (fclose(f) != 0 || rename(path, whole) != 0)
		return err_set_errno(err, errno, "writing %s", path);
	return 0;
}

static cJSON *
read_json(const char *path)
{
	struct buf text = BUF_EMPTY;
	FILE *f = fopen(path, "r");
	cJSON *o;
	size_t got;

	if (f == NULL)
		return NULL;
	while ((got = fread(buf_reserve(&text, 4096), 1, 4096, f)) != 0 && text.len < 65536)
		text.len += got;
	fclose(f);
	o = cJSON_ParseWithLength(text.data, text.len);
	buf_fini(&text);
	return o;
}

static void
take_text(const cJSON *o, const char *name, char *out, size_t size)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(o, name));
	if (text != NULL)
		str_copy(str_c(text), out, size);
}

static int
layout_take_number(const cJSON *o, const char *name)
{
	const cJSON *item = cJSON_GetObjectItem(o, name);
	return cJSON_IsNumber(item) ? item->valueint : 0;
}

/* From the environment; an empty value counts as unset. */
static const char *
layout_variable(const char *name)
{
	const char *value = getenv(name);
	return value != NULL && value[0] != '\0' ? value : NULL;
}

int
layout_load(struct layout *l, const char *dir, struct err *err)
{
	const char *redis = layout_variable("STAGEPOST_REDIS"), *blobs = layout_variable("STAGEPOST_BLOBS");
	char path[LAYOUT_PATH_MAX];
	cJSON *o;

	*l = (struct layout){.port_base = 10000};
	str_copy(str_c(dir), l->dir, sizeof(l->dir));
	layout_path(l, "run/cluster.json", path);
	o = read_json(path);
	if (o == NULL && redis == NULL)
		return err_set(err, ERR_NOT_FOUND,
			       "no cluster in %s: start one with `stagepost up`, or set STAGEPOST_REDIS", dir);
	if (o != NULL) {
		take_text(o, "redis", l->redis_url, sizeof(l->redis_url));
		take_text(o, "blobs", l->blobs_url, sizeof(l->blobs_url));
		take_text(o, "listen", l->listen, sizeof(l->listen));
		take_text(o, "hostname", l->hostname, sizeof(l->hostname));
		l->port_base = layout_take_number(o, "port_base");
		l->frontends = layout_take_number(o, "frontends");
		l->brokers = layout_take_number(o, "brokers");
		l->workers = layout_take_number(o, "workers");
		l->up_pid = layout_take_number(o, "pid");
		cJSON_Delete(o);
	}
	if (redis != NULL)
		str_copy(str_c(redis), l->redis_url, sizeof(l->redis_url));
	if (blobs != NULL)
		str_copy(str_c(blobs), l->blobs_url, sizeof(l->blobs_url));
	return 0;
}

void
layout_print_ports(const struct layout *l)
{
	static const struct {
		const char *name;
		int port;
	} ports[] = {{"SMTP", 25},   {"submission", 587}, {"submissions", 465}, {"POP3", 110},
		     {"POP3S", 995}, {"IMAP", 143},	  {"IMAPS", 993},	{"LDAP", 389},
		     {"LDAPS", 636}, {"HTTP", 80},	  {"HTTPS", 443}};

	for (int f = 0; f < l->frontends; f++) {
		printf("frontend %d:", f);
		for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
			printf("  %s %d", ports[i].name, layout_port(l, ports[i].port, f));
		printf("\n");
	}
	printf("administration: http://127.0.0.1:%d/admin/ (for whom `stagepost user set ADDRESS roles=system_admin` "
	       "named)\n",
	       layout_port(l, 80, 0));
	printf("metrics: http://127.0.0.1:%d/metrics and up   Redis: %d\n", layout_metrics_port(l, 0),
	       layout_port(l, 6379, 0));
}
