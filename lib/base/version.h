/* What --version says. */
#ifndef SP_BASE_VERSION_H
#define SP_BASE_VERSION_H

#define STAGEPOST_VERSION "0.1.0"

#endif
