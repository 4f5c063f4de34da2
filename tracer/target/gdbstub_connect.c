/* Connecting to a GDB stub: see gdbstub.h. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"
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

static struct error *connect_unix(const char *path, int *fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return error_create(ERROR_INPUT, 0, path, "the path of the GDB stub's socket is too long");
	memcpy(address.sun_path, path, strlen(path) + 1);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd >= 0 && connect_in_time(*fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return NULL;

	int reason = errno;

	if (*fd >= 0)
		close(*fd);
	return error_system(reason, path, "cannot connect to the GDB stub at %s", path);
}

static struct error *connect_tcp(const char *host, const char *port, int *fd)
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
		*fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
		if (*fd < 0 || connect_in_time(*fd, at->ai_addr, at->ai_addrlen) == 0)
			continue;
		reason = errno;
		close(*fd);
		*fd = -1;
	}
	freeaddrinfo(found);
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

	return connect_tcp(host, colon + 1, fd);
}
