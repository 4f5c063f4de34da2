/* The kernel's tables of sockets: /proc/net/unix (net/unix/af_unix.c, unix_seq_show, 6.1) and /proc/net/tcp and tcp6
 * (net/ipv4/tcp_ipv4.c, get_tcp4_sock). Lines that are not well-formed are skipped. */
#ifndef FORKTRACE_PARSE_SOCKET_TABLE_H
#define FORKTRACE_PARSE_SOCKET_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SOCKET_PATH_MAX = 128 };

/* Goes on to the next unix socket that somebody's connection has brought about at a listener's path, accepted or not
 * yet. False: there are no more. Paths of more than SOCKET_PATH_MAX - 1 bytes are none of a socket's. */
bool socket_table_next_accepted(const char **text, size_t *left, char path[SOCKET_PATH_MAX]);

/* Is there an established connection whose own end is this address (of 4 or 16 bytes, as in struct in_addr or in6_addr)
 * and port? */
bool socket_table_has_tcp(const char *text, size_t size, const void *address, size_t address_size, uint16_t port);

#endif
