/* parse/tracepoint_format.c */
#include "parse/tracepoint_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

/* Linux 6.18, x86_64. */
static const char newtask[] =
    "name: task_newtask\nID: 205\nformat:\n"
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
    "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
    "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
    "\tfield:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;\n"
    "\tfield:char comm[16];\toffset:12;\tsize:16;\tsigned:0;\n"
    "\tfield:u64 clone_flags;\toffset:32;\tsize:8;\tsigned:0;\n"
    "\tfield:short oom_score_adj;\toffset:40;\tsize:2;\tsigned:1;\n\n"
    "print fmt: \"pid=%d comm=%s clone_flags=%llx oom_score_adj=%hd\", REC->pid, REC->comm, REC->clone_flags\n";

static const char process_fork[] = "name: sched_process_fork\nID: 366\nformat:\n"
				   "\tfield:__data_loc char[] parent_comm;\toffset:8;\tsize:4;\tsigned:0;\n"
				   "\tfield:pid_t parent_pid;\toffset:12;\tsize:4;\tsigned:1;\n"
				   "\tfield:__data_loc char[] child_comm;\toffset:16;\tsize:4;\tsigned:0;\n"
				   "\tfield:pid_t child_pid;\toffset:20;\tsize:4;\tsigned:1;\n";

static bool find(const char *text, const char *name, struct tracepoint_field *field)
{
	return tracepoint_format_field(text, strlen(text), name, field);
}

static void reads_the_id(void **state)
{
	uint64_t id = 0;

	(void)state;
	assert_true(tracepoint_format_id(newtask, strlen(newtask), &id));
	assert_int_equal(id, 205);
	assert_true(tracepoint_format_id(process_fork, strlen(process_fork), &id));
	assert_int_equal(id, 366);
	assert_false(tracepoint_format_id("name: x\n", 8, &id));
	assert_false(tracepoint_format_id("ID: \n", 5, &id));
	assert_false(tracepoint_format_id("ID: 99999999999999999999999\n", 28, &id));
}

static void finds_fields(void **state)
{
	struct tracepoint_field field;

	(void)state;
	assert_true(find(newtask, "pid", &field));
	assert_int_equal(field.offset, 8);
	assert_int_equal(field.size, 4);
	assert_true(field.is_signed);
	assert_false(field.located);
	assert_true(find(newtask, "comm", &field));
	assert_int_equal(field.offset, 12);
	assert_int_equal(field.size, 16);
	assert_false(field.is_signed);
	assert_true(find(process_fork, "child_comm", &field));
	assert_int_equal(field.offset, 16);
	assert_true(field.located);
	assert_false(find(newtask, "parent_comm", &field));
	assert_false(find(newtask, "id", &field));
	assert_false(find(process_fork, "comm", &field));
}

static void copies_text(void **state)
{
	unsigned char raw[44] = {0};
	struct tracepoint_field field;
	char text[16], small[4];

	(void)state;
	assert_true(find(newtask, "comm", &field));
	memcpy(raw + 12, "0123456789abcdefXX", 18);
	assert_true(tracepoint_field_text(&field, raw, sizeof(raw), text, sizeof(text)));
	assert_string_equal(text, "0123456789abcde");
	assert_true(tracepoint_field_text(&field, raw, sizeof(raw), small, sizeof(small)));
	assert_string_equal(small, "012");
	memcpy(raw + 12, "sh", 3);
	assert_true(tracepoint_field_text(&field, raw, sizeof(raw), text, sizeof(text)));
	assert_string_equal(text, "sh");
	assert_false(tracepoint_field_text(&field, raw, 27, text, sizeof(text)));
	assert_false(tracepoint_field_text(&field, raw, 0, text, sizeof(text)));
}

static void follows_located_text(void **state)
{
	unsigned char raw[40] = {0};
	uint32_t place = 5U << 16 | 24, outside = 17U << 16 | 24, far = 1U << 16 | 41;
	struct tracepoint_field field;
	char text[16];

	(void)state;
	assert_true(find(process_fork, "parent_comm", &field));
	memcpy(raw + 24, "make", 5);
	memcpy(raw + 8, &place, sizeof(place));
	assert_true(tracepoint_field_text(&field, raw, sizeof(raw), text, sizeof(text)));
	assert_string_equal(text, "make");
	memcpy(raw + 8, &outside, sizeof(outside));
	assert_false(tracepoint_field_text(&field, raw, sizeof(raw), text, sizeof(text)));
	memcpy(raw + 8, &far, sizeof(far));
	assert_false(tracepoint_field_text(&field, raw, sizeof(raw), text, sizeof(text)));
}

static void refuses_malformed_lines(void **state)
{
	struct tracepoint_field field;

	(void)state;
	assert_false(find("\tfield:int pid;\toffset:;\tsize:4;\tsigned:1;\n", "pid", &field));
	assert_false(find("\tfield:int pid;\toffset:8;\n", "pid", &field));
	assert_false(find("\tfield:int pid;\toffset:99999999999;\tsize:4;\n", "pid", &field));
	assert_false(find("\tfield:pid;\toffset:8;\tsize:4;\n", "pid", &field));
	assert_false(find("\tfield:];\toffset:8;\tsize:4;\n", "pid", &field));
	assert_false(find("\tfield:", "pid", &field));
}

/* Each prefix in a block of exactly its size: the sanitizer sees a byte read too many. */
static void survives_being_cut(void **state)
{
	(void)state;
	for (size_t size = 0; size <= strlen(newtask); size++) {
		_cleanup_free_ char *copy = memory_alloc(size);
		struct tracepoint_field field;
		uint64_t id;

		memcpy(copy, newtask, size);
		if (tracepoint_format_field(copy, size, "comm", &field))
			assert_int_equal(field.offset, 12);
		if (tracepoint_format_id(copy, size, &id))
			assert_in_range(id, 2, 205);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_the_id),
	    cmocka_unit_test(finds_fields),
	    cmocka_unit_test(copies_text),
	    cmocka_unit_test(follows_located_text),
	    cmocka_unit_test(refuses_malformed_lines),
	    cmocka_unit_test(survives_being_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
