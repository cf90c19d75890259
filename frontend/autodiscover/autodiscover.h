/* Autodiscover: mail clients ask where a domain's mail is served, each in a form of
 * its own. All forms tell the same (services.h), from the settings pop, imap and
 * smtp-in autodiscover_host, autodiscover_port and autodiscover_ssl, and only what is
 * served here.
 *
 * A form that anybody may ask tells of a domain, never whether an address exists. */
#ifndef SP_FRONTEND_AUTODISCOVER_AUTODISCOVER_H
#define SP_FRONTEND_AUTODISCOVER_AUTODISCOVER_H

#include "frontend/http/http.h"

/* Mozilla's: GET of an XML file, without login. */
extern const struct http_handler autodiscover_autoconfig;
/* Outlook's POX ("plain old XML"): POST, with login. */
extern const struct http_handler autodiscover_pox;
/* Outlook's newer form: GET, JSON, without login. */
extern const struct http_handler autodiscover_json;
/* Apple's configuration profile: GET, without login. */
extern const struct http_handler autodiscover_mobileconfig;

#endif
