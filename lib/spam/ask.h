/* A message is shown to spam engines, one after another, until one gives a
 * verdict. It runs on the caller's loop and never waits. */
#ifndef SP_SPAM_ASK_H
#define SP_SPAM_ASK_H

#include <event2/event.h>

#include "lib/blob/blob.h"
#include "lib/dns/dns.h"
#include "lib/settings/settings.h"
#include "lib/spam/engine.h"

/* Remembers which engines could not be reached; these are asked last for a while. One for each loop. */
struct spam_health *spam_health_new(void);
void spam_health_free(struct spam_health **h);

struct spam_ask_options {
	struct event_base *base; /* borrowed, like all that follow */
	struct blob_store *blobs;
	struct dns *dns;
	struct spam_health *health;
	struct log_context *log;
	struct arena *arena;		     /* of the verdict */
	const struct settings_list *engines; /* URLs; needed only during the call */
	const Stagepost__Envelope *envelope; /* with its body */
	int64_t timeout_ms;		     /* for each engine's answer */
};

enum spam_asked {
	SPAM_ASKED_VERDICT,
	SPAM_ASKED_NONE_REACHED, /* no connection to any engine could be made */
	SPAM_ASKED_NONE_ANSWERED,
	SPAM_ASKED_NO_BODY, /* the store did not return it */
};

/* Called once; it may be called before spam_ask_start() returns. verdict: in the
 * arena; NULL if there is none, and err says why. The ask is over. */
typedef void spam_on_asked(void *arg, enum spam_asked how, Stagepost__SpamVerdict *verdict, struct err *err);

struct spam_ask;

/* In the options' arena. */
struct spam_ask *spam_ask_new(const struct spam_ask_options *options, spam_on_asked *cb, void *arg);
void spam_ask_start(struct spam_ask *a);
/* Gives up: the callback is not called. Allowed after the end too. */
void spam_ask_stop(struct spam_ask *a);

#endif
