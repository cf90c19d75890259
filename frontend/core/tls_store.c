/* All certificates of the frontend: the default, those in the folder, and those of the
 * store (tls_stored.c).
 *
 * A round of checks takes LOOK_TICKS seconds. Each tick checks part of the pairs, so
 * that a folder with thousands of them does not hold up the loop. */
#include <dirent.h>
#include <errno.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "frontend/core/tls_private.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/service/metrics.h"

enum {
	TICK_MS = 1000,
	LOOK_TICKS = 10,
	FOLDERS_MAX = 10000,
	NAME_MAX_BYTES = 255,
	STATUS_MAX = 10,
	STATUS_HOSTS_MAX = 10
};

/* Iterates over all certificates; c NULL: returns the first. */
static struct certificate *
tls_store_next(const struct tls *t, const struct certificate *c)
{
	struct certificate *next;

	if (c == NULL && t->given != NULL)
		return t->given;
	next = c == NULL || c == t->given ? t->folders : c->hh.next;
	return next == NULL && (c == NULL || c->entry == NULL) ? t->stored : next;
}

/* ---- Names ---- */

static void
tls_store_add_name(struct tls *t, struct str name, struct certificate *pair)
{
	char text[NAME_MAX_BYTES + 1];
	struct tls_name *n;

	if (name.len == 0 || !str_copy(name, text, sizeof(text)) || memchr(text, '\0', name.len) != NULL)
		return;
	str_lower(text, name.len);
	HASH_FIND_STR(t->names, text, n);
	if (n != NULL)
		return; /* the first to claim a name keeps it */
	n = mem_new(struct tls_name);
	n->name = mem_strdup(text);
	n->pair = pair;
	HASH_ADD_KEYPTR(hh, t->names, n->name, strlen(n->name), n);
}

/* The names that it was issued for. */
static void
tls_store_add_issued(struct tls *t, struct certificate *pair)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(SSL_CTX_get0_certificate(pair->ctx), NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_DNS)
			tls_store_add_name(t,
					   str_of((const char *)ASN1_STRING_get0_data(name->d.dNSName),
						  (size_t)ASN1_STRING_length(name->d.dNSName)),
					   pair);
	}
	GENERAL_NAMES_free(names);
}

static void
tls_store_forget_names(struct tls *t)
{
	struct tls_name *n, *next;

	HASH_ITER (hh, t->names, n, next) {
		HASH_DEL(t->names, n);
		mem_free(n->name);
		mem_free(n);
	}
}

/* A default that clients would refuse anyway. */
static bool
tls_store_gives_way(const struct tls *t)
{
	X509 *given = t->given != NULL && t->given->ctx != NULL ? SSL_CTX_get0_certificate(t->given->ctx) : NULL;

	return given != NULL && (X509_self_signed(given, 0) == 1 || t->given->ends_ms <= clock_unix_ms());
}

/* The first to claim a name keeps it. */
static void
tls_store_make_names(struct tls *t)
{
	struct certificate *given = t->given != NULL && t->given->ctx != NULL ? t->given : NULL, *c, *next;

	tls_store_forget_names(t);
	HASH_ITER (hh, t->folders, c, next)
		if (c->ctx != NULL)
			tls_store_add_name(t, str_c(c->name), c);
	if (given != NULL && !t->given_gives_way)
		tls_store_add_issued(t, given);
	HASH_ITER (hh, t->folders, c, next)
		if (c->ctx != NULL)
			tls_store_add_issued(t, c);
	HASH_ITER (hh, t->stored, c, next)
		if (c->ctx != NULL)
			tls_store_add_name(t, str_c(c->name), c);
	if (given != NULL)
		tls_store_add_issued(t, given);
}

static struct certificate *
tls_store_first(struct certificate *list)
{
	while (list != NULL && list->ctx == NULL)
		list = list->hh.next;
	return list;
}

/* For clients that name no server, or an unknown one. */
static struct certificate *
tls_store_default(const struct tls *t)
{
	struct certificate *given = t->given != NULL && t->given->ctx != NULL ? t->given : NULL, *own = NULL, *c;
	char name[NAME_MAX_BYTES + 1];

	/* Names are stored in lower case. */
	if (t->options.hostname != NULL && str_copy(str_c(t->options.hostname), name, sizeof(name))) {
		str_lower(name, strlen(name));
		HASH_FIND_STR(t->stored, name, own);
	}
	if (own != NULL && own->ctx != NULL && (given == NULL || t->given_gives_way))
		return own;
	c = given != NULL ? given : tls_store_first(t->folders);
	return c != NULL ? c : tls_store_first(t->stored);
}

