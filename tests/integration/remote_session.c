/* One session with a remote mailbox (delivery-worker/retrieve/remote.h), for tests with real servers.
 *
 * usage: remote_session pop3|imap HOST PORT none|starttls|implicit USER CA-FILE [--any-certificate] STEP...
 * The password is the first line of the input. A CA-FILE "-" means the system's authorities.
 * Steps: folders, select=NAME, examine=NAME, list, changes=MODSEQ, fetch (what was listed),
 * delete (what was listed), idle, close. Each prints lines; the last line is "end". */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delivery-worker/net/tls.h"
#include "delivery-worker/retrieve/remote.h"
#include "lib/base/buf.h"

struct session {
	struct event_base *base;
	struct remote_box *box;
	char **steps; /* the next one; ended by NULL */
	uint32_t *uids;
	unsigned count, capacity;
	EVP_MD_CTX *digest;
	uint64_t bytes;
};

static void session_next(struct session *s);

static void
session_end(struct session *s)
{
	remote_box_free(&s->box);
	printf("end\n");
	event_base_loopbreak(s->base);
}

static void
session_go_on(struct session *s, const char *done, const struct remote_failure *failure)
{
	if (failure != NULL)
		printf("failed %s: %s\n", remote_trouble_name(failure->trouble), failure->text);
	else if (done != NULL)
		printf("%s\n", done);
	fflush(stdout);
	if (failure != NULL)
		session_end(s);
	else
		session_next(s);
}

static void
session_on_open(void *arg, const struct remote_failure *failure)
{
	struct session *s = arg;
	struct remote_abilities can = remote_box_abilities(s->box);

	if (failure == NULL)
		printf("open %s;%s%s%s%s\n", remote_box_tls(s->box), can.idle ? " idle" : "",
		       can.condstore ? " condstore" : "", can.uidplus ? " uidplus" : "",
		       can.special_use ? " special-use" : "");
	session_go_on(s, NULL, failure);
}

static void
session_on_folders(void *arg, const struct remote_folder *folders, unsigned count,
		   const struct remote_failure *failure)
{
	for (unsigned i = 0; i < count; i++)
		printf("folder %d %d %c %.*s\n", folders[i].use, folders[i].no_select,
		       folders[i].delimiter != '\0' ? folders[i].delimiter : '0', STR_ARG(folders[i].name));
	session_go_on(arg, NULL, failure);
}

static void
session_on_selected(void *arg, const struct remote_state *state, const struct remote_failure *failure)
{
	if (failure == NULL)
		printf("selected %u %u %u %llu %d\n", state->uidvalidity, state->uidnext, state->exists,
		       (unsigned long long)state->highestmodseq, state->read_only);
	session_go_on(arg, NULL, failure);
}

static void
session_on_page(void *arg, const struct remote_message *messages, unsigned count, uint32_t next,
		const struct remote_failure *failure)
{
	struct session *s = arg;

	for (unsigned i = 0; i < count; i++) {
		const struct remote_message *m = &messages[i];

		printf("message %u %llu %u %lld %.*s", m->uid, (unsigned long long)m->size, m->flags,
		       (long long)m->date_ms, STR_ARG(m->uidl));
		for (unsigned k = 0; k < m->keyword_count; k++)
			printf(" %.*s", STR_ARG(m->keywords[k]));
		printf("\n");
		if (s->count == s->capacity) {
			s->capacity = s->capacity * 2 + 64;
			s->uids = realloc(s->uids, sizeof(*s->uids) * s->capacity);
		}
		s->uids[s->count++] = m->uid;
	}
	if (failure == NULL && next != 0)
		remote_box_list(s->box, next, session_on_page, s);
	else
		session_go_on(s, NULL, failure);
}

static void
session_on_message(void *arg, uint32_t uid, uint64_t size)
{
	struct session *s = arg;

	(void)uid;
	(void)size;
	EVP_DigestInit_ex(s->digest, EVP_sha256(), NULL);
	s->bytes = 0;
}

static void
session_on_piece(void *arg, struct str piece)
{
	struct session *s = arg;

	EVP_DigestUpdate(s->digest, piece.p, piece.len);
	s->bytes += piece.len;
}

