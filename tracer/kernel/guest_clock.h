/* A guest's clock: the ACPI power management timer of QEMU's PC machines, which stands still while the virtual CPU is
 * stopped. */
#ifndef FORKTRACE_KERNEL_GUEST_CLOCK_H
#define FORKTRACE_KERNEL_GUEST_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Starts as {0}. */
struct guest_clock {
	uint32_t last; /* the timer's newest reading; ticks is valid once `known` */
	uint64_t ticks;
	bool known;
};

/* The command for QEMU's monitor that reads the timer, to be sent over the stub (qRcmd, 0.06 ms). Over QMP it takes
 * 1 ms: QEMU's monitors take one byte in each turn of its loop. */
#define GUEST_CLOCK_COMMAND "i /w 0x608"

/* Takes the answer to that command: nanoseconds from an arbitrary start, extended over the timer's wrap at 24 bits
 * where calls come less than 4.6 guest seconds apart. False: it is none, or of a machine without the timer. */
bool guest_clock_answer(struct guest_clock *clock, const char *answer, uint64_t *ns);

#endif
