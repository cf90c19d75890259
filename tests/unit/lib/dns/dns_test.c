/* The resolver against the test's own small name server, on loopback. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/dns/dns.h"
#include "lib/dns/message.h"

/* ---- The name server: one zone as a table ---- */
struct zone_row {
	const char *name;
	uint16_t type;
	uint16_t preference;
	const char *data; /* address, host or text */
};

static const struct zone_row zone[] = {
	{"example.test", DNS_MX, 20, "mx2.example.test"},
	{"example.test", DNS_MX, 10, "MX1.example.test"},
	{"mx1.example.test", DNS_A, 0, "192.0.2.1"},
	{"mx1.example.test", DNS_A, 0, "192.0.2.2"},
	{"mx1.example.test", DNS_AAAA, 0, "2001:db8::1"},
	{"null.test", DNS_MX, 0, ""},
	{"text.test", DNS_TXT, 0, "v=STSv1; id=1"},
	{"_25._tcp.tlsa.test", DNS_TLSA, 0, "\x03\x01\x02some bytes"},
	{"_25._tcp.short.test", DNS_TLSA, 0, "\x03\x01"},
	{"_imaps._tcp.srv.test", DNS_SRV, 5, "Mail.srv.test"},
	{"_pop3._tcp.srv.test", DNS_SRV, 0, ""},
	{"odd.test", DNS_MX, 5, "a:b/c.test"},
	{"odd.test", DNS_MX, 6, "mx1.example.test"},
	{"a\\046b.test", DNS_A, 0, "192.0.2.6"},
	{"1.2.0.192.in-addr.arpa", DNS_PTR, 0, "MX1.example.test"},
	{"1.2.0.192.in-addr.arpa", DNS_PTR, 0, "a:b.test"},
	{"7.168.192.in-addr.arpa", DNS_PTR, 0, "never.test"},
	{"1.0.31.172.in-addr.arpa", DNS_PTR, 0, "private.test"},
	{"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.f.8.b.d.0.1.0.0.2.ip6.arpa", DNS_PTR, 0, "six.test"},
	{"alias.test", DNS_CNAME, 0, "mx1.example.test"},
	{"only4.test", DNS_A, 0, "192.0.2.4"},
	{"servfail4.test", DNS_AAAA, 0, "2001:db8::4"},
	{NULL, 0, 0, NULL},
};

struct server {
	int fd;
	unsigned asked; /* questions so far */
	struct event *event;
};

static void
add_u16(struct buf *b, unsigned v)
{
	buf_add_byte(b, (char)(v >> 8));
	buf_add_byte(b, (char)v);
}

static void
add_name(struct buf *b, const char *name)
{
	struct str rest = str_c(name), label;

	while (str_next_word(&rest, ".", &label)) {
		buf_add_byte(b, (char)label.len);
		buf_add_str(b, label);
	}
	buf_add_byte(b, 0);
}

static void
add_rdata(struct buf *b, const struct zone_row *row)
{
	struct buf rdata = BUF_EMPTY;
	struct ip ip;

	switch (row->type) {
	case DNS_MX:
		add_u16(&rdata, row->preference);
		add_name(&rdata, row->data);
		break;
	case DNS_SRV: /* weight 7, port 993 */
		add_u16(&rdata, row->preference);
		add_u16(&rdata, 7);
		add_u16(&rdata, 993);
		add_name(&rdata, row->data);
		break;
	case DNS_PTR:
	case DNS_CNAME: add_name(&rdata, row->data); break;
	case DNS_TLSA: buf_add_c(&rdata, row->data); break;
	case DNS_TXT:
		buf_add_byte(&rdata, 3);
		buf_add(&rdata, row->data, 3);
		buf_add_byte(&rdata, (char)(strlen(row->data) - 3));
		buf_add_c(&rdata, row->data + 3);
		break;
	default: assert_true(ip_parse(str_c(row->data), &ip)); buf_add(&rdata, ip.bytes, ip.family == 4 ? 4 : 16);
	}
	add_u16(b, (unsigned)rdata.len);
	buf_add_str(b, buf_str(&rdata));
	buf_fini(&rdata);
}

static unsigned
add_matching(struct buf *b, const char *name, unsigned type, bool *exists)
{
	unsigned count = 0;

	for (const struct zone_row *row = zone; row->name != NULL; row++) {
		if (!str_eq_ci(str_c(row->name), str_c(name)))
			continue;
		*exists = true;
		if (row->type != type && row->type != DNS_CNAME)
			continue;
		add_name(b, row->name);
		add_u16(b, row->type);
		add_u16(b, 1);
		add_u16(b, 0);
		add_u16(b, 3600);
		add_rdata(b, row);
		count++;
		if (row->type == DNS_CNAME)
			count += add_matching(b, row->data, type, exists);
	}
	return count;
}

