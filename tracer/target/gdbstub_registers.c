/* The registers behind a GDB stub: those of a stop are read once; see gdbstub.h. */
#include <string.h>

#include "parse/gdb_packet.h"
#include "target/gdbstub_internal.h"

/* Of a 64-bit processor that is taken for an i386, eax is the lower half of rax. */
static const struct gdb_register *find_named(const struct gdb_target *target, const char *name)
{
	char wide[8] = "r";
	const struct gdb_register *found = gdb_target_find(target, name);

	if (found || name[0] != 'e')
		return found;
	strncat(wide, name + 1, sizeof(wide) - 2);
	return gdb_target_find(target, wide);
}

struct error *gdbstub_map_registers(struct gdbstub *stub)
{
	const struct gdb_target *target = &stub->target;
	const struct arch *arch = arch_of(target->abi);

	if (!arch)
		return error_create(ERROR_UNSUPPORTED, 0, target->architecture,
				    "the machine behind the GDB stub%s%s is neither i386 nor x86_64",
				    target->architecture ? ", " : "", target->architecture ? target->architecture : "");
	for (unsigned i = 0; i < arch->register_count; i++)
		stub->by_dwarf[i] = find_named(target, arch->register_names[i]);
	stub->flags = gdb_target_find(target, "eflags");
	if (!stub->flags)
		stub->flags = gdb_target_find(target, "rflags");
	stub->cs = gdb_target_find(target, "cs");
	stub->is_machine = gdb_target_find(target, "cr3");
	stub->original_result = gdb_target_find(target, target->abi == ABI_I386 ? "orig_eax" : "orig_rax");
	return NULL;
}

struct error *gdbstub_load_registers(struct gdbstub *stub)
{
	enum gdb_reply kind;

	if (stub->have_registers)
		return NULL;

	struct error *error = gdbstub_ask(stub, &kind, "g");

	if (error)
		return error;

	const struct buffer *reply = gdbstub_reply(stub);

	if (kind != GDB_REPLY_DATA || reply->size % 2)
		return gdbstub_bad_reply(stub, "g");
	buffer_clear(&stub->registers);
	buffer_append(&stub->registers, reply->data, reply->size);
	stub->have_registers = true;
	return NULL;
}

/* Little-endian bytes in digits. False: "x" digits, for a value that the peer does not have, or noise. */
static bool decode(const char *digits, size_t size, uint64_t *value)
{
	uint8_t bytes[sizeof(*value)];

	*value = 0;
	if (size > sizeof(bytes) || !gdb_hex_bytes(digits, bytes, size))
		return false;
	memcpy(value, bytes, size);
	return true;
}

static bool lies_in_g(const struct gdbstub *stub, const struct gdb_register *reg)
{
	size_t size = stub->registers.size / 2;

	return reg->offset <= size && reg->size <= size - reg->offset;
}

/* The value in this stop's g; false: it is not there. */
static bool value_in_g(const struct gdbstub *stub, const struct gdb_register *reg, uint64_t *value)
{
	return reg && lies_in_g(stub, reg) && decode(stub->registers.data + 2 * reg->offset, reg->size, value);
}

struct error *gdbstub_registers(struct gdbstub *stub, struct registers *registers)
{
	const struct arch *arch = arch_of(stub->target.abi);
	const uint64_t word = arch->word_size == sizeof(uint32_t) ? UINT32_MAX : UINT64_MAX;
	struct error *error = gdbstub_load_registers(stub);
	uint64_t original;

	if (error)
		return error;
	*registers = (struct registers){.abi = stub->target.abi, .original_result = UINT64_MAX};
	for (unsigned i = 0; i < arch->register_count; i++) {
		if (value_in_g(stub, stub->by_dwarf[i], &registers->value[i]))
			registers->known |= 1U << i;
		registers->value[i] &= word;
	}
	if (!(registers->known & 1U << arch->pc))
		return error_create(ERROR_INPUT, 0, NULL, "the GDB stub does not tell the program counter");
	value_in_g(stub, stub->flags, &registers->flags);
	value_in_g(stub, stub->cs, &registers->cs);

	/* "No system call" is -1 in every ABI. */
	if (value_in_g(stub, stub->original_result, &original) &&
	    !(arch->word_size == sizeof(uint32_t) && (uint32_t)original == UINT32_MAX))
		registers->original_result = original;
	return NULL;
}

struct error *gdbstub_pc(struct gdbstub *stub, uint64_t *pc)
{
	struct registers registers;
	struct error *error = gdbstub_registers(stub, &registers);

	*pc = error ? 0 : registers_pc(&registers);
	return error;
}

static struct error *find(const struct gdbstub *stub, const char *name, const struct gdb_register **reg)
{
	*reg = gdb_target_find(&stub->target, name);
	if (!*reg)
		return error_create(ERROR_NOT_FOUND, 0, name, "the GDB stub has no register %s", name);
	if ((*reg)->size > sizeof(uint64_t))
		return error_create(ERROR_UNSUPPORTED, 0, name, "the register %s has more than 64 bits", name);
	return NULL;
}

