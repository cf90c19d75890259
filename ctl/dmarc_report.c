/* The commands dmarc-report: sums of the DMARC reports that others have sent, from files or from a mailbox. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/dmarc_sums.h"
#include "lib/base/buf.h"
#include "lib/blob/blob.h"
#include "lib/dmarcrpt/unpack.h"
#include "lib/mailbox/mailbox.h"
#include "lib/redis/keys.h"

/* ---- Files ---- */
static int
dmarc_report_read_file(const char *file, struct buf *out, struct err *err)
{
	enum { PIECE = 256 * 1024 };
	int fd = strcmp(file, "-") == 0 ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	ssize_t got;
	int failed;

	if (fd < 0)
		return err_set_errno(err, errno, "it cannot be opened");
	while ((got = read(fd, buf_reserve(out, PIECE), PIECE)) > 0) {
		out->len += (size_t)got;
		if (out->len > DMARC_UNPACKED_MAX)
			break; /* dmarc_unpack() refuses it */
	}
	failed = errno;
	if (fd != STDIN_FILENO)
		close(fd);
	return got < 0 ? err_set_errno(err, failed, "it cannot be read") : 0;
}

static void
dmarc_report_add_file(struct dmarc_sums *s, const char *file)
{
	struct buf data = BUF_EMPTY;
	struct err err;

	if (dmarc_report_read_file(file, &data, &err) != 0)
		dmarc_sums_note(s, file, err.text);
	else if (!dmarc_sums_add(s, file, buf_str(&data)))
		dmarc_sums_note(s, file, "no report is in it");
	buf_fini(&data);
}

int
command_dmarc_report_read(struct ctl *ctl, int argc, char **argv)
{
	const char *domain = NULL, *since = NULL;
	struct dmarc_sums s;
	int status;

	if (ctl_take_option(&argc, argv, "--domain", &domain) != 0 ||
	    ctl_take_option(&argc, argv, "--since", &since) != 0)
		return ctl_usage("dmarc-report read");
	if (ctl_has_unknown_option(argc, argv))
		return 1;
	if (argc < 1)
		return ctl_usage("dmarc-report read");
	if (dmarc_sums_init(&s, &ctl->arena, domain, since) != 0)
		return 1;
	for (int i = 0; i < argc; i++)
		dmarc_report_add_file(&s, argv[i]);
	status = dmarc_sums_print(ctl, &s, (unsigned)argc);
	dmarc_sums_fini(&s);
	return status;
}

/* ---- A mailbox ---- */
struct inbox {
	struct ctl *ctl; /* borrowed */
	struct ctl_wait wait;
	const char *address; /* borrowed; canonical */
	const char *folder;  /* borrowed */
	uint32_t folder_id;
	struct buf hot, cold; /* owner: the records of its messages */
};

static void
inbox_on_folder(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct inbox *in = arg;

	if (err == NULL)
		in->folder_id = folder->id;
	ctl_wait_end(&in->wait, err);
}

static void
inbox_on_records(void *arg, const struct mailbox_records *r, const struct err *err)
{
	struct inbox *in = arg;

	if (err == NULL) {
		buf_add(&in->hot, r->hot, (size_t)r->count * MAILBOX_HOT_BYTES);
		buf_add(&in->cold, r->cold, (size_t)r->count * MAILBOX_COLD_BYTES);
	}
	ctl_wait_end(&in->wait, err);
}

/* The mailbox of an unknown account must not be made by asking for it. */
static int
inbox_find_account(struct inbox *in)
{
	const char *key = redis_key(&in->ctl->arena, KEY_USER, str_c(in->address)).p;
	redisReply *reply;
	struct err err;
	bool exists;

	if (ctl_connect(in->ctl, &err) != 0 || ctl_mailboxes(in->ctl, &err) == NULL)
		return ctl_fail("%s", err.text);
	reply = ctl_redis(in->ctl, &err, "EXISTS", key, NULL);
	if (reply == NULL)
		return ctl_fail("%s", err.text);
	exists = reply->integer == 1;
	freeReplyObject(reply);
	return exists ? 0 : ctl_fail("no user: %s", in->address);
}

