/* `stagepost user set ADDRESS --photo FILE` and `--no-photo`. */
#include "ctl/photo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/directory/directory.h"

static int
photo_read_file(struct ctl *ctl, const char *path, struct str *photo_out)
{
	char *bytes = arena_alloc(&ctl->arena, DIRECTORY_PHOTO_MAX + 1); /* one more tells that it is too large */
	FILE *f = fopen(path, "rb");
	size_t len;
	bool failed;

	if (f == NULL)
		return ctl_fail("%s: %s", path, strerror(errno));
	len = fread(bytes, 1, DIRECTORY_PHOTO_MAX + 1, f);
	failed = ferror(f) != 0;
	(void)fclose(f);
	if (failed)
		return ctl_fail("%s cannot be read", path);
	*photo_out = str_of(bytes, len);
	return 0;
}

int
photo_take(struct ctl *ctl, int *argc, char **argv, struct photo_order *order)
{
	const char *path = NULL;
	struct err err;

	*order = (struct photo_order){.is_given = false};
	if (ctl_take_option(argc, argv, "--photo", &path) != 0)
		return ctl_fail("--photo needs a file");
	order->is_given = ctl_take_flag(argc, argv, "--no-photo");
	if (path == NULL)
		return 0;
	if (order->is_given)
		return ctl_fail("either --photo or --no-photo");
	order->is_given = true;
	if (photo_read_file(ctl, path, &order->photo) != 0)
		return 1;
	return directory_photo_check(order->photo, &err) == 0 ? 0 : ctl_fail("%s: %s", path, err.text);
}

int
photo_set(struct ctl *ctl, struct str address, const struct photo_order *order)
{
	struct ctl_wait w = CTL_WAIT;

	directory_photo_set(ctl_directory(ctl), address, order->photo, ctl_on_done, &w);
	return ctl_await_done(ctl, &w);
}
