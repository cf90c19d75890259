#include "ctl/secret_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base64.h"
#include "lib/base/check.h"

enum { SECRET_KEY_BYTES = 32, SECRET_KEY_FILE_MAX = 4096 };

/* Complete or not at all: sealed with half a key, secrets would be lost. */
static int
secret_key_make(const char *path, struct err *err)
{
	unsigned char bytes[SECRET_KEY_BYTES];
	struct buf text = BUF_EMPTY;
	char temporary[LAYOUT_PATH_MAX + 8];
	int fd, result = 0;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	CHECK(RAND_bytes(bytes, sizeof(bytes)) == 1);
	buf_add_c(&text, "k1:");
	base64_encode(str_of((const char *)bytes, sizeof(bytes)), &text);
	buf_add_byte(&text, '\n');
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text.data, text.len) != (ssize_t)text.len || fsync(fd) != 0 ||
	    rename(temporary, path) != 0)
		result = err_set_errno(err, errno, "writing %s", path);
	if (fd >= 0)
		close(fd);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	OPENSSL_cleanse(text.data, text.len);
	buf_fini(&text);
	return result;
}

int
secret_key_provide(const struct layout *layout, struct err *err)
{
	char path[LAYOUT_PATH_MAX], text[SECRET_KEY_FILE_MAX];
	const char *given = getenv("STAGEPOST_SECRET_KEY");
	ssize_t len;
	int fd;

	if (given != NULL && *given != '\0')
		return 0;
	layout_path(layout, "secret.key", path);
	if (access(path, F_OK) != 0 && secret_key_make(path, err) != 0)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (len < 0)
		err_set_errno(err, errno, "reading %s", path);
	if (fd >= 0)
		close(fd);
	if (len < 0)
		return -1;
	text[len] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	setenv("STAGEPOST_SECRET_KEY", text, 1);
	OPENSSL_cleanse(text, sizeof(text));
	return 0;
}
