/* The photo of a user, from a file. */
#ifndef SP_CTL_PHOTO_H
#define SP_CTL_PHOTO_H

#include "ctl/ctl.h"

struct photo_order {
	bool is_given;	  /* the photo is to be changed */
	struct str photo; /* in the command's arena; empty: to be removed */
};

/* Takes --photo FILE or --no-photo from the arguments, and checks the photo. 0, or 1 after an
 * error message. */
int photo_take(struct ctl *ctl, int *argc, char **argv, struct photo_order *order);
/* The exit status. */
int photo_set(struct ctl *ctl, struct str address, const struct photo_order *order);

#endif
