#include "lib/retrieve/oauth_post.h"

#include <openssl/crypto.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/utf8.h"

enum { POST_TIMEOUT_MS = 30 * 1000, POST_ANSWER_MAX = 64 * 1024, POST_IPS_MAX = 8, POST_WORDS_MAX = 160 };

struct oauth_post {
	struct retrieve_web web;
	const char *name; /* borrowed */
	char *url;	  /* owner */
	struct buf form;  /* owner, wiped */
	oauth_on_answer *cb;
	void *arg;
	/* One of them is waited for. */
	struct dns_query *query;
	struct web_request *request;
	struct event *refusal; /* owner: ends it at the loop's next turn */
	struct err err;
};

/* ---- The form ---- */

void
oauth_form_add(struct buf *form, const char *name, struct str value)
{
	if (value.len == 0)
		return;
	buf_printf(form, "%s%s=", form->len != 0 ? "&" : "", name);
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i];
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
		    c == '.' || c == '_' || c == '~')
			buf_add_byte(form, (char)c);
		else
			buf_printf(form, "%%%02X", c);
	}
}

void
oauth_form_wipe(struct buf *form)
{
	if (form->data != NULL)
		OPENSSL_cleanse(form->data, form->capacity);
	buf_fini(form);
}

/* ---- The answer ---- */

const char *
oauth_text(const cJSON *json, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));

	return text != NULL ? text : "";
}

int64_t
oauth_seconds(const cJSON *json, const char *name, int64_t otherwise)
{
	const cJSON *o = cJSON_GetObjectItemCaseSensitive(json, name);
	const int64_t most = INT64_C(365) * 24 * 3600;
	int64_t number;

	if (cJSON_IsNumber(o) && o->valuedouble >= 1 && o->valuedouble <= (double)most)
		return (int64_t)o->valuedouble;
	if (cJSON_IsString(o) && str_to_i64(str_c(o->valuestring), &number) && number >= 1 && number <= most)
		return number;
	return otherwise;
}

static void
oauth_post_free(struct oauth_post *p)
{
	if (p->refusal != NULL)
		event_free(p->refusal);
	oauth_form_wipe(&p->form);
	mem_free(p->url);
	mem_free(p);
}

static void
oauth_post_end(struct oauth_post *p, const struct oauth_answer *answer, const struct err *err)
{
	static const struct oauth_answer none = {.json = NULL, .error = ""};

	p->cb(p->arg, answer != NULL ? answer : &none, err);
	oauth_post_free(p);
}

/* Words of the endpoint: printable, of limited length. */
static void
oauth_post_words(const char *text, char out[POST_WORDS_MAX])
{
	struct str cut = str_first_utf8(str_c(text), POST_WORDS_MAX - 1);

	str_copy(cut, out, POST_WORDS_MAX);
	if (!str_is_utf8(cut))
		out[0] = '\0';
	for (char *p = out; *p != '\0';) {
		size_t len = str_utf8_sequence(str_c(p));
		struct str one = str_of(p, len);
		if ((unsigned char)*p < 0x20 || *p == 0x7f || utf8_is_hidden(utf8_character(one)))
			memset(p, ' ', len);
		p += len;
	}
}

static void
oauth_post_on_web(void *arg, const struct web_answer *web, const struct err *err)
{
	struct oauth_post *p = arg;
	struct oauth_answer answer = {.error = ""};
	char words[POST_WORDS_MAX];
	cJSON *json;

	p->request = NULL;
	if (err != NULL) {
		/* ERR_DENIED alone means that the grant is gone; here it may be a bad certificate. */
		p->err = *err;
		p->err.code = ERR_UNAVAILABLE;
		err_prefix(&p->err, "%s", p->name);
		oauth_post_end(p, NULL, &p->err);
		return;
	}
	json = cJSON_ParseWithLength(web->body.p != NULL ? web->body.p : "", web->body.len);
	answer.json = cJSON_IsObject(json) ? json : NULL;
	answer.error = oauth_text(answer.json, "error");
	oauth_post_words(oauth_text(answer.json, "error_description"), words);
	if (web->status / 100 == 2 && answer.json != NULL && answer.error[0] == '\0') {
		oauth_post_end(p, &answer, NULL);
	} else {
		char kind[POST_WORDS_MAX];
		oauth_post_words(answer.error, kind);
		err_set(&p->err, strcmp(answer.error, "invalid_grant") == 0 ? ERR_DENIED : ERR_UNAVAILABLE,
			"%s answers %d%s%.60s%s%s", p->name, web->status, kind[0] != '\0' ? " " : "", kind,
			words[0] != '\0' ? ": " : "", words);
		oauth_post_end(p, &answer, &p->err);
	}
	cJSON_Delete(json);
}

