/* The parts of the GDB remote protocol's client: internal to target/gdbstub*.c. */
#ifndef FORKTRACE_TARGET_GDBSTUB_INTERNAL_H
#define FORKTRACE_TARGET_GDBSTUB_INTERNAL_H

#include "arch/disassemble.h"
#include "base/buffer.h"
#include "base/vector.h"
#include "parse/gdb_reply.h"
#include "parse/gdb_target.h"
#include "target/gdb_transport.h"
#include "target/gdbstub.h"

enum gdbstub_phase {
	GDBSTUB_PHASE_STOPPED,
	GDBSTUB_PHASE_RUNNING,
	GDBSTUB_PHASE_STEPPING, /* one instruction */
	GDBSTUB_PHASE_OVER,     /* one instruction, on which a breakpoint lies; then it shall run */
	GDBSTUB_PHASE_ENDED,    /* the program at the other end is no more */
};

/* Does the peer, stepping from a breakpoint, execute the instruction under it? QEMU's TCG does (cpu_exec's
 * check_for_breakpoints: stepping overrides them), gdbserver hits the breakpoint again (need_step_over_p). */
enum gdbstub_passing { GDBSTUB_PASSING_UNKNOWN, GDBSTUB_PASSING_YES, GDBSTUB_PASSING_NO };

struct gdbstub_breakpoint {
	uint64_t address;
	unsigned wanted;       /* by so many */
	bool inserted;         /* the peer knows it; until the next resume that may differ from what is wanted */
	bool same_code;        /* in all address spaces: the kernel's */
	bool decoded, by_hand; /* what lies under it, with same_code: known; and may be passed by hand */
	struct instruction instruction;
};

/* A stretch of memory, read at this stop. */
struct gdbstub_block {
	uint64_t address;
	unsigned long stop; /* stub->stops when it was read; 0: never */
	uint8_t *bytes;     /* stub->block_size of them; NULL: none yet */
};

enum { GDBSTUB_BLOCKS = 64 };

struct gdbstub {
	struct gdb_transport transport;
	const struct log *log;
	struct buffer request; /* being put together */

	/* What was agreed on. */
	size_t packet_size;   /* of a payload that the peer takes */
	bool vcont;           /* with c, C and s */
	bool binary_reads;    /* x */
	bool binary_writes;   /* X, as far as is known */
	bool write_register;  /* P, likewise */
	char breakpoint_type; /* '0' software, '1' hardware: where the peer has no other */
	enum gdbstub_passing passing;
	bool is_machine; /* not a program: it has control registers */

	struct gdb_target target;
	const struct gdb_register *by_dwarf[REGISTER_MAX]; /* NULL: the peer has none */
	const struct gdb_register *flags, *cs, *original_result;

	/* This stop. */
	enum gdbstub_phase phase;
	unsigned long stops;     /* counts them, from 1 */
	char thread[32];         /* that stopped, as the peer spells it */
	int signal;              /* to be delivered at the next resume; 0: none */
	bool interrupted;        /* an interrupt was sent since the last resume */
	bool have_registers;     /* `registers` is of this stop */
	struct buffer registers; /* the reply to g, in digits */
	bool probing;            /* this step tells what `passing` is */
	struct buffer before;    /* the registers before this step; empty: nothing is asked of them */
	unsigned steps_in_vain;  /* on end, that changed nothing */

	VECTOR(struct gdbstub_breakpoint) breakpoints;
	unsigned watches;
	struct disassembler *disassembler; /* NULL: not needed yet */
	size_t block_size;
	struct gdbstub_block blocks[GDBSTUB_BLOCKS];
};

/* Sends a request to a stopped machine and takes the reply: stub->transport.decoder.payload. */
__attribute__((format(printf, 3, 4))) struct error *gdbstub_ask(struct gdbstub *stub, enum gdb_reply *kind,
								const char *format, ...);
/* The same for a request whose bytes lie in stub->request. */
struct error *gdbstub_ask_request(struct gdbstub *stub, enum gdb_reply *kind);
/* Several in one write: the machine sees all of them or none, however this process ends. *kind: the first
 * reply that is not OK, if there is one. */
struct error *gdbstub_ask_all(struct gdbstub *stub, const struct buffer *requests, size_t count, enum gdb_reply *kind);

/* The payload of the last reply. */
static inline const struct buffer *gdbstub_reply(const struct gdbstub *stub)
{
	return &stub->transport.decoder.payload;
}

/* ERROR_INPUT: the reply to `what` makes no sense. */
struct error *gdbstub_bad_reply(const struct gdbstub *stub, const char *what);

/* gdbstub_registers.c: finds the registers in the description; reads all of this stop; the pc. */
struct error *gdbstub_map_registers(struct gdbstub *stub);
struct error *gdbstub_load_registers(struct gdbstub *stub);
struct error *gdbstub_pc(struct gdbstub *stub, uint64_t *pc);
/* Writes up to GDBSTUB_WRITES_MAX registers, by their DWARF numbers, all or none, also should this process be killed:
 * the machine may be somebody else's. ERROR_UNSUPPORTED: the peer has no P (stub->write_register), and has written
 * none.
 */
enum { GDBSTUB_WRITES_MAX = 3 };
struct gdbstub_write {
	unsigned number;
	uint64_t value;
};
struct error *gdbstub_set_registers(struct gdbstub *stub, const struct gdbstub_write *writes, size_t count);

/* gdbstub_breakpoints.c: tells the peer what is wanted; takes out the one at `address`, whether wanted or not; all. */
struct error *gdbstub_sync_breakpoints(struct gdbstub *stub);
struct error *gdbstub_lift_breakpoint(struct gdbstub *stub, uint64_t address);
struct error *gdbstub_lift_all(struct gdbstub *stub);
struct gdbstub_breakpoint *gdbstub_find_breakpoint(const struct gdbstub *stub, uint64_t address);
/* Does the peer know any; one at `address`? */
bool gdbstub_any_inserted(const struct gdbstub *stub);
bool gdbstub_inserted_at(const struct gdbstub *stub, uint64_t address);

/* gdbstub_pass.c: does what the instruction under a breakpoint at the pc does, in the machine's stead. *passed: it was
 * one of the few that are done so, and the pc stands behind it. */
struct error *gdbstub_pass_by_hand(struct gdbstub *stub, uint64_t pc, bool *passed);

/* gdbstub_run.c: the stop that the peer is in at the start. */
struct error *gdbstub_take_first_stop(struct gdbstub *stub);

/* gdbstub_memory.c: are there such addresses in this machine? */
bool gdbstub_is_range(const struct gdbstub *stub, uint64_t address, size_t size);
void gdbstub_free_memory(struct gdbstub *stub);

#endif
