/* Connecting to a GDB stub: see gdbstub.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "parse/socket_table.h"
#include "target/gdbstub.h"

enum { CONNECT_TIMEOUT_S = 10 };

/* A listener whose queue is full keeps callers waiting. */
static int connect_in_time(int fd, const struct sockaddr *address, socklen_t size)
{
	struct timeval limit = {.tv_sec = CONNECT_TIMEOUT_S};

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, address, size) == 0)
		return 0;
	/* How an expired limit is told: unix(7), tcp(7). */
	if (errno == EAGAIN || errno == EINPROGRESS)
		errno = ETIMEDOUT;
	return -1;
}

/* QEMU talks to one debugger at a time. To the next one it seems that it is connected; and if that goes again, the
 * machine is stopped for it all the same when its turn comes, with nobody there (measured with 7.2). So it must not
 * even come. What cannot be known (another machine, another network namespace) is not taken. */
static struct error *taken(const char *address)
{
	return error_create(ERROR_DENIED, EBUSY, address,
			    "another debugger is connected to the GDB stub at %s: it takes one at a time", address);
}

static void read_table(const char *path, struct buffer *text)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		error_destroy(buffer_read_fd(text, fd));
}

static bool is_taken_unix(const char *path)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};
	char accepted[SOCKET_PATH_MAX];
	struct stat wanted, found;

	read_table("/proc/net/unix", &text);
	if (stat(path, &wanted))
		return false;
	for (const char *at = text.data; socket_table_next_accepted(&at, &text.size, accepted);) {
		if (!stat(accepted, &found) && found.st_dev == wanted.st_dev && found.st_ino == wanted.st_ino)
			return true;
	}
	return false;
}

static bool is_taken_tcp(const struct addrinfo *at)
{
	_cleanup_(buffer_deinit) struct buffer four = {0}, six = {0};
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)at->ai_addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)at->ai_addr;
	uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff}; /* of a listener that serves both */

	read_table("/proc/net/tcp", &four);
	read_table("/proc/net/tcp6", &six);
	if (at->ai_family == AF_INET6)
		return socket_table_has_tcp(six.data, six.size, &in6->sin6_addr, sizeof(in6->sin6_addr),
					    ntohs(in6->sin6_port));
	memcpy(mapped + 12, &in->sin_addr, sizeof(in->sin_addr));
	return socket_table_has_tcp(four.data, four.size, &in->sin_addr, sizeof(in->sin_addr), ntohs(in->sin_port)) ||
	       socket_table_has_tcp(six.data, six.size, mapped, sizeof(mapped), ntohs(in->sin_port));
}

static struct error *connect_unix(const char *path, int *fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return error_create(ERROR_INPUT, 0, path, "the path of the GDB stub's socket is too long");
	if (is_taken_unix(path))
		return taken(path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd >= 0 && connect_in_time(*fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return NULL;

	int reason = errno;

	if (*fd >= 0)
		close(*fd);
	return error_system(reason, path, "cannot connect to the GDB stub at %s", path);
}

static struct error *connect_tcp(const char *address, const char *host, const char *port, int *fd)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	int status = getaddrinfo(*host ? host : "localhost", port, &hints, &found);
	int reason = ECONNREFUSED;

	if (status != 0)
		return error_create(ERROR_NOT_FOUND, 0, host, "cannot find %s, port %s, of the GDB stub: %s", host,
				    port, gai_strerror(status));
	*fd = -1;
	for (const struct addrinfo *at = found; at && *fd < 0; at = at->ai_next) {
		reason = EBUSY;
		if (is_taken_tcp(at))
			continue;
		*fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
		if (*fd < 0 || connect_in_time(*fd, at->ai_addr, at->ai_addrlen) == 0)
			continue;
		reason = errno;
		close(*fd);
		*fd = -1;
	}
	freeaddrinfo(found);
	if (*fd < 0 && reason == EBUSY)
		return taken(address);
	if (*fd < 0)
		return error_system(reason, host, "cannot connect to the GDB stub at %s, port %s", host, port);
	/* Packets are small, and each one waits for the other side. */
	setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	return NULL;
}

struct error *gdbstub_connect(const char *address, int *fd)
{
	const char *colon = strrchr(address, ':');

	if (strchr(address, '/') || !colon)
		return connect_unix(address, fd);

	/* "[::1]:1234" */
	bool bracketed = address[0] == '[' && colon - address >= 2 && colon[-1] == ']';
	_cleanup_free_ char *host =
	    memory_strndup(address + (bracketed ? 1 : 0), (size_t)(colon - address) - (bracketed ? 2 : 0));

	return connect_tcp(address, host, colon + 1, fd);
}
