/* Breakpoints behind a GDB stub. The peer is told of changes at the next resume alone: most are there and gone again
 * within one stop, and each packet is a round trip; see gdbstub.h. */
#include <inttypes.h>

#include "target/gdbstub_internal.h"

/* The length of x86's breakpoint instruction (GDB manual, "ARM Breakpoint Kinds" and before: else it is the size). */
enum { KIND = 1 };

struct gdbstub_breakpoint *gdbstub_find_breakpoint(const struct gdbstub *stub, uint64_t address)
{
	for (size_t i = 0; i < stub->breakpoints.count; i++) {
		if (stub->breakpoints.items[i].address == address)
			return &stub->breakpoints.items[i];
	}
	return NULL;
}

struct error *gdbstub_breakpoint_add(struct gdbstub *stub, uint64_t address)
{
	struct gdbstub_breakpoint *breakpoint = gdbstub_find_breakpoint(stub, address);

	if (!gdbstub_is_range(stub, address, KIND))
		return &error_fault;
	if (breakpoint)
		breakpoint->wanted++;
	else
		vector_push(&stub->breakpoints, (struct gdbstub_breakpoint){.address = address, .wanted = 1});
	return NULL;
}

struct error *gdbstub_breakpoint_remove(struct gdbstub *stub, uint64_t address)
{
	struct gdbstub_breakpoint *breakpoint = gdbstub_find_breakpoint(stub, address);

	if (!breakpoint || !breakpoint->wanted)
		return error_create(ERROR_NOT_FOUND, 0, NULL, "there is no breakpoint at 0x%" PRIx64 " to remove",
				    address);
	breakpoint->wanted--;
	return NULL;
}

void gdbstub_breakpoint_same_code(struct gdbstub *stub, uint64_t address)
{
	struct gdbstub_breakpoint *breakpoint = gdbstub_find_breakpoint(stub, address);

	if (breakpoint)
		breakpoint->same_code = true;
}

bool gdbstub_breakpoint_at(const struct gdbstub *stub, uint64_t address)
{
	const struct gdbstub_breakpoint *breakpoint = gdbstub_find_breakpoint(stub, address);

	return breakpoint && breakpoint->wanted;
}

bool gdbstub_inserted_at(const struct gdbstub *stub, uint64_t address)
{
	const struct gdbstub_breakpoint *breakpoint = gdbstub_find_breakpoint(stub, address);

	return breakpoint && breakpoint->inserted;
}

bool gdbstub_any_inserted(const struct gdbstub *stub)
{
	for (size_t i = 0; i < stub->breakpoints.count; i++) {
		if (stub->breakpoints.items[i].inserted)
			return true;
	}
	return false;
}

static struct error *ask(struct gdbstub *stub, char verb, uint64_t address, enum gdb_reply *kind)
{
	return gdbstub_ask(stub, kind, "%c%c,%" PRIx64 ",%d", verb, stub->breakpoint_type, address, KIND);
}

static struct error *insert(struct gdbstub *stub, struct gdbstub_breakpoint *breakpoint)
{
	enum gdb_reply kind;
	struct error *error = ask(stub, 'Z', breakpoint->address, &kind);

	/* Tried once, with the first breakpoint: the types must not be mixed, or the wrong one would be taken out. */
	if (!error && kind == GDB_REPLY_UNSUPPORTED && stub->breakpoint_type == '0') {
		stub->breakpoint_type = '1';
		error = ask(stub, 'Z', breakpoint->address, &kind);
	}
	if (error)
		return error;
	if (kind != GDB_REPLY_OK)
		return error_create(kind == GDB_REPLY_UNSUPPORTED ? ERROR_UNSUPPORTED : ERROR_FAULT, 0, NULL,
				    "the GDB stub sets no breakpoint at 0x%" PRIx64, breakpoint->address);
	breakpoint->inserted = true;
	return NULL;
}

/* A peer that refuses has lost it already: the memory is gone. */
static struct error *lift(struct gdbstub *stub, struct gdbstub_breakpoint *breakpoint)
{
	enum gdb_reply kind;
	struct error *error = ask(stub, 'z', breakpoint->address, &kind);

	if (error)
		return error;
	breakpoint->inserted = false;
	if (kind != GDB_REPLY_OK)
		log_write(stub->log, LOG_LEVEL_DEBUG, "the GDB stub has no breakpoint at 0x%" PRIx64 " to take out",
			  breakpoint->address);
	return NULL;
}

static struct error *watch(struct gdbstub *stub, char verb, uint64_t address, unsigned size)
{
	enum gdb_reply kind;
	struct error *error = gdbstub_ask(stub, &kind, "%c2,%" PRIx64 ",%x", verb, address, size);

	if (!error && kind != GDB_REPLY_OK)
		error = error_create(ERROR_UNSUPPORTED, 0, NULL, "the GDB stub watches nothing at 0x%" PRIx64, address);
	return error;
}

struct error *gdbstub_watch_add(struct gdbstub *stub, uint64_t address, unsigned size)
{
	struct error *error = watch(stub, 'Z', address, size);

	stub->watches += !error;
	return error;
}

struct error *gdbstub_watch_remove(struct gdbstub *stub, uint64_t address, unsigned size)
{
	struct error *error = watch(stub, 'z', address, size);

	stub->watches -= !error;
	return error;
}

struct error *gdbstub_sync_breakpoints(struct gdbstub *stub)
{
	struct error *error = NULL;
	size_t i = 0;

	while (!error && i < stub->breakpoints.count) {
		struct gdbstub_breakpoint *breakpoint = &stub->breakpoints.items[i];

		if (breakpoint->inserted && !breakpoint->wanted)
			error = lift(stub, breakpoint);
		else if (!breakpoint->inserted && breakpoint->wanted)
			error = insert(stub, breakpoint);
		if (breakpoint->inserted || breakpoint->wanted)
			i++;
		else
			vector_remove(&stub->breakpoints, i);
	}
	return error;
}

struct error *gdbstub_lift_breakpoint(struct gdbstub *stub, uint64_t address)
{
	struct gdbstub_breakpoint *breakpoint = gdbstub_find_breakpoint(stub, address);

	return breakpoint && breakpoint->inserted ? lift(stub, breakpoint) : NULL;
}

struct error *gdbstub_lift_all(struct gdbstub *stub)
{
	struct error *error = NULL;

	for (size_t i = 0; !error && i < stub->breakpoints.count; i++) {
		if (stub->breakpoints.items[i].inserted)
			error = lift(stub, &stub->breakpoints.items[i]);
	}
	return error;
}
