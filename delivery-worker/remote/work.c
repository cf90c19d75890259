#include "delivery-worker/remote/work.h"

#include <stdio.h>

const struct settings_smtp_out *
work_settings(const struct remote_work *w)
{
	return settings_smtp_out(settings_current(w->job->worker->settings), w->sender_domain);
}

void
work_server_name(const struct remote_work *w, char out[SERVER_NAME_MAX])
{
	char ip[IP_TEXT_MAX];

	ip_text(&w->target.ip, ip);
	if (w->target.host[0] == '[')
		snprintf(out, SERVER_NAME_MAX, "%s:%u", w->target.host, w->target.port);
	else
		snprintf(out, SERVER_NAME_MAX, "%s [%s]:%u", w->target.host, ip, w->target.port);
}

void
work_note_trouble(struct remote_work *w, const char *code, const char *text, const char *remote, bool is_ill)
{
	struct trouble *t = &w->trouble;
	bool is_final = code[0] == '5';

	if (is_final && t->code[0] == '4')
		return;
	str_copy(str_c(code), t->code, sizeof(t->code));
	t->text = arena_strdup(&w->job->arena, text);
	str_copy(str_c(remote), t->remote, sizeof(t->remote));
	t->is_ill = is_ill && !is_final;
}
