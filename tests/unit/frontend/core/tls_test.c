/* The certificate store: which certificate a client gets, files that arrive one after
 * the other, tickets that another frontend accepts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/core/tls.h"
#include "frontend/core/tls_private.h"
#include "lib/base/clock.h"
#include "lib/service/metrics.h"

static struct event_base *base;
static struct secret *secret;
static char dir[64];

/* ---- Files ---- */

static void
path_of(const char *name, const char *file, char out[200])
{
	snprintf(out, 200, "%s/%s%s%s", dir, name, file != NULL ? "/" : "", file != NULL ? file : "");
}

static EVP_PKEY *
write_cert(const char *name, const char *alt, int days)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	char path[200];
	FILE *f;

	path_of(name, NULL, path);
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), days * 86400L + 60);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
				   0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	if (alt != NULL) {
		X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt);
		assert_non_null(ext);
		X509_add_ext(cert, ext, -1);
		X509_EXTENSION_free(ext);
	}
	X509_sign(cert, key, EVP_sha256());
	path_of(name, "cert.pem", path);
	f = fopen(path, "w");
	PEM_write_X509(f, cert);
	fclose(f);
	X509_free(cert);
	return key;
}

static void
write_key(const char *name, EVP_PKEY *key)
{
	char path[200];
	FILE *f;

	path_of(name, "key.pem", path);
	f = fopen(path, "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	EVP_PKEY_free(key);
}

static void
write_pair(const char *name, const char *alt)
{
	write_key(name, write_cert(name, alt, 10));
}

static int
setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/stagepost-unit-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	base = event_base_new();
	secret = secret_new(base, NULL, STR("a key of the whole cluster"));
	return 0;
}

static int
teardown(void **state)
{
	char command[100];

	(void)state;
	secret_free(&secret);
	event_base_free(base);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static struct tls *
open_store(const char *given, bool folders)
{
	struct tls_options options = {.secret = secret};
	static char cert[200], key[200];
	struct err err = {0};
	struct tls *t;

	if (given != NULL) {
		path_of(given, "cert.pem", cert);
		path_of(given, "key.pem", key);
		options.cert_path = cert;
		options.key_path = key;
	}
	options.dir = folders ? dir : NULL;
	t = tls_new(base, &options, &err);
	if (t == NULL)
		print_message("%s\n", err.text);
	return t;
}

static void
turn_ms(int64_t ms)
{
	int64_t until = clock_monotonic_ms() + ms;

	while (clock_monotonic_ms() < until) {
		struct timeval wait = clock_timeval(10);
		event_base_loopexit(base, &wait);
		event_base_loop(base, EVLOOP_ONCE);
	}
}

/* ---- A client ---- */

/* Both ends in memory. Returns the subject that the server showed; NULL: the
 * handshake failed. */
static const char *
shake(struct tls *t, const char *server_name, const char *alpn, SSL_SESSION *offered, SSL_SESSION **session_out,
      bool *resumed_out)
{
	static char subject[100];
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *client = SSL_new(ctx), *server = tls_session_new(t, alpn);
	BIO *to_client, *to_server;
	int done = 0;

	BIO_new_bio_pair(&to_client, 0, &to_server, 0);
	SSL_set_bio(client, to_client, to_client);
	SSL_set_bio(server, to_server, to_server);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	if (server_name != NULL)
		SSL_set_tlsext_host_name(client, server_name);
	if (alpn != NULL)
		SSL_set_alpn_protos(client, (const unsigned char *)"\4imap", 5);
	if (offered != NULL)
		SSL_set_session(client, offered);
	for (unsigned i = 0; i < 10 && done != 2; i++)
		done = (SSL_do_handshake(client) == 1) + (SSL_do_handshake(server) == 1);
	subject[0] = '\0';
	if (done == 2) {
		X509 *cert = SSL_get1_peer_certificate(client);
		char byte;
		SSL_read(client, &byte, 1); /* reads the tickets */
		X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, subject, sizeof(subject));
		X509_free(cert);
		if (session_out != NULL)
			*session_out = SSL_get1_session(client);
		if (resumed_out != NULL)
			*resumed_out = SSL_session_reused(server) == 1;
		SSL_shutdown(client);
		SSL_shutdown(server);
	}
	ERR_clear_error();
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(ctx);
	return done == 2 ? subject : NULL;
}

