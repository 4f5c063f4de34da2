/* arch/disassemble.c */
#include "arch/disassemble.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI, NONE = REGISTER_NONE };

static void cleanup_disassembler(struct disassembler **disassembler)
{
	disassembler_destroy(*disassembler);
}

static struct disassembler *create(enum abi abi)
{
	struct disassembler *disassembler;

	assert_null(disassembler_create(abi, &disassembler));
	return disassembler;
}

static const struct {
	const char *text;
	uint8_t bytes[8];
	unsigned length;
	enum instruction_kind kind;
	int destination, source;
	int64_t immediate;
} instructions[] = {
    {"push   ebp", {0x55}, 1, INSTRUCTION_PUSH, NONE, EBP, 0},
    {"push   5", {0x6a, 0x05}, 2, INSTRUCTION_PUSH, NONE, NONE, 0},
    {"pop    ebx", {0x5b}, 1, INSTRUCTION_POP, EBX, NONE, 0},
    {"mov    ebp, esp", {0x89, 0xe5}, 2, INSTRUCTION_SET, EBP, ESP, 0},
    {"sub    esp, 0x2c", {0x83, 0xec, 0x2c}, 3, INSTRUCTION_SET, ESP, ESP, -0x2c},
    {"sub    esp, -0x80", {0x83, 0xec, 0x80}, 3, INSTRUCTION_SET, ESP, ESP, 0x80},
    {"add    esp, 0x100", {0x81, 0xc4, 0, 1, 0, 0}, 6, INSTRUCTION_SET, ESP, ESP, 0x100},
    {"lea    esp, [ebp - 0xc]", {0x8d, 0x65, 0xf4}, 3, INSTRUCTION_SET, ESP, EBP, -12},
    {"lea    edi, [esp + 8]", {0x8d, 0x7c, 0x24, 0x08}, 4, INSTRUCTION_SET, EDI, ESP, 8},
    {"dec    esi", {0x4e}, 1, INSTRUCTION_SET, ESI, ESI, -1},
    {"and    esp, 0xfffffff0", {0x83, 0xe4, 0xf0}, 3, INSTRUCTION_AND, ESP, ESP, -16},
    {"mov    dword ptr [esp], eax", {0x89, 0x04, 0x24}, 3, INSTRUCTION_STORE, NONE, EAX, 0},
    {"mov    ebx, dword ptr [ebp - 4]", {0x8b, 0x5d, 0xfc}, 3, INSTRUCTION_LOAD, EBX, NONE, 0},
    {"nop", {0x90}, 1, INSTRUCTION_NOTHING, NONE, NONE, 0},
    {"lea    esi, [esi]", {0x8d, 0x76, 0x00}, 3, INSTRUCTION_NOTHING, ESI, ESI, 0},
    {"leave", {0xc9}, 1, INSTRUCTION_LEAVE, NONE, NONE, 0},
    {"ret", {0xc3}, 1, INSTRUCTION_RETURN, NONE, NONE, 0},
    {"ret    8", {0xc2, 8, 0}, 3, INSTRUCTION_RETURN, NONE, NONE, 8},
    {"ud2", {0x0f, 0x0b}, 2, INSTRUCTION_STOP, NONE, NONE, 0},
    {"iretd", {0xcf}, 1, INSTRUCTION_STOP, NONE, NONE, 0},
    {"pushfd", {0x9c}, 1, INSTRUCTION_PUSH_FLAGS, NONE, NONE, 0},
    {"popal", {0x61}, 1, INSTRUCTION_POP_ALL, NONE, NONE, 0},
    {"call   edx", {0xff, 0xd2}, 2, INSTRUCTION_CALL, NONE, EDX, 0},
    {"endbr32", {0xf3, 0x0f, 0x1e, 0xfb}, 4, INSTRUCTION_OTHER, NONE, NONE, 0},
    {"cmp    esp, ebp", {0x39, 0xec}, 2, INSTRUCTION_OTHER, NONE, NONE, 0},
    {"sub    esp, eax", {0x29, 0xc4}, 2, INSTRUCTION_OTHER, NONE, NONE, 0},
};

static void decodes_what_moves_the_stack(void **state)
{
	_cleanup_(cleanup_disassembler) struct disassembler *disassembler = create(ABI_I386);

	(void)state;
	for (size_t i = 0; i < sizeof(instructions) / sizeof(*instructions); i++) {
		struct instruction got;
		char text[64];

		assert_true(
		    disassemble(disassembler, instructions[i].bytes, sizeof(instructions[i].bytes), 0xc1000000, &got));
		assert_int_equal(disassemble_text(disassembler, instructions[i].bytes, sizeof(instructions[i].bytes),
						  0xc1000000, text, sizeof(text)),
				 instructions[i].length);
		assert_string_equal(text, instructions[i].text);
		assert_int_equal(got.length, instructions[i].length);
		assert_int_equal(got.kind, instructions[i].kind);
		assert_int_equal(got.destination, instructions[i].destination);
		assert_int_equal(got.source, instructions[i].source);
		assert_int_equal(got.immediate, instructions[i].immediate);
		assert_false(got.direct);
	}
}