/* Rebuilt after each change: names are few, and rarely change. */
void
tls_store_note_change(struct tls *t)
{
	struct certificate *c;
	int64_t first_end = 0, bad = 0;

	t->given_gives_way = tls_store_gives_way(t);
	tls_store_make_names(t);
	t->any = tls_store_default(t);
	for (c = tls_store_next(t, NULL); c != NULL; c = tls_store_next(t, c)) {
		bad += c->problem[0] != '\0';
		if (c->ctx != NULL && (first_end == 0 || c->ends_ms < first_end))
			first_end = c->ends_ms;
	}
	metrics_set(M_CERTIFICATES_BAD, bad);
	metrics_set(M_CERTIFICATE_END, first_end / 1000);
}

struct certificate *
tls_store_choose(const struct tls *t, const char *server_name)
{
	char name[NAME_MAX_BYTES + 2];
	struct tls_name *n = NULL;
	size_t len = server_name != NULL ? strlen(server_name) : 0;
	char *dot;

	if (len == 0 || len > NAME_MAX_BYTES)
		return t->any;
	memcpy(name, server_name, len + 1);
	str_lower(name, len);
	HASH_FIND_STR(t->names, name, n);
	dot = strchr(name, '.');
	if (n == NULL && dot != NULL && dot != name) {
		/* RFC 6125: the asterisk stands for one whole label. */
		*--dot = '*';
		HASH_FIND_STR(t->names, dot, n);
	}
	return n != NULL ? n->pair : t->any;
}

/* ---- Checking the files ---- */

static int
tls_store_is_pair(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && strlen(entry->d_name) <= NAME_MAX_BYTES;
}

static int
tls_store_by_name(struct certificate *a, struct certificate *b)
{
	return strcmp(a->name, b->name);
}

static void
tls_store_add_folder(struct tls *t, const char *name)
{
	struct certificate *c;

	HASH_FIND_STR(t->folders, name, c);
	if (c == NULL && HASH_COUNT(t->folders) < FOLDERS_MAX) {
		c = certificate_new(name, t->options.dir, NULL, NULL);
		HASH_ADD_KEYPTR(hh, t->folders, c->name, strlen(c->name), c);
	}
	if (c != NULL)
		c->listed = true;
}

/* Which folders exist. True: one has been removed. -1 in *result: the directory cannot be read. */
static bool
tls_store_list(struct tls *t, struct err *err, int *result)
{
	struct certificate *c, *next;
	struct dirent **entries;
	int count = scandir(t->options.dir, &entries, tls_store_is_pair, NULL);
	bool gone = false;

	*result = 0;
	if (count < 0) {
		*result = err_set_errno(err, errno, "the folder of certificates %s", t->options.dir);
		return false;
	}
	HASH_ITER (hh, t->folders, c, next)
		c->listed = false;
	for (int i = 0; i < count; i++) {
		tls_store_add_folder(t, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	HASH_ITER (hh, t->folders, c, next)
		if (!c->listed) {
			log_info(NULL, "certificate removed", F_C("name", c->name));
			HASH_DEL(t->folders, c);
			certificate_free(&c);
			gone = true;
		}
	HASH_SORT(t->folders, tls_store_by_name);
	return gone;
}

/* Checks at most `most` of the pairs. */
static void
tls_store_look(struct tls *t, unsigned most)
{
	bool changed = false;
	int listed = 0;
	struct err err;

	if (t->next == NULL) {
		changed = t->given != NULL && certificate_look(t->given, t);
		changed |= t->given_gives_way != tls_store_gives_way(t);
		if (t->options.dir != NULL)
			changed |= tls_store_list(t, &err, &listed);
		if (listed != 0 && !t->dir_failed)
			log_error(NULL, "certificates cannot be examined", F_ERR(&err));
		t->dir_failed = listed != 0;
		t->next = t->folders;
	}
	for (; t->next != NULL && most != 0; most--, t->next = t->next->hh.next)
		changed |= certificate_look(t->next, t);
	if (changed)
		tls_store_note_change(t);
}

static void
tls_store_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct tls *t = arg;

	(void)fd, (void)what;
	/* A round over few or no folders has its own pace: one folder a second. */
	tls_store_look(t, HASH_COUNT(t->folders) / LOOK_TICKS + 1);
}

static void
tls_store_on_hangup(evutil_socket_t fd, short what, void *arg)
{
	struct tls *t = arg;

	(void)fd, (void)what;
	t->next = NULL;
	tls_store_look(t, FOLDERS_MAX);
}

/* ---- Life ---- */

int
tls_store_open(struct tls *t, struct event_base *base, struct err *err)
{
	struct timeval every = clock_timeval(TICK_MS);

	if (t->options.cert_path != NULL) {
		t->given = certificate_new("default", NULL, t->options.cert_path, t->options.key_path);
		certificate_look(t->given, t);
		if (t->given->ctx == NULL)
			return err_set(err, ERR_INVALID, "the certificate: %.200s", t->given->problem);
	}
	if (t->options.dir != NULL && access(t->options.dir, R_OK | X_OK) != 0)
		return err_set_errno(err, errno, "the folder of certificates %s", t->options.dir);
	tls_store_look(t, FOLDERS_MAX);
	tls_store_note_change(t);
	t->look = event_new(base, -1, EV_PERSIST, tls_store_on_tick, t);
	t->hangup = evsignal_new(base, SIGHUP, tls_store_on_hangup, t);
	event_add(t->look, &every);
	event_add(t->hangup, NULL);
	if (t->options.keys != NULL)
		t->reader = tls_stored_open(t, base);
	return 0;
}

void
tls_store_close(struct tls *t)
{
	struct certificate *c, *next;

	if (t->look != NULL)
		event_free(t->look);
	if (t->hangup != NULL)
		event_free(t->hangup);
	tls_stored_close(&t->reader);
	tls_store_forget_names(t);
	HASH_ITER (hh, t->folders, c, next) {
		HASH_DEL(t->folders, c);
		certificate_free(&c);
	}
	HASH_ITER (hh, t->stored, c, next) {
		HASH_DEL(t->stored, c);
		certificate_free(&c);
	}
	certificate_free(&t->given);
}

/* ---- For the operator ---- */

/* Those with problems first, then by expiry. */
static bool
tls_store_is_more_urgent(const struct certificate *a, const struct certificate *b)
{
	if ((a->problem[0] != '\0') != (b->problem[0] != '\0'))
		return a->problem[0] != '\0';
	return a->ends_ms < b->ends_ms;
}

/* What a certificate says may be any bytes. */
static cJSON *
tls_store_text(const ASN1_STRING *s)
{
	unsigned char *text = NULL;
	int len = s != NULL ? ASN1_STRING_to_UTF8(&text, s) : -1;
	cJSON *value = NULL;

	if (len > 0 && str_is_utf8(str_of((const char *)text, (size_t)len)))
		value = cJSON_CreateString((const char *)text);
	OPENSSL_free(text);
	return value;
}

static void
tls_store_add_hosts(cJSON *o, const X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	cJSON *hosts = cJSON_AddArrayToObject(o, "hosts");

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && cJSON_GetArraySize(hosts) < STATUS_HOSTS_MAX; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		cJSON *text = name->type == GEN_DNS ? tls_store_text(name->d.dNSName) : NULL;
		if (text != NULL)
			cJSON_AddItemToArray(hosts, text);
	}
	GENERAL_NAMES_free(names);
}

