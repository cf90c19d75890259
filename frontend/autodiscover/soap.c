/* Outlook's autodiscover by SOAP ([MS-OXWSADISC]): POST to /autodiscover/autodiscover.svc,
 * with Basic login: GetUserSettings and GetDomainSettings. A client names the settings
 * that it wants to know; it is told those that are served here, and of each other one
 * that it is not available. */
#include <string.h>

#include "frontend/autodiscover/autodiscover.h"
#include "frontend/autodiscover/services.h"
#include "lib/xml/reader.h"
#include "lib/xml/writer.h"

#define SOAP_NS		"http://schemas.microsoft.com/exchange/2010/Autodiscover"
#define SOAP_ACTION	SOAP_NS "/Autodiscover/"
#define SOAP_ENVELOPE	"http://schemas.xmlsoap.org/soap/envelope/"
#define SOAP_ADDRESSING "http://www.w3.org/2005/08/addressing"
#define SOAP_INSTANCE	"http://www.w3.org/2001/XMLSchema-instance"

enum { SOAP_SUBJECTS_MAX = 100, SOAP_SETTINGS_MAX = 200, SOAP_NAME_MAX = 100 };

enum soap_operation { SOAP_USERS, SOAP_DOMAINS, SOAP_OPERATIONS };

/* The elements in which the two operations differ. */
static const struct soap_words {
	const char *operation;
	const char *request;		     /* the child of Body */
	const char *list, *item;	     /* whom it asks about */
	const char *answers, *answer;	     /* one for each of them */
	const char *errors, *error, *values; /* of an answer, in this order */
	const char *unknown;		     /* the code for somebody else's */
} soap_words[SOAP_OPERATIONS] = {
	[SOAP_USERS] = {"GetUserSettings", "GetUserSettingsRequestMessage", "Users", "User", "UserResponses",
			"UserResponse", "UserSettingErrors", "UserSettingError", "UserSettings", "InvalidUser"},
	[SOAP_DOMAINS] = {"GetDomainSettings", "GetDomainSettingsRequestMessage", "Domains", "Domain",
			  "DomainResponses", "DomainResponse", "DomainSettingErrors", "DomainSettingError",
			  "DomainSettings", "InvalidDomain"},
};

struct soap {
	struct xml_reader *reader; /* owner */
	bool bad;
	enum soap_operation operation;
	const struct xml_node *subjects, *settings; /* of the request; in the request's arena */
	const char *display_name;
};

/* ---- Settings ---- */

/* A string, or the place of a service; others are not available. */
static const struct soap_setting {
	const char *name;
	enum { SOAP_DISPLAY_NAME, SOAP_ADDRESS, SOAP_SERVICE, SOAP_ABSENT } what;
	enum service_kind service;
} soap_settings[] = {
	{"UserDisplayName", SOAP_DISPLAY_NAME, SERVICE_COUNT},
	{"AutoDiscoverSMTPAddress", SOAP_ADDRESS, SERVICE_COUNT},
	{"InternalImap4Connections", SOAP_SERVICE, SERVICE_IMAP},
	{"ExternalImap4Connections", SOAP_SERVICE, SERVICE_IMAP},
	{"InternalPop3Connections", SOAP_SERVICE, SERVICE_POP3},
	{"ExternalPop3Connections", SOAP_SERVICE, SERVICE_POP3},
	{"InternalSmtpConnections", SOAP_SERVICE, SERVICE_SMTP},
	{"ExternalSmtpConnections", SOAP_SERVICE, SERVICE_SMTP},
	/* Known to clients, and not served here. */
	{"UserDN", SOAP_ABSENT, SERVICE_COUNT},
	{"MailboxDN", SOAP_ABSENT, SERVICE_COUNT},
	{"InternalEwsUrl", SOAP_ABSENT, SERVICE_COUNT},
	{"ExternalEwsUrl", SOAP_ABSENT, SERVICE_COUNT},
	{"ExternalEwsVersion", SOAP_ABSENT, SERVICE_COUNT},
	{"EwsSupportedSchemas", SOAP_ABSENT, SERVICE_COUNT},
	{"EwsPartnerUrl", SOAP_ABSENT, SERVICE_COUNT},
	{"InternalOABUrl", SOAP_ABSENT, SERVICE_COUNT},
	{"ExternalOABUrl", SOAP_ABSENT, SERVICE_COUNT},
	{"MobileMailboxPolicy", SOAP_ABSENT, SERVICE_COUNT},
};

