/* The domain, accounts and message of the first start. */
#include "ctl/demo.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/first_admin.h"
#include "lib/auth/auth.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/directory/directory.h"
#include "lib/redis/keys.h"

#define DEMO_DOMAIN   "example.test"
#define DEMO_PASSWORD "secret"

enum { ARRIVAL_MS = 10000 };

static int
add_accounts(struct ctl *ctl, struct err *err)
{
	static const char *const addresses[] = {"alice@" DEMO_DOMAIN, "bob@" DEMO_DOMAIN};
	static const struct directory_field admin = {STR("roles"), STR("domain_admin")};
	struct ctl_wait w = CTL_WAIT;

	directory_domain_add(ctl_directory(ctl), STR(DEMO_DOMAIN), NULL, 0, ctl_on_done, &w);
	if (ctl_wait(ctl, &w) != 0)
		goto failed;
	for (unsigned i = 0; i < 2; i++) {
		char argon2id[AUTH_VERIFIER_MAX], scram[AUTH_VERIFIER_MAX];
		if (auth_make_argon2id(STR(DEMO_PASSWORD), argon2id, err) != 0 ||
		    auth_make_scram_sha256(STR(DEMO_PASSWORD), scram, err) != 0)
			return -1;
		w = CTL_WAIT;
		/* Alice is the admin, so that the domain has a postmaster. */
		directory_user_add(ctl_directory(ctl), str_c(addresses[i]), str_c(argon2id), str_c(scram), &admin,
				   i == 0, ctl_on_done, &w);
		if (ctl_wait(ctl, &w) != 0)
			goto failed;
	}
	printf("Created the domain " DEMO_DOMAIN " with alice and bob (password " DEMO_PASSWORD ").\n");
	return first_admin_make(ctl, err);
failed:
	*err = w.err;
	return -1;
}

/* ---- The first message, sent with libcurl as any client would ---- */

struct upload {
	const char *text;
	size_t sent;
};

static size_t
give_message(char *out, size_t size, size_t count, void *arg)
{
	struct upload *u = arg;
	size_t left = strlen(u->text) - u->sent, room = size * count;
	size_t now = left < room ? left : room;

	memcpy(out, u->text + u->sent, now);
	u->sent += now;
	return now;
}

static size_t
take_bytes(char *data, size_t size, size_t count, void *arg)
{
	buf_add(arg, data, size * count);
	return size * count;
}

static int
send_message(const struct layout *l, struct err *err)
{
	char url[100], date[CLOCK_RFC5322_MAX], text[900];
	struct upload upload = {.text = text};
	struct curl_slist *to = curl_slist_append(NULL, "alice@" DEMO_DOMAIN);
	CURL *curl = curl_easy_init();
	CURLcode code;

	clock_rfc5322(clock_unix_ms(), date, sizeof(date));
	snprintf(text, sizeof(text),
		 "From: Bob <bob@" DEMO_DOMAIN ">\r\nTo: Alice <alice@" DEMO_DOMAIN
		 ">\r\nSubject: Welcome to Stagepost\r\n"
		 "Date: %s\r\nMessage-ID: <welcome.%lld@" DEMO_DOMAIN ">\r\nMIME-Version: 1.0\r\n"
		 "Content-Type: text/plain; charset=utf-8\r\n\r\n"
		 "This message arrived by SMTP, passed through the spool, was delivered to\r\n"
		 "your mailbox by a delivery worker, and is now read by POP3.\r\n",
		 date, (long long)clock_unix_ms());
	snprintf(url, sizeof(url), "smtp://127.0.0.1:%d/localhost", layout_port(l, 25, 0));
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_MAIL_FROM, "<bob@" DEMO_DOMAIN ">");
	curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_message);
	curl_easy_setopt(curl, CURLOPT_READDATA, &upload);
	curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
	code = curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	curl_slist_free_all(to);
	return code == CURLE_OK ? 0 : err_set(err, ERR_UNAVAILABLE, "sending it: %s", curl_easy_strerror(code));
}

/* The first message of alice's maildrop; 0 once it is there. */
static int
read_message(const struct layout *l, struct buf *message)
{
	char url[100];
	CURL *curl = curl_easy_init();
	CURLcode code;

	snprintf(url, sizeof(url), "pop3://127.0.0.1:%d/1", layout_port(l, 110, 0));
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_USERNAME, "alice@" DEMO_DOMAIN);
	curl_easy_setopt(curl, CURLOPT_PASSWORD, DEMO_PASSWORD);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, message);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
	code = curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	return code == CURLE_OK ? 0 : -1;
}

static int
show_first_message(const struct layout *l, struct err *err)
{
	int64_t until = clock_monotonic_ms() + ARRIVAL_MS;
	struct buf message = BUF_EMPTY;
	struct str rest, line;

	if (send_message(l, err) != 0)
		return -1;
	while (read_message(l, &message) != 0) {
		buf_clear(&message);
		if (clock_monotonic_ms() > until)
			return err_set(err, ERR_TIMEOUT, "it did not arrive within %d s", ARRIVAL_MS / 1000);
		usleep(50000);
	}
	printf("\nThe first message, as alice reads it by POP3:\n\n");
	rest = buf_str(&message);
	while (rest.len != 0) {
		str_cut(rest, '\n', &line, &rest);
		line = str_trim(line);
		printf("  | %.*s\n", STR_ARG(line));
	}
	printf("\n");
	buf_fini(&message);
	return 0;
}

int
demo_run(const struct layout *l, struct err *err)
{
	struct ctl ctl = {.dir = l->dir, .layout = *l};
	redisReply *domains;
	int result = -1;
	bool fresh;

	if (l->frontends == 0 || l->brokers == 0 || l->workers == 0)
		return 0;
	arena_init(&ctl.arena);
	if (ctl_connect(&ctl, err) != 0)
		goto end;
	domains = ctl_redis(&ctl, err, "SCARD", redis_key_pattern(KEY_DOMAINS), NULL);
	if (domains == NULL)
		goto end;
	fresh = redis_i64(domains, 0) == 0;
	freeReplyObject(domains);
	result = 0;
	if (fresh)
		result = add_accounts(&ctl, err) == 0 ? show_first_message(l, err) : -1;
end:
	ctl_disconnect(&ctl);
	arena_fini(&ctl.arena);
	return result;
}

void
demo_print_admin(const struct layout *l)
{
	struct ctl ctl = {.dir = l->dir, .layout = *l};
	struct err err;

	arena_init(&ctl.arena);
	if (ctl_connect(&ctl, &err) == 0)
		first_admin_print(&ctl);
	ctl_disconnect(&ctl);
	arena_fini(&ctl.arena);
}

void
demo_print_try(const struct layout *l)
{
	printf("\nTry:\n"
	       "  swaks --server 127.0.0.1:%d --from bob@example.test --to alice@example.test\n"
	       "  curl -k --user alice@example.test:secret 'pop3s://127.0.0.1:%d/1'\n"
	       "  curl -k --user alice@example.test:secret 'imaps://127.0.0.1:%d/INBOX;MAILINDEX=1'\n\n",
	       layout_port(l, 25, 0), layout_port(l, 995, 0), layout_port(l, 993, 0));
}
