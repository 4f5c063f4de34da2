/* gdb as the referee of a real kernel's stack: at the same stop of the same machine it must see our frames. */
#include "gdb_kernel_file.h"
#include "gdb_visit.h"

static char kernel_file[64];
static const char *known; /* what gdb knows of the kernel: the file above, or vmlinux */

static void fail_with_frames(const char *place, const kernel_frames *frames, const struct gdb_frames *seen)
{
	for (size_t i = 0; i < frames->count; i++)
		print_error("%s: ours %#llx %s\n", place, (unsigned long long)frames->items[i].pc,
			    name_of(&frames->items[i], i == 0));
	fail_msg("%s: gdb sees others:\n%s", place, seen->said.data);
}

/* Whatever gdb shows above `frames`, or instead of the last ones, is not ours: what it makes of the entry, which has no
 * frame of any form that it knows, leads into the user's stack at best. */
static void check_place(enum stage stage, const char *outermost, size_t count)
{
	_cleanup_free_ char *commands = NULL;
	struct gdb_frames seen = {0};
	kernel_frames frames = {0};
	uint64_t address = run_to_stage(stage);

	unwind(KERNEL_UNWINDER_AUTO, &frames);
	assert_true(asprintf(&commands, "file %s\n", known) > 0);
	gdb_visit(gdbstub_fd(stub), commands, &seen);
	if (frames.count < count || seen.count < frames.count)
		fail_with_frames(stage_info(stage)->name, &frames, &seen);
	for (size_t i = 0; i < frames.count; i++) {
		if (frames.items[i].pc != seen.pc[i])
			fail_with_frames(stage_info(stage)->name, &frames, &seen);
	}
	assert_string_equal(name_of(&frames.items[frames.count - 1], frames.count == 1), outermost);
	assert_null(gdbstub_breakpoint_remove(stub, address));
	buffer_deinit(&seen.said);
	vector_deinit(&frames);
}

/* The child has been nowhere else: at its first instruction there is nothing but the user's registers above it. */
static void check_kernel(const char *path)
{
	struct guest_options options = {.qemu = qemu, .kernel = path, .cold = true};

	if (!kernel)
		skip_because("FORKTRACE_GUEST_KERNEL names no kernel");
	if (access(path, R_OK))
		skip_because("there is no kernel with the suffix -pae beside FORKTRACE_GUEST_KERNEL");
	if (!gdb_available())
		skip_because("gdb is not installed");

	_cleanup_fd_ int payload = payload_of(static_fork, NULL);
	struct guest *guest = start_to_exec(&options, payload);

	/* FORKTRACE_GUEST_VMLINUX: with the unwind information that gdb needs for a kernel without frame pointers. */
	known = getenv("FORKTRACE_GUEST_VMLINUX");
	if (!known) {
		snprintf(kernel_file, sizeof(kernel_file), "%s/kernel", scratch);
		gdb_kernel_file(guest, kernel_file);
		known = kernel_file;
	}

	/* Above the handler are, up to 4.3, the entry's label; else the entry, do_SYSENTER_32 and two functions that it
	 * calls, and ia32_sys_call, where that is a function of its own. */
	const char *entry = entry_frame();
	size_t above = strcmp(entry, stage_function(STAGE_ENTRY)) ? 1 : 4 + kernel_has("ia32_sys_call");
	size_t jumps = kernel_has("_do_fork"); /* 4.2 to 5.9: the handler may end in a jump to it */

	check_place(STAGE_HANDLER, entry, 1 + above);
	check_place(STAGE_WORKER, entry, 2 + above - jumps);
	check_place(STAGE_COPY, entry, 3 + above - jumps);
	check_place(STAGE_WAKE, entry, 3 + above - jumps);
	check_place(STAGE_CHILD_FIRST, stage_function(STAGE_CHILD_FIRST), 1);
	end_guest(guest);
}

static void gdb_sees_the_same_frames(void **state)
{
	(void)state;
	check_kernel(kernel);
}

static void gdb_sees_the_same_frames_with_pae(void **state)
{
	_cleanup_free_ char *path = NULL;

	(void)state;
	assert_true(asprintf(&path, "%s-pae", kernel ? kernel : "") > 0);
	check_kernel(path);
}

/* FORKTRACE_OTHER_KERNELS: their paths, with colons between. */
static void gdb_sees_the_same_frames_of_other_releases(void **state)
{
	const char *other = getenv("FORKTRACE_OTHER_KERNELS");

	(void)state;
	if (!other || !*other)
		skip_because("FORKTRACE_OTHER_KERNELS names none");
	while (*other) {
		size_t length = strcspn(other, ":");
		_cleanup_free_ char *path = memory_strndup(other, length);

		check_kernel(path);
		other += length + (other[length] == ':');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gdb_sees_the_same_frames),
	    cmocka_unit_test(gdb_sees_the_same_frames_with_pae),
	    cmocka_unit_test(gdb_sees_the_same_frames_of_other_releases),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
