/* What the call frame information says at an address: see cfi.h. */
#include "symbol/cfi.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* The registers that an expression reads. */
static uint32_t registers_of(const Dwarf_Op *ops, size_t count)
{
	uint32_t registers = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t number = REGISTER_MAX;

		if (ops[i].atom >= DW_OP_breg0 && ops[i].atom <= DW_OP_breg31)
			number = ops[i].atom - DW_OP_breg0;
		else if (ops[i].atom >= DW_OP_reg0 && ops[i].atom <= DW_OP_reg31)
			number = ops[i].atom - DW_OP_reg0;
		else if (ops[i].atom == DW_OP_bregx || ops[i].atom == DW_OP_regx)
			number = ops[i].number;
		if (number < REGISTER_MAX)
			registers |= UINT32_C(1) << number;
	}
	return registers;
}

/* libdw describes "saved at CFA + n" as DW_OP_call_frame_cfa, DW_OP_plus_uconst n; libdw.h, dwarf_frame_register. */
static bool is_saved(const Dwarf_Op *ops, size_t count, int64_t *offset)
{
	*offset = 0;
	if (!count || ops[0].atom != DW_OP_call_frame_cfa)
		return false;
	if (count == 2 && ops[1].atom == DW_OP_plus_uconst)
		*offset = (int64_t)ops[1].number;
	return count == 1 || (count == 2 && ops[1].atom == DW_OP_plus_uconst);
}

static struct cfi_register register_rule(Dwarf_Frame *frame, unsigned number)
{
	struct cfi_register rule = {.place = CFI_UNDEFINED};
	Dwarf_Op memory[3], *ops;
	size_t count;

	if (dwarf_frame_register(frame, (int)number, memory, &ops, &count))
		return rule;
	if (!count) {
		rule.place = ops ? CFI_UNDEFINED : CFI_SAME;
	} else if (is_saved(ops, count, &rule.offset)) {
		rule.place = CFI_SAVED;
	} else {
		rule.place = CFI_COMPUTED;
		rule.registers = registers_of(ops, count);
	}
	return rule;
}

static bool fill(struct cfi *cfi, Dwarf_CFI *table, uint64_t address, const struct arch *arch)
{
	_cleanup_free_ Dwarf_Frame *frame = NULL;
	Dwarf_Op *ops;
	size_t count;

	if (!table || dwarf_cfi_addrframe(table, address, &frame))
		return false;
	if (dwarf_frame_cfa(frame, &ops, &count) || dwarf_frame_info(frame, NULL, NULL, &cfi->signal_frame) < 0)
		return false;
	cfi->covered = true;
	cfi->cfa_registers = registers_of(ops, count);
	for (unsigned i = 0; i < arch->register_count; i++)
		cfi->registers[i] = register_rule(frame, i);
	return true;
}

/* Does the file itself have a .debug_frame, as code without .eh_frame may? */
static bool has_debug_frame(Dwfl_Module *module)
{
	GElf_Addr bias;
	Elf *elf = dwfl_module_getelf(module, &bias);
	size_t names;

	if (!elf || elf_getshdrstrndx(elf, &names))
		return false;
	for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
		GElf_Shdr header;
		const char *name = gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;

		if (name && !strcmp(name, ".debug_frame"))
			return true;
	}
	return false;
}

static void rules_destroy(void *pointer)
{
	struct cfi_rules *rules = pointer;
	void *value;

	for (size_t i = 0; (value = map_next(&rules->by_address, &i));)
		free(value);
	map_deinit(&rules->by_address);
	file_view_deinit(&rules->view);
	elf_end(rules->elf);
	free(rules);
}

struct cfi_rules *cfi_rules_of(struct module_file *file)
{
	struct cfi_rules *rules = file->rules;

	if (rules)
		return rules;
	rules = memory_alloc(sizeof(*rules));
	file->rules = rules;
	file->rules_destroy = rules_destroy;
	file_view_init(&rules->view, file, ELF_USER_UNWINDING);
	return rules;
}

const struct cfi *cfi_lookup(struct module_file *file, uint64_t address)
{
	struct cfi_rules *rules = cfi_rules_of(file);
	struct cfi *cfi = map_get(&rules->by_address, address);

	if (cfi)
		return cfi;
	cfi = memory_alloc(sizeof(*cfi));
	map_put(&rules->by_address, address, cfi);

	const struct arch *arch = arch_of(file->abi);
	Dwfl_Module *module = rules->view.module;
	Dwarf_Addr bias;

	if (!module || !arch)
		return cfi;

	Dwarf_CFI *table = dwfl_module_eh_cfi(module, &bias);

	if (fill(cfi, table, rules->view.start + address - bias, arch))
		return cfi;
	/* Separate debug information takes tens of milliseconds to load, while the process waits, and describes no code
	 * that an .eh_frame left out. */
	if (table && !has_debug_frame(module))
		return cfi;
	table = dwfl_module_dwarf_cfi(module, &bias);
	fill(cfi, table, rules->view.start + address - bias, arch);
	return cfi;
}
