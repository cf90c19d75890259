/* A snapshot by the replication protocol, over a separate blocking connection with
 * a time limit of a second, after which on_wait is called. */
#include "lib/redis/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/redis/tls.h"
#include "lib/redis/url.h"

enum { WAIT_MS = 1000, SILENCE_MS = 300000, LINE_MAX_BYTES = 512, READ_BYTES = 256 * 1024, MARK_BYTES = 40 };

struct snapshot {
	struct redis_url url;
	int fd;
	SSL *ssl;	/* owner; NULL: plain */
	int out;	/* the file */
	struct buf in;	/* received, not processed yet */
	size_t in_from; /* offset in it */
	uint64_t written;
	int64_t heard_ms; /* monotonic: when the last byte arrived */
	int64_t told_ms;  /* when on_wait was last called */
	int (*on_wait)(void *arg, uint64_t bytes, struct err *err);
	void *arg;
};

/* ---- The connection ---- */

static int
snapshot_connect_unix(struct snapshot *s, struct err *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	str_copy(str_c(s->url.path), sa.sun_path, sizeof(sa.sun_path));
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
		return err_set_errno(err, errno, "connecting to Redis at %s", s->url.path);
	return 0;
}

static int
snapshot_connect_host(struct snapshot *s, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	char port[16];
	int result, error = EHOSTUNREACH;

	snprintf(port, sizeof(port), "%d", s->url.port);
	result = getaddrinfo(s->url.host, port, &hints, &list);
	if (result != 0)
		return err_set(err, ERR_UNAVAILABLE, "%s: %s", s->url.host, gai_strerror(result));
	for (const struct addrinfo *a = list; a != NULL && error != 0; a = a->ai_next) {
		s->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		error = s->fd >= 0 && connect(s->fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
		if (error != 0 && s->fd >= 0)
			close(s->fd);
	}
	freeaddrinfo(list);
	if (error != 0)
		s->fd = -1;
	return error == 0 ? 0 : err_set_errno(err, error, "connecting to Redis at %s", s->url.host);
}

static int
snapshot_connect(struct snapshot *s, struct err *err)
{
	struct timeval limit = clock_timeval(WAIT_MS);
	int result;

	if ((s->url.host[0] != '\0' ? snapshot_connect_host(s, err) : snapshot_connect_unix(s, err)) != 0)
		return -1;
	setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (!s->url.tls)
		return 0;
	s->ssl = redis_tls_new(&s->url, s->fd, err);
	if (s->ssl == NULL)
		return -1;
	for (int64_t until = clock_monotonic_ms() + SILENCE_MS / 10;;) {
		result = SSL_do_handshake(s->ssl);
		if (result == 1)
			return 0;
		if (SSL_get_error(s->ssl, result) != SSL_ERROR_WANT_READ || clock_monotonic_ms() > until)
			return err_set(err, ERR_UNAVAILABLE, "TLS with Redis at %s failed", s->url.host);
	}
}

static int
snapshot_send(struct snapshot *s, const char *bytes, size_t len, struct err *err)
{
	while (len > 0) {
		ssize_t sent =
			s->ssl != NULL ? SSL_write(s->ssl, bytes, (int)len) : send(s->fd, bytes, len, MSG_NOSIGNAL);
		if (sent <= 0)
			return err_set(err, ERR_UNAVAILABLE, "the connection to Redis was lost");
		bytes += sent;
		len -= (size_t)sent;
	}
	return 0;
}

/* Sends a command; a NULL ends the words. */
static int
snapshot_send_command(struct snapshot *s, const char *const *words, struct err *err)
{
	struct buf command = BUF_EMPTY;
	unsigned count = 0;
	int result;

	while (words[count] != NULL)
		count++;
	buf_printf(&command, "*%u\r\n", count);
	for (unsigned i = 0; i < count; i++)
		buf_printf(&command, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
	result = snapshot_send(s, command.data, command.len, err);
	OPENSSL_cleanse(command.data, command.len);
	buf_fini(&command);
	return result;
}

static int
snapshot_tell(struct snapshot *s, struct err *err)
{
	int64_t now = clock_monotonic_ms();

	if (now - s->told_ms < WAIT_MS / 2)
		return 0;
	s->told_ms = now;
	if (now - s->heard_ms > SILENCE_MS)
		return err_set(err, ERR_TIMEOUT, "Redis does not send its snapshot");
	return s->on_wait(s->arg, s->written, err);
}

/* Receives more bytes into s->in, which must be empty. */
static int
snapshot_receive(struct snapshot *s, struct err *err)
{
	for (;;) {
		ssize_t got;
		bool later;

		buf_clear(&s->in);
		s->in_from = 0;
		buf_reserve(&s->in, READ_BYTES);
		if (s->ssl != NULL) {
			got = SSL_read(s->ssl, s->in.data, READ_BYTES);
			later = got <= 0 && SSL_get_error(s->ssl, (int)got) == SSL_ERROR_WANT_READ;
		} else {
			got = recv(s->fd, s->in.data, READ_BYTES, 0);
			later = got < 0 && (errno == EAGAIN || errno == EINTR);
		}
		if (got > 0) {
			s->in.len = (size_t)got;
			s->heard_ms = clock_monotonic_ms();
			return snapshot_tell(s, err);
		}
		if (!later)
			return err_set(err, ERR_UNAVAILABLE,
				       "Redis closed the connection before its snapshot was complete");
		if (snapshot_tell(s, err) != 0)
			return -1;
	}
}

/* Reads a line without its end. While it makes a snapshot the server sends empty ones. */
static int
snapshot_line(struct snapshot *s, char line[LINE_MAX_BYTES], struct err *err)
{
	size_t len = 0;

	for (;;) {
		char c;
		if (s->in_from == s->in.len && snapshot_receive(s, err) != 0)
			return -1;
		c = s->in.data[s->in_from++];
		if (c == '\n' && len != 0)
			break;
		if (c != '\r' && c != '\n' && len < LINE_MAX_BYTES - 1)
			line[len++] = c;
	}
	line[len] = '\0';
	return line[0] == '-' ? err_set(err, ERR_DENIED, "Redis refuses to send a snapshot: %.150s", line + 1) : 0;
}

/* ---- The file ---- */

static int
snapshot_write(struct snapshot *s, const char *bytes, size_t len, struct err *err)
{
	while (len > 0) {
		ssize_t wrote = write(s->out, bytes, len);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return err_set_errno(err, wrote < 0 ? errno : ENOSPC, "writing the snapshot");
		bytes += wrote;
		len -= (size_t)wrote;
		s->written += (uint64_t)wrote;
	}
	return 0;
}

static int
snapshot_take_bytes(struct snapshot *s, uint64_t length, struct err *err)
{
	while (length > 0) {
		size_t part = s->in.len - s->in_from;
		if (part == 0) {
			if (snapshot_receive(s, err) != 0)
				return -1;
			continue;
		}
		if (part > length)
			part = (size_t)length;
		if (snapshot_write(s, s->in.data + s->in_from, part, err) != 0)
			return -1;
		s->in_from += part;
		length -= part;
	}
	return 0;
}

/* The length is not known in advance: the mark shows the end. The last bytes are
 * held back as long as they may be the mark. */
static int
snapshot_take_to_mark(struct snapshot *s, const char *mark, struct err *err)
{
	struct buf held = BUF_EMPTY;
	int result = 0;

	for (;;) {
		if (s->in_from == s->in.len && (result = snapshot_receive(s, err)) != 0)
			break;
		buf_add(&held, s->in.data + s->in_from, s->in.len - s->in_from);
		s->in_from = s->in.len;
		if (held.len < MARK_BYTES)
			continue;
		result = snapshot_write(s, held.data, held.len - MARK_BYTES, err);
		if (result != 0)
			break;
		memmove(held.data, held.data + held.len - MARK_BYTES, MARK_BYTES);
		held.len = MARK_BYTES;
		/* Nothing follows the mark: we requested only the snapshot. */
		if (memcmp(held.data, mark, MARK_BYTES) == 0)
			break;
	}
	buf_fini(&held);
	return result;
}

static int
snapshot_take_file(struct snapshot *s, struct err *err)
{
	char line[LINE_MAX_BYTES];
	uint64_t length;

	do {
		if (snapshot_line(s, line, err) != 0)
			return -1;
	} while (line[0] != '$');
	if (strncmp(line, "$EOF:", 5) == 0 && strlen(line) == 5 + MARK_BYTES)
		return snapshot_take_to_mark(s, line + 5, err);
	if (!str_to_u64(str_c(line + 1), &length))
		return err_set(err, ERR_CORRUPT, "Redis sends something other than a snapshot");
	return snapshot_take_bytes(s, length, err);
}

/* Older servers do not know these capabilities and do without them: their answer
 * does not matter. */
static int
snapshot_ask(struct snapshot *s, struct err *err)
{
	static const char *const able[] = {"REPLCONF", "capa", "eof", NULL};
	static const char *const alone[] = {"REPLCONF", "rdb-only", "1", NULL};
	static const char *const sync[] = {"SYNC", NULL};
	const char *login[] = {"AUTH", s->url.user, s->url.password, NULL},
		   *password[] = {"AUTH", s->url.password, NULL};
	const char *const *const commands[] = {s->url.user[0] != '\0' ? login : password, able, alone};
	bool has_login = s->url.user[0] != '\0' || s->url.password[0] != '\0';
	char line[LINE_MAX_BYTES];

	for (unsigned i = has_login ? 0 : 1; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (snapshot_send_command(s, commands[i], err) != 0)
			return -1;
		if (snapshot_line(s, line, err) != 0 && (i == 0 || err->code != ERR_DENIED))
			return -1;
	}
	return snapshot_send_command(s, sync, err);
}

int
redis_snapshot(const char *url, const char *path, int (*on_wait)(void *arg, uint64_t bytes, struct err *err), void *arg,
	       struct err *err)
{
	struct snapshot s = {.fd = -1, .out = -1, .in = BUF_EMPTY, .on_wait = on_wait, .arg = arg};
	struct err own;
	int result = -1;

	if (err == NULL)
		err = &own;
	if (redis_url_parse(url, &s.url, err) != 0)
		return -1;
	s.heard_ms = clock_monotonic_ms();
	s.out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s.out < 0)
		err_set_errno(err, errno, "making %s", path);
	else if (snapshot_connect(&s, err) == 0 && snapshot_ask(&s, err) == 0 && snapshot_take_file(&s, err) == 0)
		result = fsync(s.out) == 0 ? 0 : err_set_errno(err, errno, "syncing %s", path);
	if (s.ssl != NULL)
		SSL_free(s.ssl);
	if (s.fd >= 0)
		close(s.fd);
	if (s.out >= 0)
		close(s.out);
	buf_fini(&s.in);
	OPENSSL_cleanse(&s.url, sizeof(s.url));
	return result;
}