struct error *gdbstub_register(struct gdbstub *stub, const char *name, uint64_t *value)
{
	const struct gdb_register *reg;
	enum gdb_reply kind;
	struct error *error = find(stub, name, &reg);

	if (!error)
		error = gdbstub_load_registers(stub);
	if (error || value_in_g(stub, reg, value))
		return error;
	error = gdbstub_ask(stub, &kind, "p%x", reg->number);
	if (error)
		return error;

	const struct buffer *reply = gdbstub_reply(stub);

	if (kind != GDB_REPLY_DATA)
		return error_create(ERROR_NOT_FOUND, 0, name, "the GDB stub does not tell the register %s", name);
	if (reply->size != 2 * (size_t)reg->size)
		return gdbstub_bad_reply(stub, "p");
	if (!decode(reply->data, reg->size, value))
		return error_create(ERROR_NOT_FOUND, 0, name, "the GDB stub does not tell the register %s", name);
	return NULL;
}

/* Without P: all registers, with one of them changed. */
static struct error *write_all(struct gdbstub *stub, enum gdb_reply *kind)
{
	if (memchr(stub->registers.data, 'x', stub->registers.size) || stub->registers.size + 1 > stub->packet_size)
		return error_create(ERROR_UNSUPPORTED, 0, NULL, "the GDB stub cannot write one register alone");
	buffer_clear(&stub->request);
	buffer_append(&stub->request, "G", 1);
	buffer_append(&stub->request, stub->registers.data, stub->registers.size);
	return gdbstub_ask_request(stub, kind);
}

/* `digits` has the new value. */
static struct error *write_register(struct gdbstub *stub, const struct gdb_register *reg, const struct buffer *digits,
				    enum gdb_reply *kind)
{
	struct error *error = NULL;

	if (stub->write_register) {
		error = gdbstub_ask(stub, kind, "P%x=%s", reg->number, digits->data);
		if (error || *kind != GDB_REPLY_UNSUPPORTED)
			return error;
		stub->write_register = false;
	}
	error = gdbstub_load_registers(stub);
	if (error)
		return error;
	if (!lies_in_g(stub, reg))
		return NULL; /* unsupported it is */
	memcpy(stub->registers.data + 2 * reg->offset, digits->data, digits->size);
	return write_all(stub, kind);
}

/* A register may be part of another one, and memory may look different with another cr3. */
static void forget_stop(struct gdbstub *stub)
{
	stub->have_registers = false;
	stub->stops++;
}

struct error *gdbstub_set_registers(struct gdbstub *stub, const struct gdbstub_write *writes, size_t count)
{
	struct buffer requests[GDBSTUB_WRITES_MAX] = {0};
	struct error *error;
	enum gdb_reply kind;

	for (size_t i = 0; i < count; i++) {
		const struct gdb_register *reg = stub->by_dwarf[writes[i].number];

		buffer_printf(&requests[i], "P%x=", reg->number);
		gdb_hex_append(&requests[i], &writes[i].value, reg->size);
	}
	error = gdbstub_ask_all(stub, requests, count, &kind);
	for (size_t i = 0; i < count; i++)
		buffer_deinit(&requests[i]);
	forget_stop(stub);
	if (error || kind == GDB_REPLY_OK)
		return error;
	stub->write_register = kind != GDB_REPLY_UNSUPPORTED;
	return error_create(stub->write_register ? ERROR_INPUT : ERROR_UNSUPPORTED, 0, NULL,
			    "the GDB stub does not let registers be written");
}

struct error *gdbstub_set_register(struct gdbstub *stub, const char *name, uint64_t value)
{
	const struct gdb_register *reg;
	enum gdb_reply kind = GDB_REPLY_UNSUPPORTED;
	struct buffer digits = {0};
	struct error *error = find(stub, name, &reg);

	if (error)
		return error;
	gdb_hex_append(&digits, &value, reg->size);
	error = write_register(stub, reg, &digits, &kind);
	buffer_deinit(&digits);
	forget_stop(stub);
	if (!error && kind != GDB_REPLY_OK)
		error = error_create(ERROR_UNSUPPORTED, 0, name, "the GDB stub does not let the register %s be written",
				     name);
	return error;
}

struct error *gdbstub_take_for_i386(struct gdbstub *stub)
{
	const uint64_t long_mode_active = 1 << 10; /* EFER.LMA: Intel's manual, volume 3, "Extended Feature Enable" */
	uint64_t efer = 0;

	if (stub->target.abi == ABI_I386)
		return NULL;

	struct error *error = gdbstub_register(stub, "efer", &efer);

	if (error || efer & long_mode_active) {
		error_destroy(error);
		return error_create(ERROR_UNSUPPORTED, 0, NULL, "the processor behind the GDB stub is in 64-bit mode");
	}
	stub->target.abi = ABI_I386;
	return gdbstub_map_registers(stub);
}
