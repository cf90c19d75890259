/* Mozilla's autoconfig (https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat):
 * http://autoconfig.DOMAIN/mail/config-v1.1.xml?emailaddress=..., and
 * https://DOMAIN/.well-known/autoconfig/mail/config-v1.1.xml. */
#include "frontend/autodiscover/autodiscover.h"
#include "frontend/autodiscover/services.h"
#include "lib/xml/writer.h"

static void
autoconfig_write_server(struct xml_writer *w, const struct discovered_service *s, const char *user)
{
	static const char *const types[] = {[SERVICE_IMAP] = "imap", [SERVICE_POP3] = "pop3", [SERVICE_SMTP] = "smtp"};

	xml_open(w, s->kind == SERVICE_SMTP ? "outgoingServer" : "incomingServer");
	xml_attribute(w, "type", str_c(types[s->kind]));
	xml_element_c(w, "hostname", s->host);
	xml_element_u64(w, "port", s->port);
	xml_element_c(w, "socketType", s->tls ? "SSL" : "STARTTLS");
	xml_element_c(w, "username", user);
	xml_element_c(w, "authentication", "password-cleartext"); /* within TLS */
	xml_close(w);
}

static void
autoconfig_on_found(struct http_request *r, const struct discovered *found)
{
	struct buf text = BUF_EMPTY;
	struct xml_writer w;

	if (found == NULL) {
		http_refuse(r, 404);
		return;
	}
	xml_begin(&w, &text);
	xml_open(&w, "clientConfig");
	xml_attribute(&w, "version", STR("1.1"));
	xml_open(&w, "emailProvider");
	xml_attribute(&w, "id", found->domain);
	xml_element(&w, "domain", found->domain);
	xml_element(&w, "displayName", found->domain);
	xml_element(&w, "displayShortName", found->domain);
	for (unsigned i = 0; i < SERVICE_COUNT; i++)
		autoconfig_write_server(&w, &found->services[i], "%EMAILADDRESS%");
	xml_finish(&w);
	http_reply(r, 200, "text/xml; charset=utf-8", buf_str(&text));
	buf_fini(&text);
}

static void
autoconfig_on_begin(struct http_request *r)
{
	discover_by_request(r, STR("autoconfig."), autoconfig_on_found);
}

const struct http_handler autodiscover_autoconfig = {.on_begin = autoconfig_on_begin};
