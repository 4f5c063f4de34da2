/* Where the registers of a GDB remote peer lie: its target description (GDB manual, appendix G "Target Descriptions"),
 * or, for a peer without one, the layout that GDB assumes. Nothing that a peer sends is trusted. */
#ifndef FORKTRACE_PARSE_GDB_TARGET_H
#define FORKTRACE_PARSE_GDB_TARGET_H

#include <stddef.h>
#include <stdint.h>

#include "arch/abi.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/vector.h"

struct gdb_register {
	char *name;
	uint32_t number; /* in the packets p and P */
	uint32_t size;   /* bytes */
	size_t offset;   /* in the reply to g, bytes; the reply may end before it */
};

struct gdb_target {
	enum abi abi;                          /* by the registers that there are; ABI_UNKNOWN: neither of ours */
	char *architecture;                    /* as the peer words it; NULL where it does not */
	VECTOR(struct gdb_register) registers; /* by ascending number */
};

/* Appends the whole document `annex` ("target.xml", and what it includes) to *xml. */
typedef struct error *gdb_annex_reader(void *context, const char *annex, struct buffer *xml);

/* Reads the description, what it includes too. Registers follow one another in g by their numbers, without gaps; of two
 * with one number, or one name, the first counts. ERROR_INPUT: not well-formed, or out of bounds (depth of inclusion,
 * number of registers, size of one); errors of `read` are passed on. The caller frees with gdb_target_deinit. */
struct error *gdb_target_parse(gdb_annex_reader *read, void *context, struct gdb_target *target);

/* The layout of a peer without a description, chosen by the length of its reply to g, bytes (gdb/features/i386: the
 * core, with or without x87, SSE, and Linux's orig_eax or orig_rax behind them; Linux's own kgdb sends the core alone,
 * arch/x86/include/asm/kgdb.h). ERROR_UNSUPPORTED for any other length. */
struct error *gdb_target_assume(size_t size, struct gdb_target *target);

void gdb_target_deinit(struct gdb_target *target);

/* NULL: there is none. */
const struct gdb_register *gdb_target_find(const struct gdb_target *target, const char *name);

#endif
