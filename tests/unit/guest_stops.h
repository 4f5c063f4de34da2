/* A guest that is stopped where a test wants it, and our own unwinder there. */
#ifndef FORKTRACE_TESTS_UNIT_GUEST_STOPS_H
#define FORKTRACE_TESTS_UNIT_GUEST_STOPS_H

#include "guest_fixture.h"

#include "kernel/lineage.h"
#include "symbol/kernel_symbols.h"
#include "target/gdbstub.h"
#include "unwind/kernel_stack.h"

enum { MAX_FRAMES = 64, CLONE_NUMBER = 120 };

static struct gdbstub *stub;
static struct kernel_symbols *symbols;

static inline struct error *read_stub(void *context, uint64_t address, void *bytes, size_t size)
{
	(void)context;
	return gdbstub_read(stub, address, bytes, size);
}

static inline bool find(void *context, uint64_t address, struct kernel_function *function)
{
	struct kernel_symbol symbol;

	(void)context;
	if (!kernel_symbols_find(symbols, address, &symbol) ||
	    !kernel_symbols_bounds(symbols, address, &function->start, &function->end))
		return false;
	function->name = symbol.name;
	function->module = symbol.module;
	return true;
}

static const struct space_source memory = {.read = read_stub};
static const struct kernel_code code = {.find = find};

static inline struct kernel_border unwind(enum kernel_unwinder unwinder, kernel_frames *frames)
{
	struct space *space = space_create_foreign(&memory, NULL);
	struct kernel_border border = {0};
	struct registers registers;

	frames->count = 0;
	assert_null(gdbstub_registers(stub, &registers));
	assert_null(kernel_stack_unwind(space, &code, unwinder, &registers, MAX_FRAMES, frames, &border));
	space_unref(space);
	return border;
}

static inline const char *name_of(const struct kernel_frame *frame, bool innermost)
{
	struct kernel_symbol symbol;
	bool known = innermost ? kernel_symbols_find(symbols, frame->pc, &symbol)
			       : kernel_symbols_find_caller(symbols, frame->pc, &symbol);

	return known ? symbol.name : "?";
}

static inline void run_to(uint64_t address)
{
	struct gdbstub_stop stop;
	struct registers registers;

	do {
		assert_null(gdbstub_resume(stub));
		assert_null(gdbstub_wait(stub, RUN_MS, &stop));
		assert_int_equal(stop.kind, GDBSTUB_STOP_SIGNAL);
		assert_null(gdbstub_registers(stub, &registers));
	} while (registers_pc(&registers) != address);
}

/* PID 1 starts the program by int $0x80: the first clone through sysenter that is stopped behind this is the program's.
 */
static inline struct guest *start_to_exec(const struct guest_options *options, int payload)
{
	static const struct log silent = {0};
	struct guest *guest = start(options, payload);
	size_t size;
	const char *text = guest_kallsyms(guest, &size);

	symbols = kernel_symbols_create(text, size);
	assert_null(gdbstub_create(guest_stub_fd(guest), &silent, &stub));
	assert_null(gdbstub_breakpoint_add(stub, guest_exec_address(guest)));
	assert_null(guest_go(guest));
	run_to(guest_exec_address(guest));
	assert_null(gdbstub_breakpoint_remove(stub, guest_exec_address(guest)));
	return guest;
}

static inline uint64_t run_to_function(const char *name)
{
	uint64_t address = 0;

	assert_true(kernel_symbols_by_name(symbols, name, &address, NULL));
	assert_null(gdbstub_breakpoint_add(stub, address));
	run_to(address);
	return address;
}

/* The function of a stage of clone through sysenter, as this kernel calls it. */
static inline const char *stage_function(enum stage stage)
{
	const char *name = NULL;
	uint64_t address;

	assert_true(lineage_find(symbols, stage, STAGE_ENTRY_SYSENTER, CLONE_NUMBER, &address, &name));
	return name;
}

static inline uint64_t run_to_stage(enum stage stage)
{
	return run_to_function(stage_function(stage));
}

static inline bool kernel_has(const char *name)
{
	uint64_t address;

	return kernel_symbols_by_name(symbols, name, &address, NULL);
}

/* Where a system call's outermost frame in the kernel is: in the entry or, up to 4.3, behind a label of it. */
static inline const char *entry_frame(void)
{
	return kernel_has("sysenter_do_call") ? "sysenter_do_call" : stage_function(STAGE_ENTRY);
}

static inline void end_guest(struct guest *guest)
{
	gdbstub_destroy(stub);
	guest_destroy(guest);
	kernel_symbols_destroy(symbols);
}

#endif