static void
on_question(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	unsigned char q[1500];
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(fd, q, sizeof(q), 0, (struct sockaddr *)&from, &from_len);
	struct buf name = BUF_EMPTY, rr = BUF_EMPTY, out = BUF_EMPTY;
	size_t at = 12;
	unsigned type, count, rcode;
	bool exists = false;

	(void)what;
	assert_true(n >= 17); /* the shortest asks for the root */
	while (q[at] != 0) {
		if (name.len > 0)
			buf_add_byte(&name, '.');
		buf_add(&name, q + at + 1, q[at]);
		at += 1u + q[at];
	}
	type = (unsigned)q[at + 1] << 8 | q[at + 2];
	s->asked++;
	count = add_matching(&rr, name.data != NULL ? name.data : "", type, &exists);
	rcode = exists ? 0 : 3;
	if (name.data != NULL && strcmp(name.data, "broken.test") == 0)
		rcode = 2;
	if (name.data != NULL && strcmp(name.data, "servfail4.test") == 0 && type == DNS_A)
		rcode = 2;
	buf_add(&out, q, 2);
	add_u16(&out, 0x8580 | rcode);
	add_u16(&out, 1);
	add_u16(&out, count);
	add_u16(&out, 0);
	add_u16(&out, 0);
	buf_add(&out, q + 12, at + 5 - 12);
	buf_add_str(&out, buf_str(&rr));
	assert_true(sendto(fd, out.data, out.len, 0, (struct sockaddr *)&from, from_len) == (ssize_t)out.len);
	buf_fini(&name);
	buf_fini(&rr);
	buf_fini(&out);
}

/* ---- Asking ---- */
struct fixture {
	struct event_base *base;
	struct server server;
	struct dns *dns;
	/* the last answer, in words */
	char text[1000];
	unsigned answers;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	char resolver[40];
	struct err err;

	f->base = event_base_new();
	f->server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_return_code(bind(f->server.fd, (struct sockaddr *)&sin, len), 0);
	assert_return_code(getsockname(f->server.fd, (struct sockaddr *)&sin, &len), 0);
	f->server.event = event_new(f->base, f->server.fd, EV_READ | EV_PERSIST, on_question, &f->server);
	event_add(f->server.event, NULL);
	snprintf(resolver, sizeof(resolver), "127.0.0.1@%u", ntohs(sin.sin_port));
	f->dns = dns_new(f->base, resolver, NULL, &err);
	assert_non_null(f->dns);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	dns_free(&f->dns);
	assert_null(f->dns);
	event_free(f->server.event);
	close(f->server.fd);
	event_base_free(f->base);
	free(f);
	return 0;
}

static void
on_answer(void *arg, const struct dns_answer *a, const struct err *err)
{
	struct fixture *f = arg;
	struct buf b = BUF_EMPTY;
	char text[IP_TEXT_MAX];

	f->answers++;
	if (err != NULL) {
		assert_null(a);
		buf_printf(&b, "error %s", err_code_name(err->code));
	} else {
		buf_printf(&b, "exists=%d", a->exists);
		for (unsigned i = 0; i < a->mx_count; i++)
			buf_printf(&b, " %u:%.*s", a->mx[i].preference, STR_ARG(a->mx[i].host));
		for (unsigned i = 0; i < a->ip_count; i++) {
			ip_text(&a->ips[i], text);
			buf_printf(&b, " %s", text);
		}
		for (unsigned i = 0; i < a->text_count; i++)
			buf_printf(&b, " '%.*s'", STR_ARG(a->texts[i]));
		for (unsigned i = 0; i < a->name_count; i++)
			buf_printf(&b, " %.*s", STR_ARG(a->names[i]));
		for (unsigned i = 0; i < a->tlsa_count; i++)
			buf_printf(&b, " %u/%u/%u:%.*s", a->tlsa[i].usage, a->tlsa[i].selector, a->tlsa[i].matching,
				   STR_ARG(a->tlsa[i].data));
		for (unsigned i = 0; i < a->srv_count; i++)
			buf_printf(&b, " %u/%u/%u:%.*s", a->srv[i].priority, a->srv[i].weight, a->srv[i].port,
				   STR_ARG(a->srv[i].host));
		if (a->canonical.len > 0)
			buf_printf(&b, " canonical=%.*s", STR_ARG(a->canonical));
	}
	str_copy(buf_str(&b), f->text, sizeof(f->text));
	buf_fini(&b);
	event_base_loopbreak(f->base);
}