/* ---- Sending ---- */

static void
oauth_post_on_refusal(evutil_socket_t fd, short what, void *arg)
{
	struct oauth_post *p = arg;

	(void)fd, (void)what;
	oauth_post_end(p, NULL, &p->err);
}

/* Ends it with p->err, later. */
static void
oauth_post_refuse(struct oauth_post *p)
{
	struct timeval now = {.tv_sec = 0};

	p->refusal = evtimer_new(p->web.base, oauth_post_on_refusal, p);
	evtimer_add(p->refusal, &now);
}

static void
oauth_post_send(struct oauth_post *p, const struct ip *ips, unsigned count)
{
	static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
					      "Accept: application/json", NULL};
	const struct web_options options = {
		.method = "POST",
		.url = p->url,
		.headers = headers,
		.body = buf_str(&p->form),
		.ips = ips,
		.ip_count = count,
		.ca_file = p->web.ca_file,
		.max_bytes = POST_ANSWER_MAX,
		.timeout_ms = POST_TIMEOUT_MS,
	};

	p->request = web_start(p->web.web, &options, oauth_post_on_web, p);
}

/* The connection goes to these addresses and no other, so the check here is final. False:
 * none is allowed; p->err. */
static bool
oauth_post_send_to(struct oauth_post *p, const struct ip *ips, unsigned count)
{
	struct ip allowed[POST_IPS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < count && n < POST_IPS_MAX; i++)
		if (p->web.ip_is_allowed == NULL || p->web.ip_is_allowed(p->web.ip_arg, &ips[i]))
			allowed[n++] = ips[i];
	if (n != 0)
		oauth_post_send(p, allowed, n);
	else
		err_set(&p->err, ERR_UNAVAILABLE, "%s %s", p->name,
			count == 0 ? "has no address"
				   : "has an address that is not public (setting retrieval_private_hosts)");
	return n != 0;
}

static void
oauth_post_on_ips(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct oauth_post *p = arg;

	p->query = NULL;
	if (err != NULL) {
		p->err = *err;
		p->err.code = ERR_UNAVAILABLE;
		err_prefix(&p->err, "%s", p->name);
		oauth_post_end(p, NULL, &p->err);
	} else if (!oauth_post_send_to(p, answer->ips, answer->ip_count)) {
		oauth_post_end(p, NULL, &p->err);
	}
}

struct oauth_post *
oauth_post_start(const struct retrieve_web *web, const char *name, const char *url, struct str form,
		 oauth_on_answer *cb, void *arg)
{
	struct oauth_post *p = mem_new(struct oauth_post);
	struct str host;
	uint16_t port;
	struct ip ip;

	p->web = *web;
	p->name = name;
	p->url = mem_strdup(url);
	buf_add_str(&p->form, form);
	p->cb = cb;
	p->arg = arg;
	if (!web_url_host(str_c(p->url), &host, &port)) {
		err_set(&p->err, ERR_INVALID, "'%.100s' is not an https URL", url);
		oauth_post_refuse(p);
	} else if (web->dns == NULL) {
		oauth_post_send(p, NULL, 0);
	} else if (!ip_parse(host, &ip)) {
		p->query = dns_query_ips(web->dns, host, true, true, oauth_post_on_ips, p);
	} else if (!oauth_post_send_to(p, &ip, 1)) {
		oauth_post_refuse(p);
	}
	return p;
}

bool
oauth_post_is_sent(const struct oauth_post *p)
{
	return p->request != NULL;
}

void
oauth_post_cancel(struct oauth_post **p)
{
	if (*p == NULL)
		return;
	if ((*p)->query != NULL)
		dns_cancel(&(*p)->query);
	web_cancel(&(*p)->request);
	oauth_post_free(*p);
	*p = NULL;
}
