/* A guest's clock: see guest_clock.h. */
#include "kernel/guest_clock.h"

#include <stdlib.h>
#include <string.h>

/* QEMU's PIIX4 and ICH9 power management: PM_TMR at offset 8 of the I/O base that its firmware sets (hw/acpi/piix4.c).
 * The answer reads "portl[0x0608] = 0x00a3f1b2"; where nothing is at the port all bits are 1. */
bool guest_clock_answer(struct guest_clock *clock, const char *answer, uint64_t *ns)
{
	static const uint64_t hertz = 3579545, second = 1000000000;
	static const uint32_t mask = (1U << 24) - 1;
	const char *value = strstr(answer, "= 0x");
	unsigned long now = value ? strtoul(value + 2, NULL, 16) : UINT32_MAX;

	if (now > mask)
		return false;
	if (clock->known)
		clock->ticks += (now - clock->last) & mask;
	clock->last = (uint32_t)now;
	clock->known = true;
	*ns = clock->ticks / hertz * second + clock->ticks % hertz * second / hertz;
	return true;
}