/* The authority's organisation, or what else its name says. */
static void
tls_store_add_issuer(cJSON *o, const X509 *cert)
{
	X509_NAME *issuer = X509_get_issuer_name(cert);
	int at = X509_NAME_get_index_by_NID(issuer, NID_organizationName, -1);
	cJSON *text;

	if (at < 0)
		at = X509_NAME_get_index_by_NID(issuer, NID_commonName, -1);
	text = at >= 0 ? tls_store_text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(issuer, at))) : NULL;
	if (text != NULL)
		cJSON_AddItemToObject(o, "issuer", text);
}

static void
tls_store_add_one(cJSON *list, const struct certificate *c)
{
	cJSON *o = cJSON_CreateObject();
	char ends[CLOCK_ISO8601_MAX];

	cJSON_AddItemToArray(list, o);
	cJSON_AddStringToObject(o, "name", c->name);
	if (c->cert_path == NULL)
		cJSON_AddTrueToObject(o, "ordered");
	if (c->ctx != NULL) {
		tls_store_add_hosts(o, SSL_CTX_get0_certificate(c->ctx));
		tls_store_add_issuer(o, SSL_CTX_get0_certificate(c->ctx));
		int64_t days_left = (c->ends_ms - clock_unix_ms()) / 86400000;
		clock_iso8601(c->ends_ms, ends, sizeof(ends));
		cJSON_AddStringToObject(o, "ends", ends);
		cJSON_AddNumberToObject(o, "days_left", (double)days_left);
	}
	if (c->problem[0] != '\0')
		cJSON_AddStringToObject(o, "problem", c->problem);
}

void
tls_add_status(const struct tls *t, cJSON *status)
{
	const struct certificate *top[STATUS_MAX], *c;
	unsigned used = 0;
	cJSON *list = cJSON_AddArrayToObject(status, "certificates");

	for (c = tls_store_next(t, NULL); c != NULL; c = tls_store_next(t, c)) {
		unsigned at = used;
		for (; at > 0 && tls_store_is_more_urgent(c, top[at - 1]); at--)
			if (at < STATUS_MAX)
				top[at] = top[at - 1];
		if (at < STATUS_MAX)
			top[at] = c;
		if (used < STATUS_MAX)
			used++;
	}
	for (unsigned i = 0; i < used; i++)
		tls_store_add_one(list, top[i]);
	cJSON_AddNumberToObject(status, "certificate_count",
				(double)(HASH_COUNT(t->folders) + HASH_COUNT(t->stored) + (t->given != NULL ? 1 : 0)));
}
