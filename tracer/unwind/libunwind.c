/* Unwinds by call frame information with libunwind: the ABI of forktrace itself alone. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include <libunwind.h>

#include "base/memory.h"
#include "symbol/eh_frame.h"
#include "symbol/unwinding.h"
#include "unwind/walk.h"

bool walk_libunwind_knows(enum abi abi)
{
#if defined(__x86_64__)
	return abi == ABI_X86_64;
#elif defined(__i386__)
	return abi == ABI_I386;
#else
	(void)abi;
	return false;
#endif
}

#if defined(__x86_64__) || defined(__i386__)

/* Exported by libunwind, declared in none of its installed headers. */
#define dwarf_search_unwind_table UNW_OBJ(dwarf_search_unwind_table)
int dwarf_search_unwind_table(unw_addr_space_t space, unw_word_t ip, unw_dyn_info_t *info, unw_proc_info_t *proc,
			      int need_unwind_info, void *argument);

/* The start of PT_GNU_EH_FRAME (Linux Standard Base, core, 10.6.2), as every linker writes it: a pointer and a count
 * of 4 bytes each, then pairs of 4-byte offsets. */
struct eh_frame_hdr {
	uint8_t version, pointer_encoding, count_encoding, table_encoding;
	int32_t pointer;
	uint32_t count;
};

enum {
	EH_FRAME_HDR_VERSION = 1,
	ENCODED_UDATA4 = 0x03, /* DW_EH_PE_udata4 */
	ENCODED_TABLE = 0x3b,  /* DW_EH_PE_datarel | DW_EH_PE_sdata4 */
	ENCODED_SIZE_MASK = 0x0f,
	ENCODED_SDATA4 = 0x0b,
};

/* An index of one entry, for a file that has none: libunwind reads it from an address that no process has memory at. */
struct lone_index {
	int32_t code_start, entry; /* from the start of the module */
};
enum { LONE_INDEX_ADDRESS = 16 };

/* The index as the file has it. */
static bool find_index(const struct walk *walk, const struct module *module, unw_dyn_info_t *info)
{
	uint64_t address = module->start + module->file->eh_frame_hdr;
	struct eh_frame_hdr header;

	if (!module->file->eh_frame_hdr || !page_cache_bytes(walk->memory, address, &header, sizeof(header)) ||
	    header.version != EH_FRAME_HDR_VERSION || header.count_encoding != ENCODED_UDATA4 ||
	    header.table_encoding != ENCODED_TABLE || (header.pointer_encoding & ENCODED_SIZE_MASK) != ENCODED_SDATA4)
		return false;
	info->u.rti.segbase = (unw_word_t)address;
	info->u.rti.table_data = (unw_word_t)(address + sizeof(header));
	info->u.rti.table_len = header.count * sizeof(struct lone_index) / sizeof(unw_word_t);
	return true;
}

/* The last lone index that was made; libunwind reads it before the next one is asked for. */
static struct lone_index lone_index;

static bool make_index(const struct module *module, uint64_t ip, unw_dyn_info_t *info)
{
	struct eh_frame_entry entry;

	if (!eh_frame_find(module->file, ip - module->start, &entry))
		return false;
	lone_index = (struct lone_index){(int32_t)entry.code_start, (int32_t)entry.address};
	info->u.rti.segbase = (unw_word_t)module->start;
	info->u.rti.table_data = LONE_INDEX_ADDRESS;
	info->u.rti.table_len = sizeof(lone_index) / sizeof(unw_word_t);
	return true;
}

static int find_proc_info(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t *proc, int need_unwind_info,
			  void *argument)
{
	const struct walk *walk = argument;
	const struct module *module = module_map_find(walk->modules, ip);

	if (!module)
		return -UNW_ENOINFO;

	unw_dyn_info_t info = {
	    .start_ip = (unw_word_t)module->start,
	    .end_ip = (unw_word_t)module->end,
	    .format = UNW_INFO_FORMAT_REMOTE_TABLE,
	};

	if (!find_index(walk, module, &info) && !make_index(module, ip, &info))
		return -UNW_ENOINFO;
	return dwarf_search_unwind_table(space, ip, &info, proc, need_unwind_info, argument);
}

static void put_unwind_info(unw_addr_space_t space, unw_proc_info_t *proc, void *argument)
{
	(void)space;
	(void)proc;
	(void)argument;
}

static int get_dyn_info_list_addr(unw_addr_space_t space, unw_word_t *address, void *argument)
{
	(void)space;
	(void)address;
	(void)argument;
	return -UNW_ENOINFO;
}

/* Tables and code lie in modules and are no part of the stack. */
static int access_mem(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int write, void *argument)
{
	const struct walk *walk = argument;
	uint64_t word;

	(void)space;
	if (write)
		return -UNW_EINVAL;
	if (address >= LONE_INDEX_ADDRESS && address <= LONE_INDEX_ADDRESS + sizeof(lone_index) - sizeof(*value)) {
		memcpy(value, (const char *)&lone_index + (address - LONE_INDEX_ADDRESS), sizeof(*value));
		return 0;
	}
	if (module_map_find(walk->modules, address))
		return page_cache_bytes(walk->memory, address, value, sizeof(*value)) ? 0 : -UNW_EINVAL;
	if (!page_cache_word(walk->memory, address, walk->frames.count - 1, &word))
		return -UNW_EINVAL;
	*value = (unw_word_t)word;
	return 0;
}

