/* The table of replies, and how one is written. */
#include "frontend/smtp/replies.h"

#include <stdio.h>

#include "lib/base/check.h"

enum { REPLY_LINE_MAX = 512, ARGUMENT_MAX = 330 };

static const struct smtp_reply replies[] = {
#define SMTP_REPLY_ROW(name, code, enhanced, flags, text) [REPLY_##name] = {code, enhanced, flags, text},
	SMTP_REPLIES(SMTP_REPLY_ROW)
#undef SMTP_REPLY_ROW
};

const struct smtp_reply *
smtp_reply_get(enum smtp_reply_name name)
{
	CHECKF(name < SMTP_REPLY_COUNT, "reply %d", (int)name);
	return &replies[name];
}

static size_t
replies_copy_argument(struct str argument, char *out)
{
	argument = str_first(argument, ARGUMENT_MAX);
	for (size_t i = 0; i < argument.len; i++) {
		unsigned char c = (unsigned char)argument.p[i];
		out[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	return argument.len;
}

void
smtp_reply_write(enum smtp_reply_name name, struct str argument, struct evbuffer *out)
{
	const struct smtp_reply *reply = smtp_reply_get(name);
	const char *hole = strstr(reply->text, "{}");
	size_t before = hole != NULL ? (size_t)(hole - reply->text) : strlen(reply->text);
	char line[REPLY_LINE_MAX];
	size_t len;

	len = (size_t)snprintf(line, sizeof(line), "%u %s%s%.*s", reply->code, reply->enhanced,
			       reply->enhanced[0] != '\0' ? " " : "", (int)before, reply->text);
	if (hole != NULL) {
		len += replies_copy_argument(argument, line + len);
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%s", hole + 2);
	}
	CHECKF(len + 2 <= sizeof(line), "reply %d of %zu octets", (int)name, len);
	line[len++] = '\r';
	line[len++] = '\n';
	evbuffer_add(out, line, len);
}