static int
inbox_load(struct inbox *in)
{
	struct mailbox_store *m = in->ctl->mailboxes;
	struct str address = str_c(in->address);

	in->wait = CTL_WAIT;
	mailbox_open(m, address, str_c(in->folder), inbox_on_folder, in);
	if (ctl_wait(in->ctl, &in->wait) != 0)
		return ctl_fail("folder %s of %s: %s", in->folder, in->address, in->wait.err.text);
	in->wait = CTL_WAIT;
	mailbox_read(m, address, in->folder_id, 1, UINT32_MAX, MAILBOX_HOT | MAILBOX_COLD, 0, inbox_on_records, in);
	return ctl_wait(in->ctl, &in->wait) == 0 ? 0 : ctl_fail("%s", in->wait.err.text);
}

static int
inbox_read_body(struct inbox *in, const struct blob_id *body, struct buf *out, struct err *err)
{
	if (body->length > DMARC_UNPACKED_MAX)
		return err_set(err, ERR_INVALID, "it is more than %d MiB", DMARC_UNPACKED_MAX / 1024 / 1024);
	while (out->len < body->length) {
		size_t left = (size_t)body->length - out->len, piece = left < BLOB_READ_MAX ? left : BLOB_READ_MAX;
		int64_t got = blob_read_sync(in->ctl->blobs, body, out->len, buf_reserve(out, piece), piece, err);

		if (got < 0)
			return -1;
		if (got == 0)
			return err_set(err, ERR_CORRUPT, "the body is too short");
		out->len += (size_t)got;
	}
	return 0;
}

/* Other mail is there too, and is nothing to speak of. A report comes after the days that it is about. */
static void
inbox_add_all(struct inbox *in, struct dmarc_sums *s)
{
	size_t count = in->cold.len / MAILBOX_COLD_BYTES;

	for (size_t i = 0; i < count; i++) {
		struct buf data = BUF_EMPTY;
		struct mailbox_cold cold;
		char name[64];
		struct err err;

		mailbox_cold_unpack(in->cold.data + i * MAILBOX_COLD_BYTES, &cold);
		if (cold.save_date < s->since_s)
			continue;
		snprintf(name, sizeof(name), "message %u", mailbox_hot_uid(in->hot.data + i * MAILBOX_HOT_BYTES));
		if (inbox_read_body(in, &cold.body, &data, &err) == 0)
			dmarc_sums_add(s, name, buf_str(&data));
		else
			dmarc_sums_note(s, name, err.text);
		buf_fini(&data);
	}
}

int
command_dmarc_report_inbox(struct ctl *ctl, int argc, char **argv)
{
	const char *mailbox = NULL, *since = NULL;
	struct inbox in = {.ctl = ctl, .folder = "INBOX"};
	char address[DIRECTORY_ADDRESS_MAX];
	struct dmarc_sums s;
	int status = 1;

	if (ctl_take_option(&argc, argv, "--mailbox", &mailbox) != 0 ||
	    ctl_take_option(&argc, argv, "--folder", &in.folder) != 0 ||
	    ctl_take_option(&argc, argv, "--since", &since) != 0)
		return ctl_usage("dmarc-report inbox");
	if (ctl_has_unknown_option(argc, argv))
		return 1;
	if (argc != 1 || mailbox == NULL)
		return ctl_usage("dmarc-report inbox");
	if (!directory_canonical_address(str_c(mailbox), address))
		return ctl_fail("'%s' is not an address", mailbox);
	in.address = address;
	if (dmarc_sums_init(&s, &ctl->arena, argv[0], since) != 0)
		return 1;
	if (inbox_find_account(&in) == 0 && inbox_load(&in) == 0) {
		inbox_add_all(&in, &s);
		status = dmarc_sums_print(ctl, &s, UINT32_MAX);
	}
	buf_fini(&in.hot);
	buf_fini(&in.cold);
	dmarc_sums_fini(&s);
	return status;
}