/* libunwind's numbers by DWARF number. Those for x86_64 are DWARF's own; those for i386 are not. */
static const unw_regnum_t numbers[] = {
#if defined(__x86_64__)
    UNW_X86_64_RAX, UNW_X86_64_RDX, UNW_X86_64_RCX, UNW_X86_64_RBX, UNW_X86_64_RSI, UNW_X86_64_RDI,
    UNW_X86_64_RBP, UNW_X86_64_RSP, UNW_X86_64_R8,  UNW_X86_64_R9,  UNW_X86_64_R10, UNW_X86_64_R11,
    UNW_X86_64_R12, UNW_X86_64_R13, UNW_X86_64_R14, UNW_X86_64_R15, UNW_X86_64_RIP,
#else
    UNW_X86_EAX, UNW_X86_ECX, UNW_X86_EDX, UNW_X86_EBX, UNW_X86_ESP, UNW_X86_EBP, UNW_X86_ESI, UNW_X86_EDI, UNW_X86_EIP,
#endif
};
enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

static int access_reg(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write, void *argument)
{
	const struct walk *walk = argument;
	unsigned index = 0;

	(void)space;
	while (index < NUMBERS && numbers[index] != number)
		index++;
	if (write || index == NUMBERS)
		return -UNW_EBADREG;
	*value =
	    (unw_word_t)(index == walk->arch->pc ? walk_lookup_address(walk_last(walk)) : walk->registers.value[index]);
	return 0;
}

static int access_fpreg(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value, int write, void *argument)
{
	(void)space;
	(void)number;
	(void)value;
	(void)write;
	(void)argument;
	return -UNW_EBADREG;
}

static int resume(unw_addr_space_t space, unw_cursor_t *cursor, void *argument)
{
	(void)space;
	(void)cursor;
	(void)argument;
	return -UNW_EINVAL;
}

static int get_proc_name(unw_addr_space_t space, unw_word_t address, char *name, size_t size, unw_word_t *offset,
			 void *argument)
{
	(void)space;
	(void)address;
	(void)name;
	(void)size;
	(void)offset;
	(void)argument;
	return -UNW_ENOINFO;
}

static void address_space_destroy(void *space)
{
	unw_destroy_addr_space(space);
}

/* One for a module map: libunwind keeps there what it worked out for each address. */
static unw_addr_space_t address_space_of(struct module_map *modules)
{
	static unw_accessors_t accessors = {
	    .find_proc_info = find_proc_info,
	    .put_unwind_info = put_unwind_info,
	    .get_dyn_info_list_addr = get_dyn_info_list_addr,
	    .access_mem = access_mem,
	    .access_reg = access_reg,
	    .access_fpreg = access_fpreg,
	    .resume = resume,
	    .get_proc_name = get_proc_name,
	};
	struct unwinding *unwinding = unwinding_of(modules);

	if (!unwinding->libunwind.data) {
		unw_addr_space_t space = unw_create_addr_space(&accessors, 0);

		if (!space)
			abort(); /* only for want of memory */
		unw_set_caching_policy(space, UNW_CACHE_GLOBAL);
		unwinding->libunwind = (struct unwinding_part){space, address_space_destroy};
	}
	return unwinding->libunwind.data;
}

static void save_registers(struct walk *walk, unw_cursor_t *cursor)
{
	struct registers *registers = &walk->registers;

	registers->known = 0;
	for (unsigned i = 0; i < NUMBERS; i++) {
		unw_word_t value = 0;

		if (!unw_get_reg(cursor, numbers[i], &value))
			registers->known |= UINT32_C(1) << i;
		registers->value[i] = value;
	}
}

enum walk_end walk_libunwind(struct walk *walk)
{
	unw_cursor_t cursor;
	int end = WALK_GOES_ON;

	if (unw_init_remote(&cursor, address_space_of(walk->modules), walk))
		return WALK_FAILED;
	while (end == WALK_GOES_ON) {
		unw_word_t pc, sp;
		int step = unw_step(&cursor);

		if (step == 0)
			return WALK_OUTERMOST;
		if (step < 0 || unw_get_reg(&cursor, UNW_REG_IP, &pc) || unw_get_reg(&cursor, UNW_REG_SP, &sp))
			return WALK_FAILED;
		end = walk_add(walk, pc, sp, METHOD_LIBUNWIND, true);
	}
	if (end == WALK_NO_CFI || end == WALK_NO_MODULE || end == WALK_FROM_HERE)
		save_registers(walk, &cursor);
	return (enum walk_end)end;
}

#else

enum walk_end walk_libunwind(struct walk *walk)
{
	(void)walk;
	return WALK_FAILED;
}

#endif