static const char *
shown(struct tls *t, const char *server_name)
{
	return shake(t, server_name, NULL, NULL, NULL, NULL);
}

/* ---- The tests ---- */

static void
test_choice(void **state)
{
	static const struct {
		const char *asked, *shown;
	} cases[] = {
		{NULL, "given"},
		{"unknown.test", "given"},
		{"a.test", "a.test"},
		{"A.TEST", "a.test"},
		{"www.a.test", "a.test"}, /* also issued for it */
		{"x.wild.test", "*.wild.test"},
		{"X.Wild.test", "*.wild.test"},
		{"y.x.wild.test", "given"}, /* an asterisk is one label */
		{"wild.test", "given"},
		{"own.wild.test", "own.wild.test"}, /* exact before wildcard */
		{"mail.given.test", "given"},	    /* exact, of the default, before another's wildcard */
		{"z.given.test", "b.test"},
		{"both.test", "both.test"}, /* the folder's name before the names in other certificates */
		{".", "given"},
		{".wild.test", "given"},
	};
	struct tls *t;

	(void)state;
	write_pair("given", "DNS:mail.given.test");
	write_pair("a.test", "DNS:a.test,DNS:www.a.test,DNS:both.test");
	write_pair("b.test", "DNS:*.given.test");
	write_pair("both.test", NULL);
	write_pair("*.wild.test", NULL);
	write_pair("own.wild.test", NULL);
	t = open_store("given", true);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(shown(t, cases[i].asked), cases[i].shown);
	tls_free(&t);
	/* Without a default, one of them must serve as the default. */
	t = open_store(NULL, true);
	assert_non_null(shown(t, "unknown.test"));
	assert_string_equal(shown(t, "a.test"), "a.test");
	tls_free(&t);
}

static void
test_none(void **state)
{
	struct tls *t = open_store(NULL, true);

	(void)state;
	assert_false(tls_has_certificate(t));
	write_pair("late.test", NULL);
	turn_ms(1200);
	assert_true(tls_has_certificate(t));
	assert_string_equal(shown(t, NULL), "late.test");
	tls_free(&t);
	strcat(dir, "/nowhere");
	assert_null(open_store(NULL, true));
	dir[strlen(dir) - strlen("/nowhere")] = '\0';
	EVP_PKEY_free(write_cert("broken", NULL, 1));
	assert_null(open_store("broken", false));
}

/* Certificate first, then its key; then in reverse order. */
static void
test_one_after_the_other(void **state)
{
	cJSON *status = cJSON_CreateObject();
	EVP_PKEY *key;
	struct tls *t;
	char path[200], aside[200], *text;

	(void)state;
	write_pair("mx.test", "DNS:first.test");
	t = open_store("mx.test", false);
	assert_string_equal(shown(t, NULL), "mx.test");
	key = write_cert("mx.test", "DNS:second.test", 20);
	turn_ms(1200);
	assert_string_equal(shown(t, NULL), "mx.test"); /* the last good pair */
	assert_int_equal(metrics_get(M_CERTIFICATES_BAD), 1);
	tls_add_status(t, status);
	text = cJSON_PrintUnformatted(status);
	assert_non_null(strstr(text, "\"days_left\":10,\"problem\":"));
	free(text);
	cJSON_Delete(status);
	turn_ms(2000);
	write_key("mx.test", key);
	turn_ms(1200);
	assert_int_equal(metrics_get(M_CERTIFICATES_BAD), 0);
	assert_true(metrics_get(M_CERTIFICATE_END) > clock_unix_ms() / 1000 + 19 * 86400);
	assert_string_equal(shown(t, NULL), "mx.test");
	/* The key first: the certificate is written elsewhere, and moved into place. */
	path_of("mx.test", "cert.pem", path);
	path_of("mx.test", "old.pem", aside);
	assert_int_equal(rename(path, aside), 0);
	key = write_cert("mx.test", NULL, 30);
	{
		char fresh[200];
		path_of("mx.test", "new.pem", fresh);
		assert_int_equal(rename(path, fresh), 0);
		assert_int_equal(rename(aside, path), 0);
		write_key("mx.test", key);
		turn_ms(1200);
		assert_int_equal(metrics_get(M_CERTIFICATES_BAD), 1);
		assert_string_equal(shown(t, NULL), "mx.test");
		assert_int_equal(rename(fresh, path), 0);
	}
	turn_ms(1200);
	assert_int_equal(metrics_get(M_CERTIFICATES_BAD), 0);
	assert_true(metrics_get(M_CERTIFICATE_END) > clock_unix_ms() / 1000 + 29 * 86400);
	tls_free(&t);
}

