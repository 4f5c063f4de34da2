/* What --inject asks for: which calls of the fork family are to fail or to wait, and which of their entries. strace's
 * syntax (strace(1), Tampering), for its error=, delay_enter= and when=:
 *
 *     CALL[,CALL...][:error=ERRNO][:delay=TIME][:when=FIRST[..LAST][+[STEP]]]
 *
 * CALL: fork, vfork, clone, clone3 or %fork, which is all four. ERRNO: a name or a number. TIME: a decimal number,
 * microseconds unless s, ms, us or ns follows; delay_enter= is the same. The parts behind the calls come in any order.
 */
#ifndef FORKTRACE_PARSE_INJECTION_H
#define FORKTRACE_PARSE_INJECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/fork_call.h"

struct injection {
	const char *text;           /* as it was given; not copied */
	uint32_t calls;             /* bit n: enum fork_syscall n */
	int error_number;           /* the call is not made and fails with this; 0: it is made */
	uint64_t delay_ns;          /* it is held for so long at its entry; 0: it is not */
	uint64_t first, last, step; /* of its calls' entries, counted from 1: first, first + step, ... up to last */
};

/* Where a text is wrong, and what may stand there: a phrase in static storage. */
struct injection_mistake {
	size_t position, size; /* bytes; size 0: the text ends too early */
	const char *allowed;
};

/* False: *mistake says why, and *injection is undefined. */
bool injection_parse(const char *text, struct injection *injection, struct injection_mistake *mistake);

/* Does it change the entry number `entry` (from 1) of its calls? */
bool injection_applies(const struct injection *injection, uint64_t entry);

#endif
