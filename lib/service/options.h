/* Options of a program: parsed from a table, explained by --help. Private. */
#ifndef SP_SERVICE_OPTIONS_H
#define SP_SERVICE_OPTIONS_H

#include "lib/service/service.h"

/* Sets the values of both tables (either may be NULL) from argv, else from the environment,
 * else from the default. Returns 0; 1 after --help or --version was printed; -1 with err. */
int options_parse(const struct service_description *d, const struct service_option *common, int argc, char **argv,
		  struct err *err);

#endif
