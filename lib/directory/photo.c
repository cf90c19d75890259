/* Photos of users, as every protocol shows them: JPEG, kept as they were given.
 *
 * A photo is in a key of its own, in the slot of the record, and both are changed by one
 * script: neither is ever without the other. The record and the entry of the address book
 * have its fingerprint; the bytes are read when somebody wants them. */
#include <openssl/sha.h>

#include "lib/directory/private.h"

REDIS_SCRIPT(directory_user_photo, "lib/directory/user_photo.lua");

enum { PHOTO_SIDE_MAX = 4096, PHOTO_PRINT_BYTES = 8 };

/* ---- Is it a JPEG? Its segments up to the picture (ISO 10918-1, annex B) ---- */
enum { JPEG_SOI = 0xd8, JPEG_EOI = 0xd9, JPEG_SOS = 0xda };

/* A header of a frame, whatever its coding; not the tables that lie among their numbers. */
static bool
photo_is_frame(unsigned marker)
{
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

/* The frame: length, precision, lines, samples a line. */
static bool
photo_takes_frame(const unsigned char *p, size_t len)
{
	unsigned height, width;

	if (len < 8)
		return false;
	height = (unsigned)p[3] << 8 | p[4];
	width = (unsigned)p[5] << 8 | p[6];
	return height != 0 && width != 0 && height <= PHOTO_SIDE_MAX && width <= PHOTO_SIDE_MAX;
}

static bool
photo_has_end(const unsigned char *p, size_t len)
{
	for (size_t i = len; i >= 2; i--)
		if (p[i - 2] == 0xff && p[i - 1] == JPEG_EOI)
			return true;
	return false;
}

static bool
photo_is_jpeg(struct str photo)
{
	const unsigned char *p = (const unsigned char *)photo.p;
	size_t at = 2, len;
	bool has_frame = false;

	if (photo.len < 4 || p[0] != 0xff || p[1] != JPEG_SOI)
		return false;
	while (at + 4 <= photo.len && p[at] == 0xff) {
		unsigned marker = p[at + 1];

		if (marker == 0xff) { /* fill */
			at++;
			continue;
		}
		len = (size_t)p[at + 2] << 8 | p[at + 3];
		if (len < 2 || len > photo.len - at - 2)
			return false;
		if (marker == JPEG_SOS)
			return has_frame && photo_has_end(p + at, photo.len - at);
		if (photo_is_frame(marker)) {
			if (has_frame || !photo_takes_frame(p + at + 2, len))
				return false;
			has_frame = true;
		}
		at += 2 + len;
	}
	return false;
}

int
directory_photo_check(struct str photo, struct err *err)
{
	if (photo.len > DIRECTORY_PHOTO_MAX)
		return err_set(err, ERR_INVALID, "a photo may have at most %d KiB", DIRECTORY_PHOTO_MAX / 1024);
	if (!photo_is_jpeg(photo))
		return err_set(err, ERR_INVALID, "a photo must be a whole JPEG of at most %d by %d pixels",
			       PHOTO_SIDE_MAX, PHOTO_SIDE_MAX);
	return 0;
}

/* ---- Changing it ---- */
static void
photo_on_set(void *arg, const redisReply *reply, const struct err *err)
{
	(void)reply;
	if (err != NULL)
		order_end(arg, err);
	else
		order_end_with_book(arg, NULL);
}

/* Size and fingerprint. */
static struct str
photo_print(struct order *o, struct str photo)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	struct buf text = BUF_EMPTY;
	struct str kept;

	SHA256((const unsigned char *)photo.p, photo.len, digest);
	buf_printf(&text, "%zu ", photo.len);
	for (unsigned i = 0; i < PHOTO_PRINT_BYTES; i++)
		buf_printf(&text, "%02x", digest[i]);
	kept = arena_str(&o->arena, buf_str(&text));
	buf_fini(&text);
	return kept;
}

void
directory_photo_set(struct directory *d, struct str address, struct str photo, directory_on_done *cb, void *arg)
{
	struct order *o = order_new(d, (void (*)(void))cb, arg);
	struct err err;

	o->set = "users";
	if (!order_take_address(o, address))
		return;
	if (photo.len != 0 && directory_photo_check(photo, &err) != 0) {
		order_refuse(o, err.code, "%s", err.text);
		return;
	}
	const struct str keys[] = {redis_key(&o->arena, KEY_USER, str_c(o->name)),
				   redis_key(&o->arena, KEY_PHOTO, str_c(o->name))};
	const struct str args[] = {str_c(o->name), photo.len != 0 ? photo_print(o, photo) : STR_NONE, photo};
	redis_eval(o->redis, photo_on_set, o, &directory_user_photo, 2, keys, 3, args);
}

/* ---- Reading it ---- */
struct photo_reading {
	directory_on_photo *cb;
	void *arg;
};

static void
photo_on_read(void *arg, const redisReply *reply, const struct err *err)
{
	struct photo_reading *p = arg;

	p->cb(p->arg, err == NULL ? redis_str(reply) : STR_NONE, err);
	mem_free(p);
}

void
directory_photo_read(struct redis *r, struct str address, directory_on_photo *cb, void *arg)
{
	struct photo_reading *p = mem_new(struct photo_reading);
	char key[DIRECTORY_KEY_MAX];

	p->cb = cb;
	p->arg = arg;
	redis_call_key(r, photo_on_read, p, "GET", redis_key_print(key, sizeof(key), KEY_PHOTO, address), 0, NULL);
}
