/* The options that are about a guest: see guest_options.h. */
#include "ui/guest_options.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "ui/escape.h"
#include "ui/options.h"

enum {
	KEY_KERNEL = 0x200, /* beyond those of options.c */
	KEY_CPU,
	KEY_MEMORY,
	KEY_APPEND,
	KEY_DEBUG_INFO,
	KEY_FILE,
	KEY_COLD,
	KEY_FETCH,
	KEY_GDB,
	KEY_KALLSYMS,
};

static const struct argp_option option_table[] = {
    {NULL, 0, NULL, 0,
     "A guest: PROGRAM, a 32-bit one, runs in QEMU, on a kernel that can be stopped (--kernel=guest):", 4},
    {"guest-kernel", KEY_KERNEL, "FILE", 0,
     "An i386 bzImage, 2.6.29 or later (default: the one that --guest-fetch fetched)", 4},
    {"guest-cpu", KEY_CPU, "MODEL", 0, "QEMU's model of the processor (default: qemu32)", 4},
    {"guest-memory", KEY_MEMORY, "MIB", 0, "Memory in MiB (default: 128)", 4},
    {"guest-append", KEY_APPEND, "ARGS", 0, "Further arguments for the kernel", 4},
    {"guest-debug-info", KEY_DEBUG_INFO, "VMLINUX", 0,
     "The same kernel's ELF file with DWARF: source lines and inlined functions for the kernel's frames", 4},
    {"guest-file", KEY_FILE, "HOSTPATH[:GUESTPATH]", 0,
     "One more file or directory for PROGRAM (repeatable); its own libraries come along by themselves", 4},
    {"guest-cold", KEY_COLD, NULL, 0, "Boot the kernel; neither use nor make a snapshot", 4},
    {"guest-fetch", KEY_FETCH, "PACKAGE", OPTION_ARG_OPTIONAL,
     "Fetch the newest kernel of Debian's PACKAGE (default: linux-image-686) into the cache directory, and end", 4},
    {NULL, 0, NULL, 0,
     "A guest of somebody else's: every fork in a 32-bit Linux that runs behind a GDB stub (QEMU's -gdb or -s), until "
     "Ctrl-C:",
     5},
    {"gdb", KEY_GDB, "SOCKET|HOST:PORT", 0, "Where the stub is: the path of a unix socket, or a TCP port", 5},
    {"kallsyms", KEY_KALLSYMS, "FILE", 0,
     "The kernel's symbols: /proc/kallsyms of that guest, saved as root since it booted", 5},
    {0},
};

static unsigned memory_parse(const struct argp_state *state, const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || number < GUEST_MEMORY_MIN || number > GUEST_MEMORY_MAX) {
		_cleanup_(buffer_deinit) struct buffer safe = {0};

		buffer_append_text(&safe, "");
		escape_append(&safe, text);
		argp_failure(state, EXIT_FORKTRACE, 0, "--guest-memory: '%s' is not valid; allowed: MiB from %d to %d",
			     safe.data, GUEST_MEMORY_MIN, GUEST_MEMORY_MAX);
	}
	return (unsigned)number;
}

static error_t option_parse(int key, char *value, struct argp_state *state)
{
	struct guest_choices *choices = state->input;

	switch (key) {
	case KEY_KERNEL:
		choices->kernel = value;
		break;
	case KEY_CPU:
		choices->cpu = value;
		break;
	case KEY_MEMORY:
		choices->memory_mib = memory_parse(state, value);
		break;
	case KEY_APPEND:
		choices->append = value;
		break;
	case KEY_DEBUG_INFO:
		choices->debug_info = value;
		break;
	case KEY_FILE:
		vector_push(&choices->files, value);
		return 0;
	case KEY_COLD:
		choices->cold = true;
		break;
	case KEY_FETCH:
		choices->fetch = true;
		choices->package = value;
		return 0;
	case KEY_GDB:
		if (*value == '\0')
			argp_failure(state, EXIT_FORKTRACE, 0,
				     "--gdb: '' is not valid; allowed: the path of a unix "
				     "socket, or HOST:PORT");
		choices->stub = value;
		return 0;
	case KEY_KALLSYMS:
		choices->kallsyms = value;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	choices->given = true;
	return 0;
}

const struct argp guest_argp = {.options = option_table, .parser = option_parse};

void guest_choices_deinit(struct guest_choices *choices)
{
	vector_deinit(&choices->files);
}
