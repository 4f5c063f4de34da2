/* What the guest's files share. Internal to kernel/. */
#ifndef FORKTRACE_KERNEL_GUEST_STATE_H
#define FORKTRACE_KERNEL_GUEST_STATE_H

#include "base/buffer.h"
#include "kernel/guest.h"
#include "kernel/patience.h"
#include "kernel/qemu.h"
#include "kernel/qmp.h"
#include "parse/guest_console.h"
#include "parse/guest_frames.h"

/* What PID 1 told before READY. */
struct guest_facts {
	struct buffer kallsyms; /* the text, and behind it the vDSO's image */
	uint32_t vdso_size;
	char *release;
	uint8_t build_id[GUEST_BUILD_ID_MAX];
	uint32_t build_id_size; /* 0: the kernel has none, or hides it */
	uint32_t exec_address;
};

struct guest {
	struct qemu qemu;
	struct qmp qmp;
	struct guest_frames frames;
	struct guest_console console;
	struct guest_facts facts;
	struct kernel_symbols *symbols; /* NULL: the text of them was not read yet, or they were taken */
	struct log log;
	bool restored;
	bool done; /* PID 1 has said so: QEMU may end now */
};

void guest_facts_deinit(struct guest_facts *facts);

/* Connects to the QEMU that was started. */
struct error *guest_connect(struct guest *guest, const struct patience *patience);

/* Ends QEMU and forgets all that came from it, so that another can be launched. */
void guest_drop(struct guest *guest);

/* Takes what lies in the channels, without blocking. */
void guest_listen(struct guest *guest);

/* Why the guest can no longer go on: the kernel's panic, or, if QEMU has `ended`, PID 1's last words on the console or
 * what QEMU said; NULL: it can. */
struct error *guest_trouble(const struct guest *guest, bool ended);

/* What PID 1 said of itself. */
struct error *guest_cannot_go_on(const char *text, size_t size);

/* The console's end, to the log. */
void guest_log_console(const struct guest *guest);

/* Boots to READY and stops the machine. */
struct error *guest_boot(struct guest *guest, const struct qemu_request *request, const struct patience *patience);

#endif