/* NULL: no such setting. */
static const struct soap_setting *
soap_find_setting(struct str name)
{
	for (size_t i = 0; i < sizeof(soap_settings) / sizeof(soap_settings[0]); i++)
		if (str_eq(str_c(soap_settings[i].name), name))
			return &soap_settings[i];
	return NULL;
}

static bool
soap_is_available(const struct soap *s, const struct soap_setting *setting)
{
	return setting != NULL && setting->what != SOAP_ABSENT && s->operation == SOAP_USERS;
}

static const struct discovered_service *
soap_find_service(const struct discovered *found, enum service_kind kind)
{
	for (unsigned i = 0; i < SERVICE_COUNT; i++)
		if (found->services[i].kind == kind)
			return &found->services[i];
	return NULL;
}

static void
soap_write_service(struct xml_writer *w, const struct discovered_service *s)
{
	xml_open(w, "ProtocolConnections");
	xml_open(w, "ProtocolConnection");
	xml_element_c(w, "EncryptionMethod", s->tls ? "SSL" : "TLS");
	xml_element_c(w, "Hostname", s->host);
	xml_element_u64(w, "Port", s->port);
	xml_close(w);
	xml_close(w);
}

static void
soap_write_setting(struct xml_writer *w, const struct soap *s, const struct soap_setting *setting,
		   const struct discovered *found)
{
	bool is_service = setting->what == SOAP_SERVICE;

	xml_open(w, "UserSetting");
	xml_attribute(w, "i:type", str_c(is_service ? "ProtocolConnectionCollectionSetting" : "StringSetting"));
	xml_element_c(w, "Name", setting->name);
	if (is_service)
		soap_write_service(w, soap_find_service(found, setting->service));
	else
		xml_element(w, "Value", setting->what == SOAP_DISPLAY_NAME ? str_c(s->display_name) : found->address);
	xml_close(w);
}

/* ---- Answers ---- */

static void
soap_begin(struct xml_writer *w, struct buf *text, const char *action)
{
	xml_begin(w, text);
	xml_open(w, "s:Envelope");
	xml_attribute(w, "xmlns:s", STR(SOAP_ENVELOPE));
	xml_attribute(w, "xmlns:a", STR(SOAP_ADDRESSING));
	xml_open(w, "s:Header");
	xml_open(w, "a:Action");
	xml_attribute(w, "s:mustUnderstand", STR("1"));
	xml_write(w, str_c(action));
	xml_close(w);
	xml_open(w, "h:ServerVersionInfo");
	xml_attribute(w, "xmlns:h", STR(SOAP_NS));
	xml_element_c(w, "h:MajorVersion", "15");
	xml_element_c(w, "h:MinorVersion", "0");
	xml_element_c(w, "h:MajorBuildNumber", "847");
	xml_element_c(w, "h:MinorBuildNumber", "32");
	xml_element_c(w, "h:Version", "Exchange2013_SP1");
	xml_close(w);
	xml_close(w);
	xml_open(w, "s:Body");
}

static void
soap_reply(struct http_request *r, int status, struct xml_writer *w)
{
	struct buf *text = w->out;

	xml_finish(w);
	http_reply(r, status, "text/xml; charset=utf-8", buf_str(text));
	buf_fini(text);
}

static void
soap_fault(struct http_request *r, const char *message)
{
	struct buf text = BUF_EMPTY;
	struct xml_writer w;

	soap_begin(&w, &text, SOAP_ADDRESSING "/soap/fault");
	xml_open(&w, "s:Fault");
	xml_element_c(&w, "faultcode", "s:Client");
	xml_element_c(&w, "faultstring", message);
	soap_reply(r, 500, &w);
}

