/* Short, blocking checks whether something answers. */
#include "ctl/probe.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/ip.h"

static int
connect_to(const char *address, int port)
{
	struct timeval second = {.tv_sec = 1};
	struct sockaddr_storage sa;
	struct ip ip;
	int fd;

	if (!ip_parse(str_c(address), &ip))
		return -1;
	fd = socket(ip.family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
	if (connect(fd, (struct sockaddr *)&sa, ip_to_sockaddr(&ip, (uint16_t)port, &sa)) == 0)
		return fd;
	close(fd);
	return -1;
}

bool
probe_port(const char *address, int port, int wait_ms, const volatile sig_atomic_t *stop)
{
	int64_t until = clock_monotonic_ms() + wait_ms;

	do {
		int fd = connect_to(address, port);
		if (fd >= 0) {
			close(fd);
			return true;
		}
		usleep(20000);
	} while (clock_monotonic_ms() < until && !*stop);
	return false;
}

bool
probe_http_ok(const char *address, int port, const char *path)
{
	char text[512];
	ssize_t got;
	int len, fd = connect_to(address, port);

	if (fd < 0)
		return false;
	len = snprintf(text, sizeof(text), "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, address);
	got = write(fd, text, (size_t)len) == len ? read(fd, text, sizeof(text) - 1) : -1;
	close(fd);
	if (got < 12)
		return false;
	text[got] = '\0';
	return strncmp(text, "HTTP/1.", 7) == 0 && strncmp(text + 8, " 200", 4) == 0;
}