static void follows_direct_targets(void **state)
{
	static const uint8_t call[] = {0xe8, 0xfb, 0xff, 0xff, 0xff}, jump[] = {0xeb, 0xfe}, branch[] = {0x74, 0x10};
	_cleanup_(cleanup_disassembler) struct disassembler *disassembler = create(ABI_I386);
	struct instruction got;

	(void)state;
	assert_true(disassemble(disassembler, call, sizeof(call), 0xc1000000, &got));
	assert_int_equal(got.kind, INSTRUCTION_CALL);
	assert_true(got.direct);
	assert_int_equal(got.target, 0xc1000000);
	assert_true(disassemble(disassembler, jump, sizeof(jump), 0xc1000000, &got));
	assert_int_equal(got.kind, INSTRUCTION_JUMP);
	assert_int_equal(got.target, 0xc1000000);
	assert_true(disassemble(disassembler, branch, sizeof(branch), 0xfffffff0, &got));
	assert_int_equal(got.kind, INSTRUCTION_BRANCH);
	assert_int_equal(got.target, 2); /* wraps */
}

static void takes_memory_apart(void **state)
{
	/* jmp *0xc1800000(,%eax,4); call *%fs:4(%eax) */
	static const uint8_t table[] = {0xff, 0x24, 0x85, 0, 0, 0x80, 0xc1}, segment[] = {0x64, 0xff, 0x50, 0x04};
	_cleanup_(cleanup_disassembler) struct disassembler *disassembler = create(ABI_I386);
	struct instruction got;

	(void)state;
	assert_true(disassemble(disassembler, table, sizeof(table), 0xc1000000, &got));
	assert_int_equal(got.kind, INSTRUCTION_JUMP);
	assert_false(got.direct);
	assert_true(got.memory.used);
	assert_int_equal(got.memory.base, NONE);
	assert_int_equal(got.memory.index, EAX);
	assert_int_equal(got.memory.scale, 4);
	assert_int_equal((uint32_t)got.memory.displacement, 0xc1800000);
	assert_true(disassemble(disassembler, segment, sizeof(segment), 0xc1000000, &got));
	assert_int_equal(got.kind, INSTRUCTION_CALL);
	assert_false(got.memory.used);
}

static void tells_what_is_written(void **state)
{
	/* rep stos %eax,%es:(%edi); mov $1,%bl; xchg %ebp,%eax */
	static const uint8_t stos[] = {0xf3, 0xab}, part[] = {0xb3, 0x01}, exchange[] = {0x95};
	_cleanup_(cleanup_disassembler) struct disassembler *disassembler = create(ABI_I386);
	struct instruction got;

	(void)state;
	assert_true(disassemble(disassembler, stos, sizeof(stos), 0, &got));
	assert_int_equal(got.written & (1U << EDI | 1U << ECX), 1U << EDI | 1U << ECX);
	assert_true(disassemble(disassembler, part, sizeof(part), 0, &got));
	assert_int_equal(got.kind, INSTRUCTION_OTHER);
	assert_true(got.written & 1U << EBX);
	assert_true(disassemble(disassembler, exchange, sizeof(exchange), 0, &got));
	assert_int_equal(got.written & (1U << EAX | 1U << EBP), 1U << EAX | 1U << EBP);
}

static void refuses_what_is_cut_off(void **state)
{
	static const uint8_t call[] = {0xe8, 0, 0, 0, 0}, invalid[] = {0x0f, 0x04};
	_cleanup_(cleanup_disassembler) struct disassembler *disassembler = create(ABI_I386);
	struct instruction got;
	char text[4];

	(void)state;
	for (size_t size = 0; size < sizeof(call); size++)
		assert_false(disassemble(disassembler, call, size, 0, &got));
	assert_false(disassemble(disassembler, invalid, sizeof(invalid), 0, &got));
	assert_int_equal(disassemble_text(disassembler, invalid, sizeof(invalid), 0, text, sizeof(text)), 0);
	assert_int_equal(disassemble_text(disassembler, call, sizeof(call), 0, text, sizeof(text)), 5);
	assert_string_equal(text, "cal");
}

static void knows_x86_64(void **state)
{
	static const uint8_t push[] = {0x41, 0x57}, sub[] = {0x48, 0x83, 0xec, 0x10}; /* push %r15; sub $16,%rsp */
	_cleanup_(cleanup_disassembler) struct disassembler *disassembler = create(ABI_X86_64);
	struct instruction got;

	(void)state;
	assert_true(disassemble(disassembler, push, sizeof(push), 0, &got));
	assert_int_equal(got.source, 15);
	assert_true(disassemble(disassembler, sub, sizeof(sub), 0, &got));
	assert_int_equal(got.destination, 7);
	assert_int_equal(got.immediate, -16);
}

static void refuses_an_unknown_abi(void **state)
{
	struct disassembler *disassembler;
	struct error *error = disassembler_create(ABI_UNKNOWN, &disassembler);

	(void)state;
	assert_non_null(error);
	assert_int_equal(error->code, ERROR_UNSUPPORTED);
	assert_null(disassembler);
	error_destroy(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decodes_what_moves_the_stack), cmocka_unit_test(follows_direct_targets),
	    cmocka_unit_test(takes_memory_apart),           cmocka_unit_test(tells_what_is_written),
	    cmocka_unit_test(refuses_what_is_cut_off),      cmocka_unit_test(knows_x86_64),
	    cmocka_unit_test(refuses_an_unknown_abi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
