/* Death at a named place. */
#include "lib/base/crashpoint.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"

bool crashpoint_armed;
static char name_armed[64], marker[4096];

void
crashpoint_init(void)
{
	const char *text = getenv("STAGEPOST_CRASH_AT");
	const char *colon = text != NULL ? strchr(text, ':') : NULL;

	crashpoint_armed = false;
	if (colon == NULL || (size_t)(colon - text) >= sizeof(name_armed) || strlen(colon + 1) >= sizeof(marker))
		return;
	memcpy(name_armed, text, (size_t)(colon - text));
	name_armed[colon - text] = '\0';
	strcpy(marker, colon + 1);
	crashpoint_armed = true;
}

void
crashpoint_pass(const char *name)
{
	if (strcmp(name, name_armed) != 0 || unlink(marker) != 0)
		return;
	log_warning(NULL, "dying as told", F_C("crash_at", name));
	kill(getpid(), SIGKILL);
	pause();
}
