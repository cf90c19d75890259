/* Apple's configuration profile: GET /mobileconfig?email=ADDRESS. A phone that opens
 * it asks only for the password. The profile is signed with the host's certificate
 * (CMS, RFC 5652), so that the phone shows where it comes from. */
#include <openssl/sha.h>
#include <stdio.h>

#include "frontend/autodiscover/autodiscover.h"
#include "frontend/autodiscover/services.h"
#include "lib/xml/writer.h"

enum { UUID_SIZE = 37 };

/* Always the same for the same address: a profile that is installed again replaces
 * the previous one (version 5 of RFC 9562 in format, but from SHA-256). */
static void
mobileconfig_uuid(const char *what, struct str address, char out[UUID_SIZE])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	struct buf name = BUF_EMPTY;
	const unsigned char *d = digest;

	buf_printf(&name, "stagepost mobileconfig %s %.*s", what, STR_ARG(address));
	SHA256((const unsigned char *)name.data, name.len, digest);
	buf_fini(&name);
	snprintf(out, UUID_SIZE, "%02X%02X%02X%02X-%02X%02X-5%X%02X-%X%X%02X-%02X%02X%02X%02X%02X%02X", d[0], d[1],
		 d[2], d[3], d[4], d[5], d[6] & 0xfu, d[7], 8u + (d[8] >> 6), d[8] & 0xfu, d[9], d[10], d[11], d[12],
		 d[13], d[14], d[15]);
}

static void
mobileconfig_string(struct xml_writer *w, const char *key, struct str value)
{
	xml_element_c(w, "key", key);
	xml_element(w, "string", value);
}

static void
mobileconfig_number(struct xml_writer *w, const char *key, uint64_t number)
{
	xml_element_c(w, "key", key);
	xml_element_u64(w, "integer", number);
}

static void
mobileconfig_true(struct xml_writer *w, const char *key)
{
	xml_element_c(w, "key", key);
	xml_element(w, "true", STR_NONE);
}

/* The keys common to all payloads. */
static void
mobileconfig_payload(struct xml_writer *w, const char *type, const char *what, const struct discovered *found)
{
	char uuid[UUID_SIZE], id[400];

	mobileconfig_uuid(what, found->address, uuid);
	snprintf(id, sizeof(id), "%.*s.%s.%s", STR_ARG(found->domain), what, uuid);
	mobileconfig_string(w, "PayloadType", str_c(type));
	mobileconfig_number(w, "PayloadVersion", 1);
	mobileconfig_string(w, "PayloadIdentifier", str_c(id));
	mobileconfig_string(w, "PayloadUUID", str_c(uuid));
	mobileconfig_string(w, "PayloadDisplayName", found->address);
}

/* prefix: "IncomingMailServer", "OutgoingMailServer". UseSSL covers both implicit TLS
 * and STARTTLS; the client finds out which one it is. */
static void
mobileconfig_server(struct xml_writer *w, const char *prefix, const struct discovered_service *s, struct str user)
{
	char key[64];

	snprintf(key, sizeof(key), "%sHostName", prefix);
	mobileconfig_string(w, key, str_c(s->host));
	snprintf(key, sizeof(key), "%sPortNumber", prefix);
	mobileconfig_number(w, key, s->port);
	snprintf(key, sizeof(key), "%sUseSSL", prefix);
	mobileconfig_true(w, key);
	snprintf(key, sizeof(key), "%sUsername", prefix);
	mobileconfig_string(w, key, user);
	snprintf(key, sizeof(key), "%sAuthentication", prefix);
	mobileconfig_string(w, key, STR("EmailAuthPassword"));
}

static void
mobileconfig_mail(struct xml_writer *w, const struct discovered *found)
{
	xml_open(w, "dict");
	mobileconfig_payload(w, "com.apple.mail.managed", "mail", found);
	mobileconfig_string(w, "EmailAccountType", STR("EmailTypeIMAP"));
	mobileconfig_string(w, "EmailAccountDescription", found->address);
	mobileconfig_string(w, "EmailAddress", found->address);
	mobileconfig_server(w, "IncomingMailServer", &found->services[SERVICE_IMAP], found->address);
	mobileconfig_server(w, "OutgoingMailServer", &found->services[SERVICE_SMTP], found->address);
	mobileconfig_true(w, "OutgoingPasswordSameAsIncomingPassword");
	xml_close(w);
}

static void
mobileconfig_write(const struct discovered *found, struct buf *out)
{
	struct xml_writer w;

	xml_begin(&w, out);
	buf_add_c(out, "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
		       "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n");
	xml_open(&w, "plist");
	xml_attribute(&w, "version", STR("1.0"));
	xml_open(&w, "dict");
	mobileconfig_payload(&w, "Configuration", "profile", found);
	mobileconfig_string(&w, "PayloadOrganization", found->domain);
	xml_element_c(&w, "key", "PayloadContent");
	xml_open(&w, "array");
	mobileconfig_mail(&w, found);
	xml_finish(&w);
}

static void
mobileconfig_on_found(struct http_request *r, const struct discovered *found)
{
	struct buf plain = BUF_EMPTY, sealed = BUF_EMPTY;
	bool is_signed;

	if (found == NULL || found->address.len == 0) {
		http_refuse(r, found == NULL ? 404 : 400);
		return;
	}
	mobileconfig_write(found, &plain);
	is_signed = frontend_sign(http_frontend(r), http_head(r)->host, buf_str(&plain), &sealed);
	http_begin(r, 200, "application/x-apple-aspen-config", is_signed ? sealed.len : plain.len);
	http_add_header(r, "Content-Disposition",
			str_c(arena_printf(http_arena(r), "attachment; filename=\"%.*s.mobileconfig\"",
					   STR_ARG(found->domain))));
	http_write(r, is_signed ? buf_str(&sealed) : buf_str(&plain));
	http_finish(r);
	buf_fini(&plain);
	buf_fini(&sealed);
}

static void
mobileconfig_on_begin(struct http_request *r)
{
	discover_by_request(r, STR("autoconfig."), mobileconfig_on_found);
}

const struct http_handler autodiscover_mobileconfig = {.on_begin = mobileconfig_on_begin};
