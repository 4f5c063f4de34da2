/* gdb as the referee of the user's stack in a guest: at the two returns of a fork it must see our frames, from the
 * program's own files. */
#include "guest_stops.h"

#include "gdb_visit.h"
#include "kernel/guest_modules.h"
#include "unwind/unwound.h"

enum { ECX = 1, EAX = 0 }; /* DWARF numbers */

static struct guest_files files;
static struct guest_sources sources;

static struct error *read_modules(void *context, const struct space *space, struct module_map **map)
{
	(void)context;
	*map = guest_modules_read(space, space->owner, &sources);
	return NULL;
}

static const struct space_source user_memory = {.read = read_stub, .modules = read_modules};

/* --- what gdb is told --- */

static void write_vdso(const char *path)
{
	_cleanup_file_ FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(sources.vdso, 1, sources.vdso_size, file), sources.vdso_size);
}

/* gdb knows a process's modules from its list of mappings, which a machine's stub does not have: here it is told where
 * they lie. What they hold, gdb reads itself. */
static void tell_modules(const struct module_map *modules, struct buffer *commands)
{
	char vdso[64];

	snprintf(vdso, sizeof(vdso), "%s/vdso", scratch);
	write_vdso(vdso);
	for (size_t i = 0; i < modules->count; i++) {
		const struct module *module = &modules->modules[i];
		const char *path = guest_files_host_path(&files, module->file->path);

		buffer_printf(commands, "add-symbol-file %s -o 0x%llx\n", path ? path : vdso,
			      (unsigned long long)(module->start - module->file->first_address));
	}
}

/* --- comparing --- */

static void fail_with_frames(const char *what, const struct unwound *unwound, const struct gdb_frames *seen)
{
	for (size_t i = 0; i < unwound->count; i++)
		print_error("%s: ours %#llx\n", what, (unsigned long long)unwound->frames[i].pc);
	fail_msg("%s: gdb sees others:\n%s", what, seen->said.data);
}

static void compare(const char *what, const struct unwound *unwound, const struct gdb_frames *seen, size_t least)
{
	if (seen->count != unwound->count || seen->count < least)
		fail_with_frames(what, unwound, seen);
	for (size_t i = 0; i < seen->count; i++) {
		if (seen->pc[i] != unwound->frames[i].pc)
			fail_with_frames(what, unwound, seen);
	}
}

static void check_stack(struct space *space, struct capture *capture, const struct registers *registers, size_t least)
{
	static const struct capture_hint hint = {.in_syscall = true};
	_cleanup_(buffer_deinit) struct buffer commands = {0};
	const struct module_map *modules;
	struct gdb_frames seen = {0};
	struct unwound *unwound;

	assert_null(space_modules(space, &modules));
	tell_modules(modules, &commands);
	assert_null(capture_unwind(capture, space, registers, &hint, &unwound));
	assert_null(unwound->reason);
	gdb_visit(gdbstub_fd(stub), commands.data, &seen);
	compare(registers->value[EAX] ? "parent" : "child", unwound, &seen, least);
	unwound_unref(unwound);
	buffer_deinit(&seen.said);
}

/* --- the stops --- */

static struct guest_image *run_to_program(const struct space *space)
{
	struct registers registers;
	uint64_t start_thread = run_to_function("start_thread");

	assert_null(gdbstub_registers(stub, &registers));
	assert_null(gdbstub_breakpoint_remove(stub, start_thread));
	return guest_image_read(space, (uint32_t)registers.value[ECX]);
}

/* The caller's registers at the call. */
static struct registers find_caller(void)
{
	kernel_frames frames = {0};
	uint64_t handler = run_to_stage(STAGE_HANDLER);
	struct kernel_border border = unwind(KERNEL_UNWINDER_AUTO, &frames);

	assert_true(border.found);
	assert_int_equal(border.original_eax, CLONE_NUMBER);
	assert_null(gdbstub_breakpoint_remove(stub, handler));
	vector_deinit(&frames);
	return border.user;
}

/* Other calls return there as well, from other depths of the stack, or later: the first return of each process is that
 * of its fork. `seen`: the page table of the process that came by; not that of the next one. */
static void run_to_return(const struct registers *caller, struct registers *registers, uint64_t *seen)
{
	uint64_t cr3;

	do {
		run_to(registers_pc(caller));
		assert_null(gdbstub_registers(stub, registers));
		assert_null(gdbstub_register(stub, "cr3", &cr3));
	} while (registers_sp(registers) != registers_sp(caller) || cr3 == *seen);
	*seen = cr3;
}

/* Both come by there, in either order. */
static void check_returns(struct guest_image *image, const struct registers *caller, size_t least)
{
	static const struct capture_options options = {.max_frames = GDB_FRAMES_MAX};
	static const struct log silent = {0};
	struct string_pool *pool = string_pool_create();
	struct capture *capture = capture_create(&options, pool, &silent);
	struct registers registers[2];
	uint64_t seen = 0;

	assert_null(gdbstub_breakpoint_add(stub, registers_pc(caller)));
	for (int i = 0; i < 2; i++) {
		struct space *space = space_create_foreign(&user_memory, image);

		run_to_return(caller, &registers[i], &seen);
		check_stack(space, capture, &registers[i], least);
		space_unref(space);
	}
	assert_true(!registers[0].value[EAX] != !registers[1].value[EAX]);
	assert_null(gdbstub_breakpoint_remove(stub, registers_pc(caller)));
	capture_destroy(capture);
	string_pool_destroy(pool);
}

static void check_program(const char *name, size_t least)
{
	char path[128];
	struct guest_options options = options_with(cache);

	need_kernel();
	if (!gdb_available())
		skip_because("gdb is not installed");
	snprintf(path, sizeof(path), "build/targets/i386/%s", name);

	_cleanup_fd_ int payload = payload_with(&files, path, NULL);
	struct guest *guest = start_to_exec(&options, payload);
	struct space *space = space_create_foreign(&memory, NULL);

	sources = (struct guest_sources){.files = &files};
	sources.vdso = guest_vdso(guest, &sources.vdso_size);

	struct guest_image *image = run_to_program(space);
	struct registers caller = find_caller();

	assert_non_null(image);
	check_returns(image, &caller, least);
	guest_image_unref(image);
	space_unref(space);
	end_guest(guest);
	guest_files_deinit(&files);
	files = (struct guest_files){0};
}

static void of_a_dynamic_program(void **state)
{
	(void)state;
	check_program("test_fork", 8);
}

static void of_a_static_program(void **state)
{
	(void)state;
	check_program("variants/test_fork.static", 8);
}

static void of_one_without_frame_pointers(void **state)
{
	(void)state;
	check_program("variants/test_fork.o2", 7);
}

static void of_a_stripped_program(void **state)
{
	(void)state;
	check_program("variants/test_fork.stripped", 8);
}

static void of_a_deep_stack(void **state)
{
	(void)state;
	check_program("test_deep", 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(of_a_dynamic_program),
	    cmocka_unit_test(of_a_static_program),
	    cmocka_unit_test(of_one_without_frame_pointers),
	    cmocka_unit_test(of_a_stripped_program),
	    cmocka_unit_test(of_a_deep_stack),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
