/* A peer of the GDB remote protocol that follows a script, in a child. Include after cmocka.h. */
#ifndef FORKTRACE_TESTS_UNIT_GDB_PEER_H
#define FORKTRACE_TESTS_UNIT_GDB_PEER_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "parse/gdb_packet.h"

enum peer_verb {
	PEER_END,   /* of the script: the client is expected to close, and to say nothing more */
	PEER_ASK,   /* the client sends this packet (a final * stands for anything), after acknowledging ours */
	PEER_SAY,   /* we send this packet, after acknowledging the client's */
	PEER_HEAR,  /* the client sends these very bytes */
	PEER_BYTES, /* we send these very bytes */
	PEER_QUIET, /* from now on nothing is acknowledged */
	PEER_CLOSE, /* we close */
};

struct peer_line {
	enum peer_verb verb;
	const char *text;
};

struct scripted_peer {
	pid_t pid;
	int fd; /* the client's end */
};

/* In the child. */
struct peer_state {
	int fd;
	bool acks;
	bool said; /* a packet that the client has yet to acknowledge */
};

static inline void peer_fail(const char *why, const char *expected, const char *got)
{
	fprintf(stderr, "# peer: %s: expected \"%s\", got \"%s\"\n", why, expected, got);
	_exit(1);
}

static inline void peer_send(const struct peer_state *peer, const char *bytes, size_t size)
{
	if (send(peer->fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size)
		peer_fail("cannot send", bytes, "");
}

static inline char peer_byte(const struct peer_state *peer, const char *expected, const char *got)
{
	char byte;

	if (read(peer->fd, &byte, 1) != 1)
		peer_fail("the client closed", expected, got);
	return byte;
}

static inline void peer_hear(const struct peer_state *peer, const char *bytes)
{
	char got[256] = "";

	for (size_t i = 0; bytes[i]; i++) {
		got[i] = peer_byte(peer, bytes, got);
		if (got[i] != bytes[i])
			peer_fail("other bytes", bytes, got);
	}
}

/* One frame, as it is on the wire between $ and #. */
static inline void peer_ask(struct peer_state *peer, const char *expected)
{
	char got[4096] = "";
	size_t size = 0, length = strlen(expected);
	char byte = peer_byte(peer, expected, got);

	if (peer->acks && peer->said) {
		if (byte != '+')
			peer_fail("no acknowledgement", expected, (char[]){byte, 0});
		byte = peer_byte(peer, expected, got);
	}
	if (byte != '$')
		peer_fail("no packet", expected, (char[]){byte, 0});
	while ((byte = peer_byte(peer, expected, got)) != '#' && size < sizeof(got) - 1)
		got[size++] = byte;
	peer_byte(peer, expected, got);
	peer_byte(peer, expected, got);
	if (length && expected[length - 1] == '*' ? strncmp(got, expected, length - 1) : strcmp(got, expected))
		peer_fail("another packet", expected, got);
	peer->said = false;
	if (peer->acks)
		peer_send(peer, "+", 1);
}

static inline void peer_say(struct peer_state *peer, const char *payload)
{
	_cleanup_(buffer_deinit) struct buffer frame = {0};

	gdb_packet_append(&frame, payload, strlen(payload));
	peer_send(peer, frame.data, frame.size);
	peer->said = true;
}

static inline void peer_play(int fd, const struct peer_line *line)
{
	struct peer_state peer = {.fd = fd, .acks = true};
	char byte;

	for (; line->verb != PEER_END; line++) {
		if (line->verb == PEER_ASK)
			peer_ask(&peer, line->text);
		else if (line->verb == PEER_SAY)
			peer_say(&peer, line->text);
		else if (line->verb == PEER_HEAR)
			peer_hear(&peer, line->text);
		else if (line->verb == PEER_BYTES)
			peer_send(&peer, line->text, strlen(line->text));
		else if (line->verb == PEER_QUIET)
			peer.acks = false;
		else
			_exit(0);
	}
	while (read(fd, &byte, 1) == 1) {
		if (byte != '+')
			peer_fail("more than expected", "", (char[]){byte, 0});
	}
	_exit(0);
}

static inline void peer_start(struct scripted_peer *peer, const struct peer_line *script)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	peer->pid = fork();
	assert_true(peer->pid >= 0);
	if (peer->pid == 0) {
		close(pair[0]);
		peer_play(pair[1], script);
	}
	close(pair[1]);
	peer->fd = pair[0];
}

/* Closes, and sees whether all went by the script. */
static inline void peer_end(struct scripted_peer *peer)
{
	int status;

	close(peer->fd);
	while (waitpid(peer->pid, &status, 0) != peer->pid)
		assert_int_equal(errno, EINTR);
	assert_int_equal(status, 0);
}

#endif
