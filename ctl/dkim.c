/* The command domain dkim: keys made, listed with their records, rotated. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "lib/base/clock.h"
#include "lib/dkim/keys.h"
#include "lib/directory/directory.h"

struct options {
	char domain[DIRECTORY_DOMAIN_MAX];
	const char *selector; /* NULL: not given */
	enum dkim_algorithm algorithm;
	bool has_algorithm;
	bool inactive, activate, delete;
};

static int
take_options(int *argc, char **argv, struct options *o)
{
	const char *algorithm = NULL;

	memset(o, 0, sizeof(*o));
	o->inactive = ctl_take_flag(argc, argv, "--inactive");
	o->activate = ctl_take_flag(argc, argv, "--activate");
	o->delete = ctl_take_flag(argc, argv, "--delete");
	if (ctl_take_option(argc, argv, "--selector", &o->selector) != 0 ||
	    ctl_take_option(argc, argv, "--algorithm", &algorithm) != 0)
		return ctl_usage("domain dkim");
	if (ctl_has_unknown_option(*argc, argv))
		return 1;
	if (*argc != 1 || o->inactive + o->activate + o->delete > 1 ||
	    ((o->activate || o->delete) && o->selector == NULL))
		return ctl_usage("domain dkim");
	o->has_algorithm = algorithm != NULL;
	if (algorithm != NULL && !dkim_algorithm_parse(str_c(algorithm), &o->algorithm))
		return ctl_fail("--algorithm is rsa or ed25519");
	if (!directory_canonical_domain(str_c(argv[0]), o->domain))
		return ctl_fail("'%s' is not a domain", argv[0]);
	return 0;
}

/* ---- Listing ---- */
struct list_wait {
	struct ctl_wait wait;
	const struct options *options;
	cJSON *list; /* owner */
};

static void
add_key(struct list_wait *w, const struct dkim_key *key)
{
	struct buf record = BUF_EMPTY, zone = BUF_EMPTY;
	cJSON *o = cJSON_CreateObject();
	char name[DIRECTORY_DOMAIN_MAX + DKIM_SELECTOR_MAX + 16];

	dkim_key_record(key, &record);
	dkim_key_zone_line(key, str_c(w->options->domain), &zone);
	snprintf(name, sizeof(name), "%s._domainkey.%s", key->selector, w->options->domain);
	cJSON_AddStringToObject(o, "selector", key->selector);
	cJSON_AddStringToObject(o, "algorithm", dkim_algorithm_name(key->algorithm));
	cJSON_AddStringToObject(o, "state", dkim_state_name(key->state));
	cJSON_AddNumberToObject(o, "created_ms", (double)key->created_ms);
	cJSON_AddStringToObject(o, "name", name);
	output_add_str(o, "record", buf_str(&record));
	output_add_str(o, "zone_line", buf_str(&zone));
	cJSON_AddItemToArray(w->list, o);
	buf_fini(&record);
	buf_fini(&zone);
}

/* All, or those of the selector or algorithm that was asked for. */
static void
on_list(void *arg, const struct dkim_key *keys, unsigned count, const struct err *err)
{
	struct list_wait *w = arg;
	const struct options *o = w->options;

	w->list = cJSON_CreateArray();
	for (unsigned i = 0; i < count; i++) {
		if (o->selector != NULL ? strcmp(o->selector, keys[i].selector) == 0
					: !o->has_algorithm || o->algorithm == keys[i].algorithm)
			add_key(w, &keys[i]);
	}
	ctl_wait_end(&w->wait, err);
}

static const char *
text_of(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItem(object, name));
}

static void
print(const struct ctl *ctl, cJSON *list)
{
	const cJSON *o;

	if (ctl->json) {
		output_json(list);
		return;
	}
	cJSON_ArrayForEach (o, list)
		printf("; selector %s, %s, %s\n%s\n", text_of(o, "selector"), text_of(o, "algorithm"),
		       text_of(o, "state"), text_of(o, "zone_line"));
	cJSON_Delete(list);
}

static int
read_list(struct ctl *ctl, struct dkim_keys *keys, const struct options *o, cJSON **list_out)
{
	struct list_wait w = {.wait = CTL_WAIT, .options = o};

	dkim_keys_list(keys, str_c(o->domain), on_list, &w);
	if (ctl_wait(ctl, &w.wait) != 0)
		return ctl_fail("%s", w.wait.err.text);
	*list_out = w.list;
	return 0;
}

/* ---- Making ---- */
static int
make_key(struct ctl *ctl, struct dkim_keys *keys, const struct options *o, const char *selector)
{
	struct ctl_wait w = CTL_WAIT;
	struct dkim_key key;
	struct err err;

	if (dkim_key_make(o->algorithm, str_c(selector), clock_unix_ms(), &key, &err) != 0)
		return ctl_fail("%s", err.text);
	key.state = o->inactive ? DKIM_WAITING : DKIM_ACTIVE;
	dkim_keys_add(keys, str_c(o->domain), &key, ctl_on_done, &w);
	dkim_key_fini(&key);
	return ctl_wait(ctl, &w) == 0 ? 0 : ctl_fail("%s", w.err.text);
}

/* A selector tells when its key was made: "s20261123", "e20261123" for ed25519. */
static void
default_selector(enum dkim_algorithm algorithm, char *out, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	snprintf(out, size, "%c%04d%02d%02d", algorithm == DKIM_RSA ? 's' : 'e', tm.tm_year + 1900, tm.tm_mon + 1,
		 tm.tm_mday);
}

/* Prints what there is, after making what was asked for and is not there. */
static int
show_or_make(struct ctl *ctl, struct dkim_keys *keys, const struct options *o)
{
	char selector[DKIM_SELECTOR_MAX];
	cJSON *list = NULL;

	if (read_list(ctl, keys, o, &list) != 0)
		return 1;
	if (cJSON_GetArraySize(list) == 0) {
		cJSON_Delete(list);
		default_selector(o->algorithm, selector, sizeof(selector));
		if (make_key(ctl, keys, o, o->selector != NULL ? o->selector : selector) != 0 ||
		    read_list(ctl, keys, o, &list) != 0)
			return 1;
	} else if (o->has_algorithm && o->selector != NULL &&
		   strcmp(text_of(cJSON_GetArrayItem(list, 0), "algorithm"), dkim_algorithm_name(o->algorithm)) != 0) {
		cJSON_Delete(list);
		return ctl_fail("selector %s has a key of another algorithm", o->selector);
	}
	print(ctl, list);
	return 0;
}

int
command_domain_dkim(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_wait w = CTL_WAIT;
	struct dkim_keys *keys;
	struct options o;
	struct err err;
	int status = 0;

	if (take_options(&argc, argv, &o) != 0)
		return 1;
	if (ctl_connect(ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	keys = dkim_keys_new(ctl->redis, NULL);
	if (o.activate)
		dkim_keys_activate(keys, str_c(o.domain), str_c(o.selector), ctl_on_done, &w);
	else if (o.delete)
		dkim_keys_delete(keys, str_c(o.domain), str_c(o.selector), ctl_on_done, &w);
	else
		status = show_or_make(ctl, keys, &o);
	if ((o.activate || o.delete) && ctl_wait(ctl, &w) != 0)
		status = ctl_fail("%s", w.err.text);
	dkim_keys_free(&keys);
	return status;
}