/* Up to the answers, or to the error that concerns the whole request. */
static void
soap_open_response(struct xml_writer *w, struct buf *text, const struct soap *s, const char *code, const char *message,
		   struct arena *arena)
{
	const char *operation = soap_words[s->operation].operation;

	soap_begin(w, text, arena_printf(arena, SOAP_ACTION "%sResponse", operation));
	xml_open(w, arena_printf(arena, "%sResponseMessage", operation));
	xml_attribute(w, "xmlns", STR(SOAP_NS));
	xml_attribute(w, "xmlns:i", STR(SOAP_INSTANCE));
	xml_open(w, "Response");
	xml_element_c(w, "ErrorCode", code);
	xml_element_c(w, "ErrorMessage", message);
}

static void
soap_refuse(struct http_request *r, const char *message)
{
	struct buf text = BUF_EMPTY;
	struct xml_writer w;

	soap_open_response(&w, &text, http_state(r), "InvalidRequest", message, http_arena(r));
	soap_reply(r, 200, &w);
}

/* Not in the middle of a character. */
static struct str
soap_cut_name(struct str name)
{
	size_t len = name.len;

	if (len > SOAP_NAME_MAX)
		for (len = SOAP_NAME_MAX; len > 0 && ((unsigned char)name.p[len] & 0xc0) == 0x80; len--)
			;
	return str_first(name, len);
}

static void
soap_write_error(struct xml_writer *w, const struct soap_words *words, const struct soap_setting *setting,
		 struct str name)
{
	xml_open(w, words->error);
	xml_element_c(w, "ErrorCode", setting != NULL ? "SettingIsNotAvailable" : "InvalidSetting");
	xml_element_c(w, "ErrorMessage",
		      setting != NULL ? "The setting is not available." : "There is no such setting.");
	xml_element(w, "SettingName", soap_cut_name(name));
	xml_close(w);
}

static void
soap_write_found(struct xml_writer *w, const struct soap *s, const struct discovered *found)
{
	const struct soap_words *words = &soap_words[s->operation];
	const struct xml_node *n;

	xml_open(w, words->errors);
	for (n = s->settings->children; n != NULL; n = n->next)
		if (!soap_is_available(s, soap_find_setting(xml_text(n))))
			soap_write_error(w, words, soap_find_setting(xml_text(n)), xml_text(n));
	xml_close(w);
	xml_open(w, words->values);
	for (n = s->settings->children; n != NULL; n = n->next)
		if (soap_is_available(s, soap_find_setting(xml_text(n))))
			soap_write_setting(w, s, soap_find_setting(xml_text(n)), found);
	xml_close(w);
}

/* Only the account's own address and domain: of others nothing is told. */
static bool
soap_is_own(struct http_request *r, const struct soap *s, const struct xml_node *subject)
{
	const char *own = http_account(r)->address;
	char address[DIRECTORY_ADDRESS_MAX], domain[DIRECTORY_DOMAIN_MAX];

	if (s->operation == SOAP_USERS)
		return directory_canonical_address(xml_text(xml_child(subject, "Mailbox")), address) &&
		       strcmp(address, own) == 0;
	return directory_canonical_domain(xml_text(subject), domain) &&
	       str_eq(str_c(domain), directory_domain_of(str_c(own)));
}

static void
soap_write_answer(struct http_request *r, struct xml_writer *w, const struct xml_node *subject,
		  const struct discovered *found)
{
	const struct soap *s = http_state(r);
	const struct soap_words *words = &soap_words[s->operation];
	bool is_own = soap_is_own(r, s, subject);

	xml_open(w, words->answer);
	xml_element_c(w, "ErrorCode", is_own ? "NoError" : words->unknown);
	xml_element_c(w, "ErrorMessage", is_own ? "No error." : "This account may not ask about it.");
	xml_open(w, "RedirectTarget");
	xml_attribute(w, "i:nil", STR("true"));
	xml_close(w);
	if (is_own)
		soap_write_found(w, s, found);
	xml_close(w);
}

