/* A login leaves no copy of the password behind: no buffer moves once it holds it. */
#include <dlfcn.h>
#include <malloc.h>

#include "lib/base/base64.h"
#include "tests/unit/delivery-worker/retrieve/wire/scripted.h"

#define SHOWN 12 /* bytes by which the password is known */

static const char *watched;
static size_t watched_len;
static unsigned moved;

#ifndef __SANITIZE_ADDRESS__
/* In place of the C library's. The old memory is given back as it is. */
void *
realloc(void *p, size_t size)
{
	static void *(*next)(void *, size_t);

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "realloc");
	if (p != NULL && watched != NULL && memmem(p, malloc_usable_size(p), watched, watched_len) != NULL)
		moved++;
	return next(p, size);
}
#endif

#define SECRET	    "h7Qp2vXz91LmK4sTw8RbN6cYd3Gf5JaE" SECRET_MORE SECRET_MORE SECRET_MORE
#define SECRET_MORE "0123456789012345678901234567890123456789012345678901234567890123456789"

static const struct {
	enum remote_protocol protocol;
	bool coded;
	const char *const *script;
} logins[] = {
	{REMOTE_IMAP, false,
	 SCRIPT("S: * OK [CAPABILITY IMAP4rev1] hi", "C: A1 LOGIN \"u\" \"" SECRET "\"",
		"S: A1 OK [CAPABILITY IMAP4rev1] in")},
	{REMOTE_IMAP, true,
	 SCRIPT("S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi", "C: A1 AUTHENTICATE PLAIN ",
		"S: A1 OK [CAPABILITY IMAP4rev1] in")},
	{REMOTE_IMAP, true,
	 SCRIPT("S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi", "C: A1 AUTHENTICATE PLAIN", "S: + ", "C: *",
		"S: A1 OK [CAPABILITY IMAP4rev1] in")},
	{REMOTE_POP3, false,
	 SCRIPT("S: +OK hi", "C: CAPA", "S: -ERR", "C: USER", "S: +OK", "C: PASS " SECRET, "S: +OK")},
	{REMOTE_POP3, true,
	 SCRIPT("S: +OK hi", "C: CAPA", "S: +OK", "S: SASL PLAIN", "S: .", "C: AUTH PLAIN", "S: + ", "C: *", "S: +OK")},
};

static void
test_no_copy_is_left(void **state)
{
	struct scripted *s = *state;
	struct buf code = BUF_EMPTY;

	/* What PLAIN has before it is three bytes long: the code of the password begins at a digit. */
	base64_encode(STR(SECRET), &code);
	for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
		scripted_reset(s, logins[i].protocol);
		s->options.secret = SECRET;
		watched = logins[i].coded ? code.data : SECRET;
		watched_len = SHOWN;
		moved = 0;
		assert_string_equal(scripted_run(s, logins[i].script, ""), "done|");
		watched = NULL;
		if (moved > 0)
			fail_msg("login %zu has left %u copies", i, moved);
	}
	buf_fini(&code);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_copy_is_left, scripted_init, scripted_fini),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
