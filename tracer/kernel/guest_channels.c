/* Talking to a guest that runs: see guest.h. */
#include "kernel/guest_state.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "kernel/guest_protocol.h"

/* Reads what is there; at the end of file the descriptor is closed and becomes -1. */
static size_t read_pipe(int *fd, char *bytes, size_t size)
{
	ssize_t got;

	if (*fd < 0)
		return 0;
	do
		got = read(*fd, bytes, size);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		return (size_t)got;
	if (got == 0) {
		close(*fd);
		*fd = -1;
	}
	return 0;
}

void guest_listen(struct guest *guest)
{
	enum { CHUNK = 65536 };
	_cleanup_free_ char *bytes = memory_resize(NULL, CHUNK, 1);

	guest_frames_add(&guest->frames, bytes, read_pipe(&guest->qemu.output, bytes, CHUNK));
	guest_console_add(&guest->console, bytes, read_pipe(&guest->qemu.console, bytes, CHUNK));
}

struct error *guest_cannot_go_on(const char *text, size_t size)
{
	return error_create(ERROR_SYSTEM, 0, NULL, "the guest's process 1 cannot go on: %.*s", (int)size, text);
}

struct error *guest_trouble(const struct guest *guest, bool ended)
{
	const char *panic = guest->console.panic, *hint = "";

	/* init/do_mounts.c: it looks for a root file system where it has, or was told to use, no initramfs. */
	if (strstr(panic, "Unable to mount root fs"))
		hint = " (it did not use the initramfs: it needs CONFIG_BLK_DEV_INITRD)";
	/* init/main.c: there is none to look for, or no way to execute what was found. */
	else if (strstr(panic, "No init found") || strstr(panic, "No working init found"))
		hint = " (it could not run the initramfs' /init: it needs CONFIG_BLK_DEV_INITRD and CONFIG_BINFMT_ELF)";
	if (panic[0])
		return error_create(ERROR_SYSTEM, 0, NULL, "the guest's kernel panicked: %s%s", panic, hint);
	if (ended && guest->console.failure[0])
		return guest_cannot_go_on(guest->console.failure, strlen(guest->console.failure));
	return ended ? qemu_death(&guest->qemu) : NULL;
}

void guest_log_console(const struct guest *guest)
{
	for (size_t back = GUEST_CONSOLE_LINES; back-- > 0;) {
		const char *line = guest_console_line(&guest->console, back);

		if (line)
			log_write(&guest->log, LOG_LEVEL_DEBUG, "guest's console: %s", line);
	}
}

void guest_poll_fds(const struct guest *guest, int fds[GUEST_POLL_MAX], size_t *count)
{
	fds[0] = guest->qemu.output;
	fds[1] = guest->qemu.console;
	fds[2] = guest->qmp.fd;
	fds[3] = guest->qemu.pidfd;
	*count = GUEST_POLL_MAX;
}

static struct error *broken(char type)
{
	return error_create(ERROR_INPUT, 0, NULL, "the guest's process 1 broke the protocol (message 0x%02x)",
			    (unsigned char)type);
}

static struct error *decode(struct guest *guest, const struct guest_frame *frame, struct guest_message *message)
{
	*message = (struct guest_message){.type = frame->type, .bytes = frame->bytes, .size = frame->size};
	switch (frame->type) {
	case GUEST_STARTED:
	case GUEST_CREDIT:
	case GUEST_NOEXEC:
	case GUEST_EXIT:
		return guest_frame_number(frame, 0, 1, &message->number) ? NULL : broken(frame->type);
	case GUEST_OUTPUT:
	case GUEST_ERROR:
		return NULL;
	case GUEST_DONE:
		guest->done = true;
		return NULL;
	case GUEST_FAILED:
		return guest_cannot_go_on(frame->bytes, frame->size);
	default:
		return broken(frame->type);
	}
}

static struct error *next_message(struct guest *guest, struct guest_message *message, bool *any)
{
	struct guest_frame frame;
	enum guest_frames_result result = guest_frames_next(&guest->frames, &frame);

	if (result == GUEST_FRAMES_BROKEN)
		return broken(0);
	*any = result == GUEST_FRAMES_ONE;
	return *any ? decode(guest, &frame, message) : NULL;
}

struct error *guest_receive(struct guest *guest, struct guest_message *message, bool *any)
{
	struct error *error = next_message(guest, message, any);

	if (!error && !*any) {
		bool ended = qemu_ended(&guest->qemu);

		guest_listen(guest);
		error = next_message(guest, message, any);
		/* What QEMU wrote before its end is taken first. */
		if (!error && !*any && !guest->done)
			error = guest_trouble(guest, ended && guest->qemu.output < 0);
		if (!guest->done && guest->qmp.fd >= 0)
			error_destroy(qmp_dispatch(&guest->qmp));
	}
	if (error)
		guest_log_console(guest);
	return error;
}

/* A guest that has ended takes nothing: guest_receive tells. */
static struct error *send_all(const struct guest *guest, const void *bytes, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t sent = send(guest->qemu.input, (const char *)bytes + at, size - at, MSG_NOSIGNAL);

		if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
			return NULL;
		if (sent < 0 && errno != EINTR)
			return error_system(errno, NULL, "sending to the guest failed");
		at += sent > 0 ? (size_t)sent : 0;
	}
	return NULL;
}

struct error *guest_go(struct guest *guest)
{
	return send_all(guest, &(char){GUEST_GO}, 1);
}

struct error *guest_send_input(struct guest *guest, const void *bytes, size_t size)
{
	uint16_t head = htole16((uint16_t)size);

	if (size > GUEST_INPUT_MAX)
		return error_create(ERROR_INPUT, 0, NULL, "%zu bytes of input for the guest are more than was credited",
				    size);

	struct error *error = send_all(guest, &head, sizeof(head));

	return error ? error : send_all(guest, bytes, size);
}
