#include "ctl/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base64.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/folder.h"
#include "lib/base/str.h"

enum { PATH_MAX_HERE = 800, KEY_BYTES = 32, KEY_ID_BYTES = 4 };

int
secret_file_read(const char *path, char *out, size_t size, struct err *err)
{
	FILE *f = fopen(path, "re");
	char *line;
	int next = EOF;

	if (f == NULL)
		return err_set_errno(err, errno, "opening %s", path);
	line = fgets(out, (int)size, f);
	if (line != NULL && strchr(line, '\n') == NULL)
		next = fgetc(f);
	fclose(f);
	if (line == NULL)
		return err_set(err, ERR_CORRUPT, "%s is empty", path);
	/* Part of a secret would be another one. */
	if (next != EOF && next != '\n')
		return err_set(err, ERR_CORRUPT, "the line in %s is longer than %zu bytes", path, size - 1);
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

/* So that the new name is there after a crash. */
static int
secret_file_sync_folder(const char *path, struct err *err)
{
	char folder[PATH_MAX_HERE];
	char *slash;

	if (!str_copy(str_c(path), folder, sizeof(folder)))
		return err_set(err, ERR_INVALID, "%.200s...: the path is too long", path);
	slash = strrchr(folder, '/');
	if (slash == NULL)
		return folder_sync(".", err);
	slash[slash == folder] = '\0';
	return folder_sync(folder, err);
}

int
secret_file_write(const char *path, const char *text, struct err *err)
{
	char temporary[PATH_MAX_HERE];
	FILE *f;
	int fd, failed;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (f == NULL)
		return err_set_errno(err, errno, "making %s", temporary);
	failed = fprintf(f, "%s\n", text) < 0 || fflush(f) != 0 || fsync(fd) != 0;
	if (fclose(f) != 0 || failed || rename(temporary, path) != 0)
		return err_set_errno(err, errno, "writing %s", path);
	return secret_file_sync_folder(path, err);
}

int
secret_file_ensure_key(const char *path, char out[SECRET_FILE_KEY_MAX], struct err *err)
{
	unsigned char key[KEY_BYTES], id[KEY_ID_BYTES];
	struct buf text = BUF_EMPTY;
	struct err why;

	if (secret_file_read(path, out, SECRET_FILE_KEY_MAX, &why) == 0)
		return 0;
	if (why.code != ERR_NOT_FOUND) {
		if (err != NULL)
			*err = why;
		return -1;
	}
	CHECK(RAND_bytes(key, sizeof(key)) == 1 && RAND_bytes(id, sizeof(id)) == 1);
	/* The keys of two clusters have two ids: so they can stand in one list. */
	buf_printf(&text, "k%02x%02x%02x%02x:", id[0], id[1], id[2], id[3]);
	base64_encode(str_of((const char *)key, sizeof(key)), &text);
	CHECK(str_copy(buf_str(&text), out, SECRET_FILE_KEY_MAX));
	buf_fini(&text);
	return secret_file_write(path, out, err);
}
