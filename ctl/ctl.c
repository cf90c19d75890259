/* What the tool's commands share: options, connection, waiting. */
#include "ctl/ctl.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/secret_file.h"
#include "lib/admin/brokers.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/host_port.h"
#include "lib/blob/blob.h"
#include "lib/directory/directory.h"
#include "lib/dkim/keys.h"
#include "lib/dns/dns.h"
#include "lib/mailbox/mailbox.h"
#include "lib/redis/url.h"
#include "lib/secret/seal.h"
#include "lib/settings/settings.h"

enum { CONNECT_MS = 5000, WAIT_MS = 30000, TURN_MS = 20, MAX_ARGS = 16 };

int
ctl_fail(const char *format, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("stagepost: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return 1;
}

int
ctl_usage(const char *name)
{
	for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			fprintf(stderr, "usage: stagepost %s %s\n", c->name, c->args);
	return 1;
}

/* ---- Options ---- */

static void
remove_arg(int *argc, char **argv, int at, int count)
{
	for (int i = at; i + count < *argc; i++)
		argv[i] = argv[i + count];
	*argc -= count;
}

int
ctl_take_option(int *argc, char **argv, const char *name, const char **value_out)
{
	size_t len = strlen(name);

	for (int i = 0; i < *argc; i++) {
		if (strncmp(argv[i], name, len) != 0)
			continue;
		if (argv[i][len] == '=') {
			*value_out = argv[i] + len + 1;
			remove_arg(argc, argv, i, 1);
			return 0;
		}
		if (argv[i][len] != '\0')
			continue;
		if (i + 1 >= *argc)
			return -1;
		*value_out = argv[i + 1];
		remove_arg(argc, argv, i, 2);
		return 0;
	}
	return 0;
}

bool
ctl_take_flag(int *argc, char **argv, const char *name)
{
	for (int i = 0; i < *argc; i++)
		if (strcmp(argv[i], name) == 0) {
			remove_arg(argc, argv, i, 1);
			return true;
		}
	return false;
}

bool
ctl_has_unknown_option(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (argv[i][0] == '-' && argv[i][1] == '-') {
			ctl_fail("unknown option %s", argv[i]);
			return true;
		}
	return false;
}

/* ---- Connection ---- */

void
ctl_turn(struct ctl *ctl)
{
	struct timeval turn = clock_timeval(TURN_MS);

	event_base_loopexit(ctl->base, &turn);
	event_base_loop(ctl->base, EVLOOP_ONCE);
}

int
ctl_connect(struct ctl *ctl, struct err *err)
{
	int64_t until = clock_monotonic_ms() + CONNECT_MS;

	if (ctl->redis != NULL)
		return 0;
	if (ctl->layout.redis_url[0] == '\0' && layout_load(&ctl->layout, ctl->dir, err) != 0)
		return -1;
	ctl->base = event_base_new();
	ctl->redis = redis_new(ctl->base, ctl->layout.redis_url, err);
	if (ctl->redis == NULL)
		return -1;
	ctl->tracking = tracking_new(ctl->base, ctl->layout.redis_url, err);
	if (ctl->tracking == NULL)
		return -1;
	while (!redis_is_connected(ctl->redis)) {
		if (clock_monotonic_ms() > until) {
			char shown[REDIS_URL_SHOWN_MAX];
			redis_url_show(ctl->layout.redis_url, shown, sizeof(shown));
			return err_set(err, ERR_UNAVAILABLE, "Redis at %.120s does not answer%s%.80s", shown,
				       redis_last_trouble(ctl->redis)[0] != '\0' ? ": " : "",
				       redis_last_trouble(ctl->redis));
		}
		ctl_turn(ctl);
	}
	ctl->admin = (struct admin){.base = ctl->base,
				    .redis = ctl->redis,
				    .tracking = ctl->tracking,
				    .redis_url = ctl->layout.redis_url,
				    .blobs_url = ctl->layout.blobs_url};
	return ctl_check_store(ctl, err);
}

struct settings_live *
ctl_settings(struct ctl *ctl)
{
	int64_t until = clock_monotonic_ms() + CONNECT_MS;

	if (ctl->settings == NULL)
		ctl->settings = settings_live_new(ctl->base, ctl->redis, ctl->tracking, false);
	while (!settings_live_is_read(ctl->settings) && clock_monotonic_ms() < until)
		ctl_turn(ctl);
	ctl->admin.settings = ctl->settings;
	return ctl->settings;
}

struct directory *
ctl_directory(struct ctl *ctl)
{
	if (ctl->directory == NULL)
		ctl->directory = directory_new(ctl->base, ctl->redis, ctl->tracking, ctl_settings(ctl));
	ctl->admin.directory = ctl->directory;
	return ctl->directory;
}

struct blob_store *
ctl_blobs(struct ctl *ctl, struct err *err)
{
	if (ctl->blobs == NULL)
		ctl->blobs = blob_store_open(ctl->base, ctl->layout.blobs_url, err);
	return ctl->blobs;
}

struct mailbox_store *
ctl_mailboxes(struct ctl *ctl, struct err *err)
{
	if (ctl->mailboxes == NULL && ctl_blobs(ctl, err) != NULL)
		ctl->mailboxes = mailbox_store_new(ctl->redis, ctl->blobs);
	ctl->admin.mailboxes = ctl->mailboxes;
	return ctl->mailboxes;
}

struct dkim_keys *
ctl_dkim(struct ctl *ctl)
{
	if (ctl->dkim == NULL)
		ctl->dkim = dkim_keys_new(ctl->redis, NULL);
	ctl->admin.dkim = ctl->dkim;
	return ctl->dkim;
}

struct dns *
ctl_dns(struct ctl *ctl, struct err *err)
{
	if (ctl->dns == NULL)
		ctl->dns = dns_new(ctl->base, getenv("STAGEPOST_RESOLVER"), NULL, err);
	ctl->admin.dns = ctl->dns;
	return ctl->dns;
}

int
ctl_seals(struct ctl *ctl, struct err *err)
{
	const char *given = getenv("STAGEPOST_SECRET_KEY");
	char text[SECRET_FILE_KEY_MAX] = "", path[LAYOUT_PATH_MAX];

	if (given == NULL || given[0] == '\0') {
		layout_path(&ctl->layout, "tls/secret.key", path);
		if (ctl->layout.dir[0] == '\0' || secret_file_read(path, text, sizeof(text), err) != 0)
			return err_set(err, ERR_DENIED, "no key for secrets is set (STAGEPOST_SECRET_KEY)");
		given = text;
	}
	if (ctl->seals == NULL)
		ctl->seals = secret_keys_new(str_c(given), err);
	OPENSSL_cleanse(text, sizeof(text));
	ctl->admin.seals = ctl->seals;
	return ctl->seals != NULL ? 0 : -1;
}

int
ctl_hostname(struct ctl *ctl, struct err *err)
{
	const char *name = getenv("STAGEPOST_HOSTNAME");

	if (name == NULL || name[0] == '\0')
		name = ctl->layout.hostname;
	if (!host_name_is_valid(str_c(name)))
		return err_set(err, ERR_INVALID, "set STAGEPOST_HOSTNAME to the host name of the frontends");
	ctl->admin.hostname = name;
	return 0;
}

void
ctl_disconnect(struct ctl *ctl)
{
	if (ctl->base == NULL)
		return;
	admin_brokers_free(&ctl->brokers);
	secret_keys_free(&ctl->seals);
	dkim_keys_free(&ctl->dkim);
	dns_free(&ctl->dns);
	if (ctl->mailboxes != NULL)
		mailbox_store_free(&ctl->mailboxes);
	if (ctl->blobs != NULL)
		blob_store_close(&ctl->blobs);
	if (ctl->directory != NULL)
		directory_free(&ctl->directory);
	if (ctl->settings != NULL)
		settings_live_free(&ctl->settings);
	if (ctl->tracking != NULL)
		tracking_free(&ctl->tracking);
	if (ctl->redis != NULL)
		redis_free(&ctl->redis);
	event_base_free(ctl->base);
	ctl->base = NULL;
}

/* ---- Waiting ---- */

void
ctl_wait_end(struct ctl_wait *w, const struct err *err)
{
	w->done = true;
	if (err != NULL)
		w->err = *err;
}

void
ctl_on_done(void *wait, const struct err *err)
{
	ctl_wait_end(wait, err);
}

int
ctl_wait(struct ctl *ctl, struct ctl_wait *w)
{
	int64_t until = clock_monotonic_ms() + WAIT_MS;

	while (!w->done) {
		/* The callback may still be called and would write to a stack
		 * frame that is gone, so the program cannot continue. */
		if (clock_monotonic_ms() > until)
			exit(ctl_fail("no answer within %d s", WAIT_MS / 1000));
		ctl_turn(ctl);
	}
	return w->err.code == ERR_NONE ? 0 : -1;
}

void
ctl_on_result(void *result, cJSON *json, const struct err *err)
{
	struct ctl_result *r = result;

	r->json = json;
	ctl_wait_end(&r->wait, err);
}

int
ctl_await_done(struct ctl *ctl, struct ctl_wait *w)
{
	while (!w->done)
		ctl_turn(ctl);
	return w->err.code == ERR_NONE ? 0 : ctl_fail("%s", w->err.text);
}

cJSON *
ctl_await(struct ctl *ctl, struct ctl_result *r)
{
	return ctl_await_done(ctl, &r->wait) == 0 ? r->json : NULL;
}

struct redis_wait {
	struct ctl_wait wait;
	redisReply *reply; /* owner */
};

/* A reply is borrowed during the callback; the tool needs to keep it. */
static redisReply *
copy_reply(const redisReply *reply)
{
	redisReply *copy = calloc(1, sizeof(*copy));

	copy->type = reply->type;
	copy->integer = reply->integer;
	if (reply->str != NULL) {
		copy->len = reply->len;
		copy->str = malloc((size_t)reply->len + 1);
		memcpy(copy->str, reply->str, (size_t)reply->len);
		copy->str[reply->len] = '\0';
	}
	copy->elements = reply->elements;
	if (reply->elements != 0)
		copy->element = calloc(reply->elements, sizeof(*copy->element));
	for (size_t i = 0; i < reply->elements; i++)
		copy->element[i] = copy_reply(reply->element[i]);
	return copy;
}

static void
on_redis_reply(void *arg, const redisReply *reply, const struct err *err)
{
	struct redis_wait *w = arg;

	if (reply != NULL)
		w->reply = copy_reply(reply);
	ctl_wait_end(&w->wait, err);
}

redisReply *
ctl_redis(struct ctl *ctl, struct err *err, ...)
{
	struct redis_wait w = {.wait = CTL_WAIT};
	struct str argv[MAX_ARGS];
	size_t argc = 0;
	const char *word;
	va_list ap;

	va_start(ap, err);
	while ((word = va_arg(ap, const char *)) != NULL) {
		CHECK(argc < MAX_ARGS);
		argv[argc++] = str_c(word);
	}
	va_end(ap);
	redis_call(ctl->redis, on_redis_reply, &w, argc, argv);
	if (ctl_wait(ctl, &w.wait) == 0)
		return w.reply;
	if (err != NULL)
		*err = w.wait.err;
	return NULL;
}

int
ctl_duration(const char *option, const char *text, int64_t *ms_out)
{
	static const struct settings_row row = {.group = "tool",
						.field = "duration",
						.type = SETTING_DURATION,
						.default_text = "1d",
						.unit = "s",
						.max = INT64_C(365) * 24 * 3600 * 1000};
	static const struct {
		char unit;
		int64_t ms;
	} units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
	struct str number = str_c(text);
	struct err err;
	int64_t factor = 1000;

	if (settings_check_value(&row, str_c(text), &err) != 0)
		return ctl_fail("%s: %s", option, err.text);
	for (unsigned i = 0; i < 4; i++)
		if (number.p[number.len - 1] == units[i].unit) {
			number.len--;
			factor = units[i].ms;
			break;
		}
	if (!str_to_i64(number, ms_out))
		return ctl_fail("%s takes a duration as 12h, not '%s'", option, text);
	*ms_out *= factor;
	return 0;
}

int
ctl_number(const char *option, const char *text, uint64_t *number_out)
{
	return str_to_u64(str_c(text), number_out) ? 0 : ctl_fail("%s takes a number, not '%s'", option, text);
}
