/* Outlook's autodiscover in plain XML ([MS-OXDSCLI]): POST of an Autodiscover/Request
 * to /autodiscover/autodiscover.xml, with Basic login. Thunderbird and Evolution use
 * the same request. Errors are reported in a 200 response, as Exchange does. */
#include <string.h>

#include "frontend/autodiscover/autodiscover.h"
#include "frontend/autodiscover/services.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/xml/reader.h"
#include "lib/xml/writer.h"

#define POX_RESPONSE "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
#define POX_OUTLOOK  "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"

/* [MS-OXDSCLI] 2.2.4.1.1.1 */
enum { POX_INVALID_REQUEST = 600, POX_NO_PROVIDER = 601, POX_NOT_FOUND = 500 };

struct pox {
	struct xml_reader *reader; /* owner */
	bool bad;
	char *display_name;
};

static void
pox_clean(struct http_request *r)
{
	struct pox *p = http_state(r);

	if (p != NULL)
		xml_reader_free(&p->reader);
}

static void
pox_reply(struct http_request *r, struct xml_writer *w)
{
	struct buf *text = w->out;

	xml_finish(w);
	http_reply(r, 200, "text/xml; charset=utf-8", buf_str(text));
	buf_fini(text);
}

static void
pox_begin(struct xml_writer *w, struct buf *text, const char *schema)
{
	xml_begin(w, text);
	xml_open(w, "Autodiscover");
	xml_attribute(w, "xmlns", STR(POX_RESPONSE));
	xml_open(w, "Response");
	xml_attribute(w, "xmlns", str_c(schema));
}

static void
pox_refuse(struct http_request *r, unsigned code, const char *message)
{
	char time[CLOCK_ISO8601_MAX];
	struct buf text = BUF_EMPTY;
	struct xml_writer w;

	clock_iso8601(clock_unix_ms(), time, sizeof(time));
	pox_begin(&w, &text, POX_RESPONSE);
	xml_open(&w, "Error");
	xml_attribute(&w, "Time", str_from(str_c(time), sizeof("2026-11-23T") - 1));
	xml_attribute(&w, "Id", STR("1"));
	xml_element_u64(&w, "ErrorCode", code);
	xml_element_c(&w, "Message", message);
	xml_element(&w, "DebugData", STR_NONE);
	pox_reply(r, &w);
}

static void
pox_write_protocol(struct xml_writer *w, const struct discovered_service *s, struct str user)
{
	static const char *const types[] = {[SERVICE_IMAP] = "IMAP", [SERVICE_POP3] = "POP3", [SERVICE_SMTP] = "SMTP"};

	xml_open(w, "Protocol");
	xml_element_c(w, "Type", types[s->kind]);
	xml_element_c(w, "Server", s->host);
	xml_element_u64(w, "Port", s->port);
	xml_element_c(w, "DomainRequired", "off");
	xml_element(w, "LoginName", user);
	xml_element_c(w, "SPA", "off");
	xml_element_c(w, "SSL", s->tls ? "on" : "off");
	xml_element_c(w, "Encryption", s->tls ? "SSL" : "TLS");
	xml_element_c(w, "AuthRequired", "on");
	xml_close(w);
}

static void
pox_on_found(struct http_request *r, const struct discovered *found)
{
	struct pox *p = http_state(r);
	struct buf text = BUF_EMPTY;
	struct xml_writer w;

	if (found == NULL) {
		pox_refuse(r, POX_NOT_FOUND, "The address cannot be found.");
		return;
	}
	pox_begin(&w, &text, POX_OUTLOOK);
	xml_open(&w, "User");
	xml_element_c(&w, "DisplayName", p->display_name);
	xml_element(&w, "AutoDiscoverSMTPAddress", found->address);
	xml_close(&w);
	xml_open(&w, "Account");
	xml_element_c(&w, "AccountType", "email");
	xml_element_c(&w, "Action", "settings");
	for (unsigned i = 0; i < SERVICE_COUNT; i++)
		pox_write_protocol(&w, &found->services[i], found->address);
	pox_reply(r, &w);
}

/* ---- Whose address ---- */

static void
pox_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct http_request *r = arg;
	struct pox *p = http_state(r);

	if (!http_back(r))
		return;
	if (err != NULL) {
		http_unavailable(r);
		return;
	}
	p->display_name =
		arena_strdup(http_arena(r), user != NULL && *user->display_name != '\0' ? user->display_name
											: http_account(r)->address);
	discover(r, directory_domain_of(str_c(http_account(r)->address)), str_c(http_account(r)->address),
		 pox_on_found);
}

static void
pox_find_user(struct http_request *r)
{
	struct directory_user user;
	bool found;

	http_hold(r);
	if (directory_get_user(http_frontend(r)->directory, str_c(http_account(r)->address), &user, &found, pox_on_user,
			       r))
		pox_on_user(r, found ? &user : NULL, NULL);
}

/* The address must belong to the account: other users' data is private. */
static bool
pox_is_own(struct http_request *r, struct str address)
{
	char canonical[DIRECTORY_ADDRESS_MAX];

	return directory_canonical_address(address, canonical) && strcmp(canonical, http_account(r)->address) == 0;
}

/* ---- The request ---- */

static void
pox_on_begin(struct http_request *r)
{
	struct pox *p = arena_new(http_arena(r), struct pox);

	http_set_state(r, p);
	if (http_head(r)->method != HTTP_POST) {
		pox_refuse(r, POX_INVALID_REQUEST, "Invalid Request");
		return;
	}
	p->reader = xml_reader_new(http_arena(r));
	http_want_body(r);
}

static void
pox_on_body(struct http_request *r, struct str piece)
{
	struct pox *p = http_state(r);
	struct err err;

	p->bad = p->bad || xml_reader_feed(p->reader, piece, &err) != 0;
}

static void
pox_on_end(struct http_request *r)
{
	struct pox *p = http_state(r);
	struct err err;
	const struct xml_node *root = p->bad ? NULL : xml_reader_end(p->reader, &err);
	const struct xml_node *request = xml_child(root, "Request");
	struct str schema = xml_text(xml_child(request, "AcceptableResponseSchema"));
	struct str address = xml_text(xml_child(request, "EMailAddress"));

	pox_clean(r); /* the tree is in the request's arena */
	if (request == NULL || address.len == 0)
		pox_refuse(r, POX_INVALID_REQUEST, "Invalid Request");
	else if (schema.len != 0 && !str_eq(schema, STR(POX_OUTLOOK)))
		pox_refuse(r, POX_NO_PROVIDER, "The response schema is not supported.");
	else if (!pox_is_own(r, address))
		pox_refuse(r, POX_NOT_FOUND, "The address does not belong to the account.");
	else
		pox_find_user(r);
}

const struct http_handler autodiscover_pox = {
	.on_begin = pox_on_begin, .on_body = pox_on_body, .on_end = pox_on_end, .on_gone = pox_clean};