enum question { ASK_MX, ASK_MX_ANY, ASK_PTR, ASK_IPS, ASK_4, ASK_TXT, ASK_TLSA, ASK_SRV, ASK_CNAME };

static const char *
ask(struct fixture *f, enum question what, const char *name)
{
	unsigned before = f->answers;
	struct str s = str_c(name);
	struct ip ip;

	switch (what) {
	case ASK_MX: dns_query_mx(f->dns, s, on_answer, f); break;
	case ASK_MX_ANY: dns_query_mx_any(f->dns, s, on_answer, f); break;
	case ASK_PTR:
		assert_true(ip_parse(s, &ip));
		dns_query_ptr(f->dns, &ip, on_answer, f);
		break;
	case ASK_TXT: dns_query_txt(f->dns, s, on_answer, f); break;
	case ASK_TLSA: dns_query_tlsa(f->dns, s, on_answer, f); break;
	case ASK_SRV: dns_query_srv(f->dns, s, on_answer, f); break;
	case ASK_CNAME: dns_query_cname(f->dns, s, on_answer, f); break;
	default: dns_query_ips(f->dns, s, true, what == ASK_IPS, on_answer, f);
	}
	assert_int_equal(f->answers, before); /* never from within the call */
	event_base_dispatch(f->base);
	assert_int_equal(f->answers, before + 1);
	return f->text;
}

