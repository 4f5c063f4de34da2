/* gdb as a visitor at a stop of ours: it talks to the stub over the connection that the test has, tells the frames that
 * it sees, and goes, leaving all as it was. Include after guest_fixture.h. */
#ifndef FORKTRACE_TESTS_UNIT_GDB_VISIT_H
#define FORKTRACE_TESTS_UNIT_GDB_VISIT_H

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"

enum { GDB_FRAMES_MAX = 128, GDB_PATIENCE_MS = 40000 };

struct gdb_frames {
	uint64_t pc[GDB_FRAMES_MAX]; /* innermost first; the others are return addresses */
	size_t count;
	struct buffer said; /* all that gdb printed */
};

/* Ends at once: taking leave properly lets the machine run. */
static const char gdb_epilogue[] = "python\n"
				   "import os\n"
				   "lines, frame = [], gdb.newest_frame()\n"
				   "while frame is not None and len(lines) < 128:\n"
				   "    if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):\n"
				   "        lines.append('frame 0x%x\\n' % frame.pc())\n"
				   "    try:\n"
				   "        frame = frame.older()\n"
				   "    except gdb.error as error:\n"
				   "        lines.append('stop %s\\n' % error)\n"
				   "        break\n"
				   "os.write(1, ''.join(lines).encode())\n"
				   "os._exit(0)\n"
				   "end\n";

static inline bool gdb_available(void)
{
	return !access("/usr/bin/gdb", X_OK);
}

static inline int gdb_listen(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unlink(path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

/* `commands` go before the connection: symbol files. */
static inline void gdb_write_script(const char *path, const char *commands, const char *socket_path)
{
	_cleanup_file_ FILE *script = fopen(path, "we");

	assert_non_null(script);
	fprintf(script,
		"set pagination off\nset confirm off\nset debuginfod enabled off\nset backtrace past-main on\n"
		"%starget remote %s\n%s",
		commands, socket_path, gdb_epilogue);
}

static inline void gdb_send(int to, const char *bytes, size_t size)
{
	assert_int_equal(send(to, bytes, size, MSG_NOSIGNAL), size);
}

/* False: nothing more comes from there. */
static inline bool gdb_pass(int from, int to)
{
	char bytes[4096];
	ssize_t got = read(from, bytes, sizeof(bytes));

	if (got > 0)
		gdb_send(to, bytes, (size_t)got);
	return got > 0;
}

/* The same of what gdb says, but for its question how the machine stopped: at that QEMU takes out all breakpoints,
 * which are ours (gdbstub.c, handle_target_halt, 7.2). gdb sends a packet at a time. */
static inline bool gdb_pass_but_for_question(int gdb, int peer)
{
	static const char question[] = "$?#3f", answer[] = "+$T05#b9";
	char bytes[4096];
	ssize_t got = read(gdb, bytes, sizeof(bytes));
	const char *asked = got > 0 ? memmem(bytes, (size_t)got, question, strlen(question)) : NULL;

	if (asked)
		gdb_send(gdb, answer, strlen(answer));
	if (got > 0)
		gdb_send(peer, bytes, asked ? (size_t)(asked - bytes) : (size_t)got);
	return got > 0;
}

/* Carries what gdb and the stub say to one another until gdb has ended. */
static inline void gdb_relay(int peer, int listener, int output, struct buffer *said)
{
	enum { LISTENER, OUTPUT, GDB, STUB, COUNT };
	struct pollfd polled[COUNT] = {{listener, POLLIN, 0}, {output, POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLIN, 0}};

	while (polled[OUTPUT].fd >= 0 || polled[GDB].fd >= 0) {
		assert_true(poll(polled, COUNT, GDB_PATIENCE_MS) > 0);
		if (polled[LISTENER].revents) {
			polled[GDB].fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			assert_true(polled[GDB].fd >= 0);
			polled[STUB].fd = peer;
			polled[LISTENER].fd = -1;
		}
		if (polled[STUB].revents && polled[GDB].fd >= 0)
			assert_true(gdb_pass(peer, polled[GDB].fd));
		if (polled[GDB].fd >= 0 && polled[GDB].revents && !gdb_pass_but_for_question(polled[GDB].fd, peer)) {
			close(polled[GDB].fd);
			polled[GDB].fd = polled[STUB].fd = -1;
		}
		if (polled[OUTPUT].fd >= 0 && polled[OUTPUT].revents) {
			char bytes[4096];
			ssize_t got = read(output, bytes, sizeof(bytes));

			if (got > 0)
				buffer_append(said, bytes, (size_t)got);
			else
				polled[OUTPUT].fd = -1;
		}
	}
}

/* gdb's frames of the stopped machine behind the socket `peer`. */
static inline void gdb_visit(int peer, const char *commands, struct gdb_frames *frames)
{
	char script[128], socket_path[100], command[192];

	snprintf(script, sizeof(script), "%s/script.gdb", scratch);
	snprintf(socket_path, sizeof(socket_path), "%s/stub", scratch);
	snprintf(command, sizeof(command), "/usr/bin/gdb -nx -q -batch -x %s 2>&1 </dev/null", script);
	gdb_write_script(script, commands, socket_path);

	_cleanup_fd_ int listener = gdb_listen(socket_path);
	FILE *gdb = popen(command, "re");

	assert_non_null(gdb);
	frames->said.size = 0;
	frames->count = 0;
	gdb_relay(peer, listener, fileno(gdb), &frames->said);
	assert_int_equal(pclose(gdb), 0);
	buffer_append_text(&frames->said, "");
	for (const char *at = frames->said.data; (at = strstr(at, "frame 0x")) && frames->count < GDB_FRAMES_MAX;) {
		at += strlen("frame ");
		frames->pc[frames->count++] = strtoull(at, NULL, 16);
	}
}

#endif