static void
session_on_message_end(void *arg, uint32_t uid, const struct remote_failure *failure)
{
	struct session *s = arg;
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (failure != NULL) {
		printf("no-body %u %s: %s\n", uid, remote_trouble_name(failure->trouble), failure->text);
		return;
	}
	EVP_DigestFinal_ex(s->digest, sum, &len);
	printf("body %u %llu ", uid, (unsigned long long)s->bytes);
	for (unsigned i = 0; i < len; i++)
		printf("%02x", sum[i]);
	printf("\n");
}

static void
session_on_fetched(void *arg, const struct remote_failure *failure)
{
	session_go_on(arg, "fetched", failure);
}

static const struct remote_fetch_events session_fetch = {session_on_message, session_on_piece, session_on_message_end,
							 session_on_fetched};

static void
session_on_deleted(void *arg, bool expunged, const struct remote_failure *failure)
{
	session_go_on(arg, expunged ? "deleted" : "marked", failure);
}

static void
session_on_news(void *arg, const struct remote_failure *failure)
{
	session_go_on(arg, "news", failure);
}

static void
session_on_closed(void *arg, const struct remote_failure *failure)
{
	if (failure == NULL)
		printf("closed\n");
	session_end(arg);
}

static void
session_next(struct session *s)
{
	const char *step = *s->steps++, *value = step != NULL ? strchr(step, '=') : NULL;

	if (value != NULL)
		value++;
	if (step == NULL)
		session_end(s);
	else if (strcmp(step, "folders") == 0)
		remote_box_folders(s->box, session_on_folders, s);
	else if (strncmp(step, "select=", 7) == 0 || strncmp(step, "examine=", 8) == 0)
		remote_box_select(s->box, str_c(value), step[0] == 'e', session_on_selected, s);
	else if (strcmp(step, "list") == 0)
		remote_box_list(s->box, 0, session_on_page, s);
	else if (strncmp(step, "changes=", 8) == 0)
		remote_box_changes(s->box, strtoull(value, NULL, 10), session_on_page, s);
	else if (strcmp(step, "fetch") == 0)
		remote_box_fetch(s->box, s->uids, s->count, &session_fetch, s);
	else if (strcmp(step, "delete") == 0)
		remote_box_delete(s->box, s->uids, s->count, session_on_deleted, s);
	else if (strcmp(step, "idle") == 0)
		remote_box_idle(s->box, session_on_news, s);
	else if (strcmp(step, "close") == 0)
		remote_box_close(s->box, session_on_closed, s);
	else
		exit(2);
}

static bool
session_any_ip(void *arg, const struct ip *ip)
{
	(void)arg;
	(void)ip;
	return true;
}

int
main(int argc, char **argv)
{
	struct session s = {.base = event_base_new(), .digest = EVP_MD_CTX_new()};
	struct remote_options o = {.base = s.base, .ip_is_allowed = session_any_ip, .answer_ms = 20000};
	char secret[4096] = "";
	struct err err;

	if (argc < 7 || fgets(secret, sizeof(secret), stdin) == NULL)
		return 2;
	secret[strcspn(secret, "\n")] = '\0';
	o.protocol = strcmp(argv[1], "pop3") == 0 ? REMOTE_POP3 : REMOTE_IMAP;
	o.host = argv[2];
	o.port = (uint16_t)atoi(argv[3]);
	o.tls_mode = argv[4][0] == 'n' ? REMOTE_TLS_NONE : argv[4][0] == 's' ? REMOTE_TLS_STARTTLS : REMOTE_TLS_IMPLICIT;
	o.user = argv[5];
	o.secret = secret;
	o.tls = tls_context_new(strcmp(argv[6], "-") == 0 ? NULL : argv[6], "", &err);
	o.dns = dns_new(s.base, NULL, NULL, &err);
	if (o.tls == NULL || o.dns == NULL) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	s.steps = argv + 7;
	if (*s.steps != NULL && strcmp(*s.steps, "--any-certificate") == 0) {
		o.any_certificate = true;
		s.steps++;
	}
	s.box = remote_box_open(&o, session_on_open, &s);
	event_base_dispatch(s.base);
	dns_free(&o.dns);
	SSL_CTX_free(o.tls);
	EVP_MD_CTX_free(s.digest);
	free(s.uids);
	event_base_free(s.base);
	return 0;
}
