/* Memory behind a GDB stub: what is read is kept as long as the machine stands still; see gdbstub.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arch/abi.h"
#include "base/map.h"
#include "base/memory.h"
#include "parse/gdb_packet.h"
#include "target/gdbstub_internal.h"

/* The reply to m or x, of at most `size` bytes; *got: how many. 0: not readable. */
static struct error *take_bytes(struct gdbstub *stub, enum gdb_reply kind, uint8_t *bytes, size_t size, size_t *got)
{
	const struct buffer *reply = gdbstub_reply(stub);

	*got = 0;
	if (kind == GDB_REPLY_ERROR)
		return NULL;
	if (stub->binary_reads) {
		if (kind != GDB_REPLY_DATA || reply->data[0] != 'b' || reply->size - 1 > size)
			return gdbstub_bad_reply(stub, "x");
		*got = reply->size - 1;
		memcpy(bytes, reply->data + 1, *got);
		return NULL;
	}
	if (kind != GDB_REPLY_DATA || reply->size % 2 || reply->size / 2 > size ||
	    !gdb_hex_bytes(reply->data, bytes, reply->size / 2))
		return gdbstub_bad_reply(stub, "m");
	*got = reply->size / 2;
	return NULL;
}

/* One request. The peer may read less than it was asked for: up to the end of what is readable. */
static struct error *read_once(struct gdbstub *stub, uint64_t address, void *bytes, size_t size, size_t *got)
{
	enum gdb_reply kind;
	struct error *error =
	    gdbstub_ask(stub, &kind, "%c%" PRIx64 ",%zx", stub->binary_reads ? 'x' : 'm', address, size);

	return error ? error : take_bytes(stub, kind, bytes, size, got);
}

static struct error *read_exactly(struct gdbstub *stub, uint64_t address, uint8_t *bytes, size_t size)
{
	while (size) {
		size_t got;
		struct error *error = read_once(stub, address, bytes, size, &got);

		if (error)
			return error;
		if (got == 0)
			return &error_fault;
		address += got;
		bytes += got;
		size -= got;
	}
	return NULL;
}

/* *block: NULL where it cannot be read whole. */
static struct error *read_block(struct gdbstub *stub, uint64_t address, const struct gdbstub_block **block)
{
	struct gdbstub_block *slot = &stub->blocks[hash_word(address) % GDBSTUB_BLOCKS];
	size_t got;

	*block = slot;
	if (slot->stop == stub->stops && slot->address == address)
		return NULL;
	if (!slot->bytes)
		slot->bytes = memory_alloc(stub->block_size);
	slot->stop = 0;

	struct error *error = read_once(stub, address, slot->bytes, stub->block_size, &got);

	if (error || got != stub->block_size) {
		*block = NULL;
		return error;
	}
	slot->address = address;
	slot->stop = stub->stops;
	return NULL;
}

bool gdbstub_is_range(const struct gdbstub *stub, uint64_t address, size_t size)
{
	uint64_t last = arch_of(stub->target.abi)->word_size == sizeof(uint32_t) ? UINT32_MAX : UINT64_MAX;

	return size == 0 || (address <= last && size - 1 <= last - address);
}

struct error *gdbstub_read(struct gdbstub *stub, uint64_t address, void *bytes, size_t size)
{
	uint8_t *out = bytes;

	if (!gdbstub_is_range(stub, address, size))
		return &error_fault;
	while (size) {
		const struct gdbstub_block *block;
		size_t offset = address % stub->block_size;
		size_t part = stub->block_size - offset < size ? stub->block_size - offset : size;
		struct error *error = read_block(stub, address - offset, &block);

		if (!error && block)
			memcpy(out, block->bytes + offset, part);
		else if (!error)
			error = read_exactly(stub, address, out, part);
		if (error)
			return error;
		out += part;
		address += part;
		size -= part;
	}
	return NULL;
}

/* One request in stub->request: X with the bytes themselves, or M with their digits. */
static void make_write(struct gdbstub *stub, uint64_t address, const uint8_t *bytes, size_t size)
{
	buffer_clear(&stub->request);
	buffer_printf(&stub->request, "%c%" PRIx64 ",%zx:", stub->binary_writes ? 'X' : 'M', address, size);
	if (stub->binary_writes)
		buffer_append(&stub->request, bytes, size);
	else
		gdb_hex_append(&stub->request, bytes, size);
}

static struct error *write_once(struct gdbstub *stub, uint64_t address, const uint8_t *bytes, size_t size)
{
	enum gdb_reply kind;

	make_write(stub, address, bytes, size);

	struct error *error = gdbstub_ask_request(stub, &kind);

	if (!error && kind == GDB_REPLY_UNSUPPORTED && stub->binary_writes) {
		stub->binary_writes = false;
		make_write(stub, address, bytes, size);
		error = gdbstub_ask_request(stub, &kind);
	}
	if (error)
		return error;
	if (kind == GDB_REPLY_ERROR)
		return &error_fault;
	return kind == GDB_REPLY_OK ? NULL : gdbstub_bad_reply(stub, "the writing of memory");
}

struct error *gdbstub_write(struct gdbstub *stub, uint64_t address, const void *bytes, size_t size)
{
	/* "X", 16 digits, a comma, up to 4 digits, a colon; then two characters a byte: digits, or an escape. */
	const size_t most = (stub->packet_size - 23) / 2;
	const uint8_t *in = bytes;

	if (!gdbstub_is_range(stub, address, size))
		return &error_fault;
	stub->stops++; /* the bytes may be seen at other addresses too */
	while (size) {
		size_t part = size < most ? size : most;
		struct error *error = write_once(stub, address, in, part);

		if (error)
			return error;
		in += part;
		address += part;
		size -= part;
	}
	return NULL;
}

void gdbstub_free_memory(struct gdbstub *stub)
{
	for (size_t i = 0; i < GDBSTUB_BLOCKS; i++)
		free(stub->blocks[i].bytes);
}