static void
soap_on_found(struct http_request *r, const struct discovered *found)
{
	const struct soap *s = http_state(r);
	struct buf text = BUF_EMPTY;
	struct xml_writer w;

	if (found == NULL) {
		soap_refuse(r, "The domain of the account is not served here.");
		return;
	}
	soap_open_response(&w, &text, s, "NoError", "", http_arena(r));
	xml_open(&w, soap_words[s->operation].answers);
	for (const struct xml_node *n = s->subjects->children; n != NULL; n = n->next)
		soap_write_answer(r, &w, n, found);
	soap_reply(r, 200, &w);
}

static void
soap_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct http_request *r = arg;
	struct soap *s = http_state(r);
	struct str own = str_c(http_account(r)->address);

	if (!http_back(r))
		return;
	if (err != NULL) {
		http_unavailable(r);
		return;
	}
	s->display_name =
		arena_strdup(http_arena(r), user != NULL && *user->display_name != '\0' ? user->display_name : own.p);
	discover(r, directory_domain_of(own), own, soap_on_found);
}

static void
soap_find_user(struct http_request *r)
{
	struct directory_user user;
	bool found;

	http_hold(r);
	if (directory_get_user(http_frontend(r)->directory, str_c(http_account(r)->address), &user, &found,
			       soap_on_user, r))
		soap_on_user(r, found ? &user : NULL, NULL);
}

/* ---- The request ---- */

static unsigned
soap_count(const struct xml_node *list)
{
	unsigned count = 0;

	for (const struct xml_node *n = list != NULL ? list->children : NULL; n != NULL; n = n->next)
		count++;
	return count;
}

/* False: it is none of the operations. */
static bool
soap_understand(struct soap *s, const struct xml_node *root)
{
	for (unsigned i = 0; i < SOAP_OPERATIONS; i++) {
		const struct soap_words *words = &soap_words[i];
		const struct xml_node *message = xml_find(root, "Body", words->request, NULL);

		if (message == NULL)
			continue;
		s->operation = (enum soap_operation)i;
		s->subjects = xml_find(message, "Request", words->list, NULL);
		s->settings = xml_find(message, "Request", "RequestedSettings", NULL);
		return true;
	}
	return false;
}

static void
soap_clean(struct http_request *r)
{
	struct soap *s = http_state(r);

	if (s != NULL)
		xml_reader_free(&s->reader);
}

static void
soap_on_begin(struct http_request *r)
{
	struct soap *s;

	/* Clients look whether there is something before they ask. */
	if (http_head(r)->method != HTTP_POST) {
		http_reply(r, 200, "text/plain; charset=utf-8", STR("Autodiscover: POST a SOAP request.\n"));
		return;
	}
	s = arena_new(http_arena(r), struct soap);
	http_set_state(r, s);
	s->reader = xml_reader_new(http_arena(r));
	http_want_body(r);
}

static void
soap_on_body(struct http_request *r, struct str piece)
{
	struct soap *s = http_state(r);
	struct err err;

	s->bad = s->bad || xml_reader_feed(s->reader, piece, &err) != 0;
}

static void
soap_on_end(struct http_request *r)
{
	struct soap *s = http_state(r);
	struct err err;
	const struct xml_node *root = s->bad ? NULL : xml_reader_end(s->reader, &err);
	unsigned subjects, settings;
	bool understood = root != NULL && soap_understand(s, root);

	soap_clean(r); /* the tree is in the request's arena */
	if (!understood) {
		soap_fault(r, root == NULL ? "The request is not well-formed XML."
					   : "The operation is not supported here.");
		return;
	}
	subjects = soap_count(s->subjects);
	settings = soap_count(s->settings);
	if (subjects == 0 || settings == 0)
		soap_refuse(r, "The request names nobody, or no settings.");
	else if (subjects > SOAP_SUBJECTS_MAX || settings > SOAP_SETTINGS_MAX ||
		 subjects * settings > 10 * SOAP_SETTINGS_MAX)
		soap_refuse(r, "The request asks for too much at once.");
	else
		soap_find_user(r);
}

const struct http_handler autodiscover_soap = {
	.on_begin = soap_on_begin, .on_body = soap_on_body, .on_end = soap_on_end, .on_gone = soap_clean};
