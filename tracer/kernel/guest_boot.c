/* Booting a guest until its PID 1 is ready: see guest_state.h. */
#include "kernel/guest_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "kernel/guest_protocol.h"
#include "parse/elf_header.h"

/* How far PID 1 has come. */
struct progress {
	bool hello, ready;
	uint32_t symbols_address, symbols_size, vdso_size;
};

static struct error *unexpected(char type)
{
	return error_create(ERROR_INPUT, 0, NULL,
			    "the guest's process 1 broke the protocol before READY (message 0x%02x)",
			    (unsigned char)type);
}

/* "Linux version 6.1.0-50-686 (…": the third word. */
static char *take_release(const char *text, size_t size)
{
	static const char before[] = "Linux version ";
	size_t begin = sizeof(before) - 1, end = begin;

	if (size < begin || memcmp(text, before, begin) != 0)
		return memory_strdup("unknown");
	while (end < size && text[end] > ' ' && text[end] < 0x7f)
		end++;
	return memory_strndup(text + begin, end - begin);
}

/* The kernel's notes, an ELF PT_NOTE segment: elf(5). */
static void take_build_id(struct guest_facts *facts, const struct guest_frame *frame)
{
	enum { NOTE_ALIGNMENT = 4 };
	size_t offset, length;

	if (!elf_build_id_find(frame->bytes, frame->size, NOTE_ALIGNMENT, &offset, &length) ||
	    length > sizeof(facts->build_id))
		return;
	memcpy(facts->build_id, frame->bytes + offset, length);
	facts->build_id_size = (uint32_t)length;
}

static struct error *take_frame(struct guest_facts *facts, const struct guest_frame *frame, struct progress *progress)
{
	uint32_t version;

	switch (frame->type) {
	case GUEST_HELLO:
		progress->hello = true;
		if (guest_frame_number(frame, 0, 1, &version) && version == GUEST_PROTOCOL_VERSION)
			return NULL;
		break;
	case GUEST_VERSION:
		free(facts->release);
		facts->release = take_release(frame->bytes, frame->size);
		return NULL;
	case GUEST_NOTES:
		take_build_id(facts, frame);
		return NULL;
	case GUEST_KALLSYMS:
		if (!guest_frame_number(frame, 0, 3, &progress->symbols_address) ||
		    !guest_frame_number(frame, 1, 3, &progress->symbols_size) ||
		    !guest_frame_number(frame, 2, 3, &progress->vdso_size))
			break;
		if (progress->symbols_size)
			return NULL;
		return error_create(ERROR_UNSUPPORTED, 0, NULL,
				    "the guest's kernel has no /proc/kallsyms: it must be built with CONFIG_KALLSYMS "
				    "and CONFIG_PROC_FS");
	case GUEST_READY:
		progress->ready = facts->release && progress->symbols_size;
		if (progress->ready && guest_frame_number(frame, 0, 1, &facts->exec_address))
			return NULL;
		break;
	case GUEST_FAILED:
		return guest_cannot_go_on(frame->bytes, frame->size);
	default:
		break;
	}
	return unexpected(frame->type);
}

/* PID 1 says less than once in a while: all that has come is looked at before the machine's state is. */
static struct error *take_frames(struct guest *guest, struct progress *progress)
{
	struct guest_frame frame;
	enum guest_frames_result result;

	guest_listen(guest);
	while ((result = guest_frames_next(&guest->frames, &frame)) == GUEST_FRAMES_ONE) {
		struct error *error = take_frame(&guest->facts, &frame, progress);

		if (error)
			return error;
	}
	return result == GUEST_FRAMES_BROKEN ? unexpected(0) : NULL;
}

static struct error *silence(const struct guest *guest, const struct progress *progress, struct error *timeout)
{
	const char *last = guest_console_line(&guest->console, 0);
	struct error *error;

	if (timeout->sys_errno != ETIMEDOUT)
		return timeout;
	if (progress->hello)
		error = error_create(ERROR_SYSTEM, ETIMEDOUT, NULL, "the guest's process 1 did not get ready: %s",
				     timeout->message);
	else if (last)
		error = error_create(ERROR_SYSTEM, ETIMEDOUT, NULL,
				     "the guest's kernel did not start process 1: %s; its last words: %s",
				     timeout->message, last);
	else
		error =
		    error_create(ERROR_SYSTEM, ETIMEDOUT, NULL,
				 "the guest's kernel said nothing: %s; it needs a serial console "
				 "(CONFIG_SERIAL_8250_CONSOLE), an initramfs (CONFIG_BLK_DEV_INITRD), and a processor "
				 "that it can run on",
				 timeout->message);
	error_destroy(timeout);
	return error;
}

static struct error *wait_ready(struct guest *guest, const struct patience *patience, struct progress *progress)
{
	for (;;) {
		bool ended = qemu_ended(&guest->qemu);
		struct error *error = take_frames(guest, progress);

		if (error || progress->ready)
			return error;
		error = guest_trouble(guest, ended && guest->qemu.output < 0);
		if (error)
			return error;

		struct pollfd polled[] = {{.fd = guest->qemu.output, .events = POLLIN},
					  {.fd = guest->qemu.console, .events = POLLIN},
					  {.fd = guest->qemu.pidfd, .events = POLLIN}};

		error = patience_poll(patience, polled, sizeof(polled) / sizeof(*polled));
		if (error)
			return silence(guest, progress, error);
	}
}

/* The text of /proc/kallsyms, out of PID 1's memory: the stopped processor still has its address space, whether it
 * stopped in it or in the kernel's idle loop. */
static struct error *read_symbols(struct guest *guest, const struct progress *progress, int dump,
				  const struct patience *patience)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", dump);

	struct error *error =
	    qmp_execute(&guest->qmp, "memsave",
			json_pack("{s:I, s:I, s:s}", "val", (json_int_t)progress->symbols_address, "size",
				  (json_int_t)progress->symbols_size + progress->vdso_size, "filename", path),
			-1, patience, NULL);

	guest->facts.vdso_size = progress->vdso_size;
	return error ? error : buffer_read_fd(&guest->facts.kallsyms, dump);
}

struct error *guest_boot(struct guest *guest, const struct qemu_request *request, const struct patience *patience)
{
	_cleanup_fd_ int dump = memfd_create("guest-kallsyms", MFD_CLOEXEC);
	struct qemu_request dumping = *request;
	struct progress progress = {0};

	if (dump < 0)
		return error_system(errno, NULL, "memfd_create failed");
	dumping.dump = dump;

	struct error *error = qemu_start(&dumping, &guest->qemu);

	error = error ? error : guest_connect(guest, patience);
	error = error ? error : qmp_execute(&guest->qmp, "cont", NULL, -1, patience, NULL);
	error = error ? error : wait_ready(guest, patience, &progress);
	error = error ? error : qmp_execute(&guest->qmp, "stop", NULL, -1, patience, NULL);
	return error ? error : read_symbols(guest, &progress, dump, patience);
}
