/* Commands as they are sent, and what their refusal means. */
#include <openssl/crypto.h>

#include "delivery-worker/retrieve/wire/pop.h"
#include "lib/base/check.h"

void
pop_expect(struct pop *p, enum pop_step step)
{
	CHECK(p->awaited_count < POP_AHEAD);
	p->awaited[p->awaited_count++] = step;
}

void
pop_command(struct remote_box *b, enum pop_step step, const char *format, ...)
{
	struct buf command = BUF_EMPTY;
	va_list ap;

	va_start(ap, format);
	buf_vprintf(&command, format, ap);
	va_end(ap);
	pop_command_secret(b, step, &command);
	buf_fini(&command);
}

void
pop_command_secret(struct remote_box *b, enum pop_step step, struct buf *command)
{
	box_write(b, buf_str(command));
	box_write(b, STR("\r\n"));
	OPENSSL_cleanse(command->data, command->len);
	pop_expect(b->pop, step);
}

unsigned
pop_room(const struct pop *p)
{
	unsigned most = (p->caps & POP_CAN_PIPELINING) != 0 ? POP_AHEAD : 1;

	return most > p->awaited_count ? most - p->awaited_count : 0;
}

/* RFC 2449, 8.1.1, RFC 3206: the remote cannot now; it says nothing about the request. */
static bool
pop_code_is_passing(struct str code)
{
	return str_eq_ci(code, STR("IN-USE")) || str_eq_ci(code, STR("LOGIN-DELAY")) ||
	       str_starts_ci(code, STR("SYS/TEMP"));
}

void
pop_fail_status(struct remote_box *b, enum remote_trouble trouble, const struct pop_status *s, const char *what)
{
	if (pop_code_is_passing(s->code))
		trouble = REMOTE_UNAVAILABLE;
	if (trouble == REMOTE_REFUSED)
		op_refused(b, s->text, "%s is refused", what);
	else
		box_fail(b, trouble, s->text, "%s is refused", what);
}
