/* Dying at a named place. */
#include "lib/base/crashpoint.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"

bool crashpoint_armed;
static char name_armed[64], marker[4096];
static int signal_armed;

void
crashpoint_init(void)
{
	const char *crash = getenv("STAGEPOST_CRASH_AT"), *text = crash != NULL ? crash : getenv("STAGEPOST_STOP_AT");
	const char *colon = text != NULL ? strchr(text, ':') : NULL;

	crashpoint_armed = false;
	if (colon == NULL || (size_t)(colon - text) >= sizeof(name_armed) || strlen(colon + 1) >= sizeof(marker))
		return;
	memcpy(name_armed, text, (size_t)(colon - text));
	name_armed[colon - text] = '\0';
	strcpy(marker, colon + 1);
	signal_armed = crash != NULL ? SIGKILL : SIGSTOP;
	crashpoint_armed = true;
}

void
crashpoint_pass(const char *name)
{
	if (strcmp(name, name_armed) != 0 || unlink(marker) != 0)
		return;
	if (signal_armed == SIGSTOP) {
		kill(getpid(), SIGSTOP);
		return;
	}
	log_warning(NULL, "stopping at the requested crash point", F_C("crash_at", name));
	kill(getpid(), SIGKILL);
	pause();
}
