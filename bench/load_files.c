/* A plain file server, to compare bodies with: one thread per connection, pread and send (sendfile is a little
 * slower over loopback). It sends exactly what the IMAP client of load_imap.c waits for. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load.h"
#include "lib/base/check.h"

static int body_fd;
static size_t body_size;

static bool
send_body(int fd)
{
	static _Thread_local char block[256 * 1024];
	char head[100];
	off_t at = 0;
	int len = snprintf(head, sizeof(head), "* 1 FETCH (BODY[] {%zu}\r\n", body_size);

	if (send(fd, head, (size_t)len, MSG_MORE | MSG_NOSIGNAL) != len)
		return false;
	while ((size_t)at < body_size) {
		ssize_t got = pread(body_fd, block, sizeof(block), at);
		if (got <= 0 || send(fd, block, (size_t)got, MSG_NOSIGNAL) != got)
			return false;
		at += got;
	}
	return send(fd, ")\r\nt OK done\r\n", 14, MSG_NOSIGNAL) == 14;
}

static void *
serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char line[400];
	ssize_t got;
	bool good = send(fd, "* OK\r\n", 6, MSG_NOSIGNAL) == 6;

	while (good && (got = recv(fd, line, sizeof(line) - 1, 0)) > 0) {
		line[got] = '\0';
		good = strstr(line, "BODY") != NULL ? send_body(fd) : send(fd, "t OK\r\n", 6, MSG_NOSIGNAL) == 6;
	}
	close(fd);
	return NULL;
}

/* Serves until it is killed. */
void
run_files(struct load *l)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)l->options->port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char name[] = "/var/tmp/stagepost-bench-XXXXXX", block[4096];
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	body_fd = mkstemp(name);
	CHECK(body_fd >= 0);
	unlink(name);
	memset(block, 'x', sizeof(block));
	body_size = (size_t)l->options->size_bytes;
	for (size_t at = 0; at < body_size; at += sizeof(block))
		CHECK(write(body_fd, block, sizeof(block)) == sizeof(block));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	CHECK(bind(listener, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(listener, 100) == 0);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		pthread_t thread;
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0 && pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
			pthread_detach(thread);
	}
}