static void
test_folder_removed(void **state)
{
	struct tls *t;
	char path[200];

	(void)state;
	write_pair("given", NULL);
	write_pair("a.test", NULL);
	t = open_store("given", true);
	assert_string_equal(shown(t, "a.test"), "a.test");
	/* Files that are missing for a moment remove nothing. */
	path_of("a.test", "cert.pem", path);
	unlink(path);
	turn_ms(2500);
	assert_string_equal(shown(t, "a.test"), "a.test");
	path_of("a.test", "key.pem", path);
	unlink(path);
	path_of("a.test", NULL, path);
	rmdir(path);
	turn_ms(2500);
	assert_string_equal(shown(t, "a.test"), "given");
	tls_free(&t);
}

static void
test_alpn(void **state)
{
	struct tls *t;

	(void)state;
	write_pair("given", NULL);
	t = open_store("given", false);
	assert_non_null(shake(t, NULL, "imap", NULL, NULL, NULL));
	assert_null(shake(t, NULL, "pop3", NULL, NULL, NULL)); /* the client offers only imap */
	assert_non_null(shake(t, NULL, NULL, NULL, NULL, NULL));
	tls_free(&t);
}

/* Two stores stand for two frontends. */
static void
test_tickets(void **state)
{
	struct secret *other_secret = secret_new(base, NULL, STR("a key of another cluster"));
	SSL_SESSION *session = NULL;
	struct tls *here, *there;
	bool resumed = true;

	(void)state;
	write_pair("given", NULL);
	write_pair("a.test", NULL);
	here = open_store("given", true);
	there = open_store("given", true);
	for (unsigned i = 0; i < 2; i++) {
		const char *name = i == 0 ? "given" : "a.test";
		assert_non_null(shake(here, name, NULL, NULL, &session, &resumed));
		assert_false(resumed);
		assert_non_null(shake(there, name, NULL, session, NULL, &resumed));
		assert_true(resumed);
		SSL_SESSION_free(session);
	}
	tls_free(&there);
	{
		struct secret *kept = secret;
		secret = other_secret;
		there = open_store("given", true);
		secret = kept;
	}
	assert_non_null(shake(here, NULL, NULL, NULL, &session, NULL));
	assert_non_null(shake(there, NULL, NULL, session, NULL, &resumed));
	assert_false(resumed);
	SSL_SESSION_free(session);
	tls_free(&there);
	tls_free(&here);
	secret_free(&other_secret);
}

static void
test_ticket_days(void **state)
{
	struct tickets k, l;
	int64_t day = 86400000;

	(void)state;
	tickets_init(&k, secret);
	tickets_init(&l, secret);
	tickets_turn(&k, 20000 * day);
	tickets_turn(&l, 20000 * day + day - 1);
	assert_memory_equal(k.keys, l.keys, sizeof(k.keys));
	tickets_turn(&l, 20001 * day);
	assert_memory_equal(&k.keys[0], &l.keys[1], sizeof(k.keys[0]));
	assert_memory_not_equal(&k.keys[0], &l.keys[0], sizeof(k.keys[0]));
	tickets_turn(&l, 20002 * day);
	assert_memory_not_equal(&k.keys[0], &l.keys[0], sizeof(k.keys[0]));
	assert_memory_not_equal(&k.keys[0], &l.keys[1], sizeof(k.keys[0]));
	tickets_fini(&k);
	tickets_fini(&l);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_choice), TEST(test_none),    TEST(test_one_after_the_other), TEST(test_folder_removed),
		TEST(test_alpn),   TEST(test_tickets), TEST(test_ticket_days),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
