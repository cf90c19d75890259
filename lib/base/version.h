/* Versions: what --version says, and what decides whether programs may run side by
 * side (docs/upgrade.md). */
#ifndef SP_BASE_VERSION_H
#define SP_BASE_VERSION_H

#define STAGEPOST_VERSION "0.1.0"

/* Of what lies in Redis and in packs. Raised by a change that programs of the
 * number before cannot read; those then do not start on such a store. */
#define STAGEPOST_STORE_VERSION 1

#endif
