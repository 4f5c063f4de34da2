/* Breakpoints in an address space: see breakpoints.h. */
#include "target/breakpoints.h"

#include <stdlib.h>

#include "target/space.h"

/* int3, one byte, on both ABIs (arch_of(…)->breakpoint). */
static const uint8_t breakpoint_instruction = 0xcc;

static struct breakpoint *find(const struct space *space, uint64_t address)
{
	struct breakpoint_table *table = space->breakpoints;

	for (size_t i = 0; table && i < table->items.count; i++) {
		if (table->items.items[i].address == address)
			return &table->items.items[i];
	}
	return NULL;
}

/* Reads see the original byte where ours stands, so that what is read here is what is beneath. */
static struct error *insert(struct space *space, struct breakpoint *breakpoint)
{
	struct error *error = space_read(space, breakpoint->address, &breakpoint->original, 1);

	if (!error)
		error = space_write(space, breakpoint->address, &breakpoint_instruction, 1);
	if (!error)
		breakpoint->inserted = true;
	return error;
}

/* Is it still there? A library may have been unloaded, and another one loaded where it was. */
static struct error *look(struct space *space, struct breakpoint *breakpoint, bool *stands)
{
	uint8_t byte;
	struct error *error;

	breakpoint->inserted = false; /* what is read is what stands there */
	error = space_read(space, breakpoint->address, &byte, 1);
	*stands = !error && byte == breakpoint_instruction;
	return error;
}

static struct error *take_out(struct space *space, struct breakpoint *breakpoint)
{
	bool stands;
	struct error *error;

	if (!breakpoint->inserted)
		return NULL;
	error = look(space, breakpoint, &stands);
	return stands ? space_write(space, breakpoint->address, &breakpoint->original, 1) : error;
}

static void forget(struct space *space, struct breakpoint *breakpoint)
{
	size_t index = (size_t)(breakpoint - space->breakpoints->items.items);

	vector_remove(&space->breakpoints->items, index);
}

struct error *space_breakpoint_add(struct space *space, uint64_t address, enum breakpoint_owner owner)
{
	struct breakpoint *known = find(space, address);

	if (known) {
		known->owners[owner]++;
		return NULL;
	}

	struct breakpoint fresh = {.address = address};
	struct error *error = insert(space, &fresh);

	if (error)
		return error;
	fresh.owners[owner] = 1;
	if (!space->breakpoints)
		space->breakpoints = memory_alloc(sizeof(*space->breakpoints));
	vector_push(&space->breakpoints->items, fresh);
	return NULL;
}

void space_breakpoint_remove(struct space *space, uint64_t address, enum breakpoint_owner owner)
{
	struct breakpoint *known = find(space, address);

	if (!known || !known->owners[owner])
		return;
	known->owners[owner]--;
	if (known->owners[BREAKPOINT_USER] || known->owners[BREAKPOINT_PASSING])
		return;
	error_destroy(take_out(space, known));
	forget(space, known);
}

bool space_breakpoint_inserted(const struct space *space, uint64_t address)
{
	const struct breakpoint *known = find(space, address);

	return known && known->inserted;
}

struct error *space_breakpoint_lift(struct space *space, uint64_t address)
{
	struct breakpoint *known = find(space, address);

	return known ? take_out(space, known) : NULL;
}

void space_breakpoint_drop(struct space *space, uint64_t address)
{
	struct breakpoint *known = find(space, address);

	if (known && !known->inserted)
		error_destroy(insert(space, known));
}

void space_breakpoints_verify(struct space *space)
{
	struct breakpoint_table *table = space->breakpoints;

	for (size_t i = table ? table->items.count : 0; i-- > 0;) {
		struct breakpoint *breakpoint = &table->items.items[i];
		struct error *error;
		bool stands;

		if (!breakpoint->inserted)
			continue;
		error = look(space, breakpoint, &stands);
		if (stands)
			breakpoint->inserted = true;
		else if (!error || error->code == ERROR_FAULT)
			forget(space, breakpoint);
		error_destroy(error);
	}
}

void space_breakpoints_settle(struct space *space)
{
	struct breakpoint_table *table = space->breakpoints;

	for (size_t i = table ? table->items.count : 0; i-- > 0;) {
		struct breakpoint *breakpoint = &table->items.items[i];

		breakpoint->owners[BREAKPOINT_PASSING] = 0;
		if (!breakpoint->owners[BREAKPOINT_USER]) {
			error_destroy(take_out(space, breakpoint));
			forget(space, breakpoint);
		} else if (!breakpoint->inserted) {
			error_destroy(insert(space, breakpoint));
		}
	}
}

void space_breakpoints_lift_all(struct space *space)
{
	struct breakpoint_table *table = space->breakpoints;

	for (size_t i = 0; table && i < table->items.count; i++)
		error_destroy(take_out(space, &table->items.items[i]));
	breakpoint_table_destroy(table);
	space->breakpoints = NULL;
}

void space_breakpoints_hide(const struct space *space, uint64_t address, void *bytes, size_t size)
{
	const struct breakpoint_table *table = space->breakpoints;

	for (size_t i = 0; table && i < table->items.count; i++) {
		const struct breakpoint *breakpoint = &table->items.items[i];

		if (breakpoint->inserted && breakpoint->address - address < size &&
		    ((uint8_t *)bytes)[breakpoint->address - address] == breakpoint_instruction)
			((uint8_t *)bytes)[breakpoint->address - address] = breakpoint->original;
	}
}

struct breakpoint_table *breakpoint_table_copy(const struct breakpoint_table *table)
{
	if (!table)
		return NULL;

	struct breakpoint_table *copy = memory_alloc(sizeof(*copy));

	for (size_t i = 0; i < table->items.count; i++)
		vector_push(&copy->items, table->items.items[i]);
	return copy;
}

void breakpoint_table_destroy(struct breakpoint_table *table)
{
	if (!table)
		return;
	vector_deinit(&table->items);
	free(table);
}