static void
test_answers(void **state)
{
	static const struct {
		enum question what;
		const char *name, *answer;
	} rows[] = {
		{ASK_MX, "example.test", "exists=1 10:mx1.example.test 20:mx2.example.test"},
		{ASK_MX, "EXAMPLE.test", "exists=1 10:mx1.example.test 20:mx2.example.test"},
		{ASK_MX, "null.test", "exists=1 0:"},
		{ASK_MX, "mx1.example.test", "exists=1"},
		{ASK_MX, "missing.test", "exists=0"},
		{ASK_MX, "broken.test", "error unavailable"},
		{ASK_MX, "odd.test", "exists=1 6:mx1.example.test"},
		{ASK_MX_ANY, "odd.test", "exists=1 5:a:b/c.test 6:mx1.example.test"},
		/* Not the name "a.b.test", with a dot within a label. */
		{ASK_4, "a\\046b.test", "exists=1 192.0.2.6"},
		{ASK_PTR, "192.0.2.1", "exists=1 mx1.example.test"},
		{ASK_PTR, "172.31.0.1", "exists=1 private.test"},
		{ASK_PTR, "192.168.7.7", "exists=0"},
		{ASK_PTR, "2001:db8:f000::1", "exists=1 six.test"},
		{ASK_IPS, "only4.test", "exists=1 192.0.2.4"},
		{ASK_4, "only4.test", "exists=1 192.0.2.4"},
		{ASK_IPS, "missing.test", "exists=0"},
		{ASK_IPS, "broken.test", "error unavailable"},
		{ASK_IPS, "servfail4.test", "exists=1 2001:db8::4"},
		{ASK_TXT, "text.test", "exists=1 'v=STSv1; id=1'"},
		{ASK_TLSA, "_25._tcp.tlsa.test", "exists=1 3/1/2:some bytes"},
		{ASK_TLSA, "text.test", "exists=1"},
		{ASK_SRV, "_imaps._tcp.srv.test", "exists=1 5/7/993:mail.srv.test"},
		{ASK_SRV, "_pop3._tcp.srv.test", "exists=1 0/7/993:"},
		{ASK_SRV, "text.test", "exists=1"},
		{ASK_CNAME, "alias.test", "exists=1 canonical=mx1.example.test"},
		{ASK_CNAME, "text.test", "exists=1"},
		{ASK_TLSA, "_25._tcp.short.test", "error corrupt"},
		{ASK_MX, "", "exists=0"},
		{ASK_MX, "a..b", "exists=0"},
		{ASK_4, "localhost", "exists=1 127.0.0.1"},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(ask(*state, rows[i].what, rows[i].name), rows[i].answer);
}

static void
test_both_families_and_alias(void **state)
{
	const char *text = ask(*state, ASK_IPS, "mx1.example.test");

	/* IPv6 first, the two IPv4 in any order */
	assert_true(strcmp(text, "exists=1 2001:db8::1 192.0.2.1 192.0.2.2") == 0 ||
		    strcmp(text, "exists=1 2001:db8::1 192.0.2.2 192.0.2.1") == 0);
	text = ask(*state, ASK_IPS, "alias.test");
	assert_non_null(strstr(text, "2001:db8::1"));
	assert_non_null(strstr(text, "canonical=mx1.example.test"));
}

static void
test_caching(void **state)
{
	struct fixture *f = *state;

	ask(f, ASK_4, "only4.test");
	ask(f, ASK_4, "only4.test");
	assert_int_equal(f->server.asked, 1);
	dns_set_caching(f->dns, false);
	ask(f, ASK_4, "only4.test");
	ask(f, ASK_4, "only4.test");
	assert_int_equal(f->server.asked, 3);
	dns_set_caching(f->dns, true);
	ask(f, ASK_4, "only4.test");
	assert_int_equal(f->server.asked, 3);
}

static void
test_cancel(void **state)
{
	struct fixture *f = *state;
	struct dns_query *q = dns_query_ips(f->dns, STR("mx1.example.test"), true, true, on_answer, f);

	dns_cancel(&q);
	assert_null(q);
	ask(f, ASK_4, "only4.test");
	assert_int_equal(f->answers, 1);
	/* one under way when the resolver goes */
	dns_query_mx(f->dns, STR("example.test"), on_answer, f);
}

/* A resolver that cannot be reached is our trouble, and no domain's; that ends as
 * soon as it is back. */
static void
test_resolver_away(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	assert_return_code(getsockname(f->server.fd, (struct sockaddr *)&sin, &len), 0);
	event_free(f->server.event);
	close(f->server.fd);
	assert_string_equal(ask(f, ASK_MX, "example.test"), "error io");
	assert_string_equal(ask(f, ASK_IPS, "mx1.example.test"), "error io");
	f->server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_return_code(bind(f->server.fd, (struct sockaddr *)&sin, len), 0);
	f->server.event = event_new(f->base, f->server.fd, EV_READ | EV_PERSIST, on_question, &f->server);
	event_add(f->server.event, NULL);
	for (unsigned i = 0; i < 8 && strcmp(ask(f, ASK_MX, "example.test"), "error io") == 0; i++)
		usleep(1000000);
	assert_string_equal(f->text, "exists=1 10:mx1.example.test 20:mx2.example.test");
	assert_string_equal(ask(f, ASK_MX, "null.test"), "exists=1 0:");
}

/* ---- Malformed messages ---- */
static void
test_malformed(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int rc;
	} rows[] = {
		{"", 0, -1},
		{"\0\1\x81\x80\0\0\0\0\0\0\0\0", 12, 0},
		{"\0\1\x81\x80\0\0\0\1\0\0\0\0", 12, -1},
		/* a name that points to itself */
		{"\0\1\x81\x80\0\0\0\1\0\0\0\0\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4", 28, -1},
		{"\0\1\x81\x80\0\0\0\1\0\0\0\0\0\0\1\0\1\0\0\0\0\0\4\1\2\3\4", 27, 0},
		{"\0\1\x81\x80\0\0\0\1\0\0\0\0\0\0\1\0\1\0\0\0\0\0\3\1\2\3\4", 27, -1}, /* A of 3 bytes */
		{"\0\1\x81\x82\0\0\0\0\0\0\0\0", 12, -1},				/* SERVFAIL */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dns_answer a;
		struct arena arena;
		struct err err;

		arena_init(&arena);
		assert_int_equal(dns_message_read(str_of(rows[i].bytes, rows[i].len), DNS_A, DNS_HOST_NAMES, &arena, &a, &err),
				 rows[i].rc);
		arena_fini(&arena);
	}
}

/* Told at the start: with such a file every question would fail, one by one. */
static void
test_trust_anchor_is_read(void **state)
{
	static const struct {
		const char *content; /* NULL: there is no file */
		bool good;
	} rows[] = {
		{". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n", true},
		{"this is no record\n", false},
		{NULL, false},
	};
	struct event_base *base = event_base_new();

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		char path[] = "/tmp/stagepost-anchor-XXXXXX";
		const char *content = rows[i / 2].content;
		int fd = mkstemp(path);
		struct err err;
		struct dns *dns;

		assert_return_code(fd, errno);
		if (content != NULL)
			assert_int_equal(write(fd, content, strlen(content)), strlen(content));
		else
			unlink(path);
		close(fd);
		dns = dns_new(base, i % 2 == 0 ? NULL : "127.0.0.1@53", path, &err);
		assert_int_equal(dns != NULL, rows[i / 2].good);
		if (dns == NULL)
			assert_non_null(strstr(err.text, path));
		else
			dns_free(&dns);
		unlink(path);
	}
	event_base_free(base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_both_families_and_alias, setup, teardown),
		cmocka_unit_test_setup_teardown(test_caching, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resolver_away, setup, teardown),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_trust_anchor_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
