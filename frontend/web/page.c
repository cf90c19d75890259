/* The files of the page. Embedded, so that a frontend has no files to find. */
#include <openssl/sha.h>
#include <stdio.h>

#include "frontend/web/private.h"

#define WEB_FILE(ident, path) \
	extern const char web_file_##ident[], web_file_end_##ident[]; \
	__asm__(".pushsection .rodata\n" \
		".global web_file_" #ident "\n" \
		".global web_file_end_" #ident "\n" \
		"web_file_" #ident ":\n.incbin \"" path "\"\n" \
		"web_file_end_" #ident ":\n.byte 0\n" \
		".popsection\n")

WEB_FILE(index, "frontend/web/page/index.html");
WEB_FILE(style, "frontend/web/page/style.css");
WEB_FILE(app, "frontend/web/page/app.js");
WEB_FILE(ui, "frontend/web/page/ui.js");
WEB_FILE(settings, "frontend/web/page/settings.js");
WEB_FILE(accounts, "frontend/web/page/accounts.js");
WEB_FILE(cluster, "frontend/web/page/cluster.js");
WEB_FILE(account, "frontend/web/page/account.js");
WEB_FILE(forms, "frontend/web/page/forms.js");
WEB_FILE(remote, "frontend/web/page/remote.js");
WEB_FILE(live, "frontend/web/page/live.js");
WEB_FILE(events, "frontend/web/page/events.js");
WEB_FILE(chart, "frontend/web/page/chart.js");
WEB_FILE(photo, "frontend/web/page/photo.js");
WEB_FILE(certificates, "frontend/web/page/certificates.js");

static struct page_file {
	const char *name; /* behind /admin/ */
	const char *type;
	const char *text, *end;
	char tag[20]; /* of its content; empty until it is asked for */
} page_files[] = {
#define JS "text/javascript; charset=utf-8"
	{"", "text/html; charset=utf-8", web_file_index, web_file_end_index, ""},
	{"style.css", "text/css; charset=utf-8", web_file_style, web_file_end_style, ""},
	{"app.js", JS, web_file_app, web_file_end_app, ""},
	{"ui.js", JS, web_file_ui, web_file_end_ui, ""},
	{"settings.js", JS, web_file_settings, web_file_end_settings, ""},
	{"accounts.js", JS, web_file_accounts, web_file_end_accounts, ""},
	{"cluster.js", JS, web_file_cluster, web_file_end_cluster, ""},
	{"account.js", JS, web_file_account, web_file_end_account, ""},
	{"forms.js", JS, web_file_forms, web_file_end_forms, ""},
	{"remote.js", JS, web_file_remote, web_file_end_remote, ""},
	{"live.js", JS, web_file_live, web_file_end_live, ""},
	{"events.js", JS, web_file_events, web_file_end_events, ""},
	{"chart.js", JS, web_file_chart, web_file_end_chart, ""},
	{"photo.js", JS, web_file_photo, web_file_end_photo, ""},
	{"certificates.js", JS, web_file_certificates, web_file_end_certificates, ""},
#undef JS
};

static struct page_file *
page_find(struct str name)
{
	for (size_t i = 0; i < sizeof(page_files) / sizeof(page_files[0]); i++)
		if (str_eq(str_c(page_files[i].name), name))
			return &page_files[i];
	return NULL;
}

static void
page_make_tag(struct page_file *f)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)f->text, (size_t)(f->end - f->text), digest);
	f->tag[0] = '"';
	for (size_t i = 0; i < 8; i++)
		snprintf(f->tag + 1 + 2 * i, 3, "%02x", digest[i]);
	f->tag[17] = '"';
	f->tag[18] = '\0';
}

static void
page_send(struct http_request *r, struct page_file *f)
{
	struct str text = str_of(f->text, (size_t)(f->end - f->text));

	if (f->tag[0] == '\0')
		page_make_tag(f);
	text = http_begin_bytes(r, f->type, str_c(f->tag), text);
	http_add_header(r, "Cache-Control", STR("no-cache"));
	http_add_header(r, "Content-Security-Policy",
			STR("default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"));
	http_add_header(r, "X-Content-Type-Options", STR("nosniff"));
	http_add_header(r, "X-Frame-Options", STR("DENY"));
	http_add_header(r, "Referrer-Policy", STR("no-referrer"));
	http_write(r, text);
	http_finish(r);
}

static void
page_on_begin(struct http_request *r)
{
	struct str path = http_head(r)->path;
	struct page_file *f;

	if (str_eq(path, STR("/admin"))) {
		http_redirect(r, 301, "/admin/");
		return;
	}
	f = page_find(str_from(path, sizeof("/admin/") - 1));
	if (f == NULL)
		http_refuse(r, 404);
	else
		page_send(r, f);
}

const struct http_handler web_page = {.on_begin = page_on_begin};
