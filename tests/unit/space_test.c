/* target/space: memory and modules of real processes. */
#include <dlfcn.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/memory.h"
#include "target/space.h"
#include "tracee.h"

enum { PAGE = 4096 };

/* The same addresses in a forked child. */
static char text[] = "text in the child's data";
static char *pages; /* three: readable, PROT_NONE, unmapped */

static int run_stop(void)
{
	raise(SIGSTOP);
	return 0;
}

static int run_dlopen(void)
{
	raise(SIGSTOP);
	if (!dlopen("libBrokenLocale.so.1", RTLD_NOW)) /* of glibc, and of no use: nothing has it loaded */
		return 98;
	raise(SIGSTOP);
	return 0;
}

/* A file that is looked at, not run, is no module, even where it is ELF. */
static int run_mapped_data(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (mmap(NULL, (size_t)2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ||
	    mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, PAGE) == MAP_FAILED)
		return 98;
	raise(SIGSTOP);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	pages = mmap(NULL, (size_t)3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		return -1;
	memset(pages, 'r', PAGE);
	memset(pages + PAGE, 'n', PAGE);
	return mprotect(pages + PAGE, PAGE, PROT_NONE) || munmap(pages + (size_t)2 * PAGE, PAGE);
}

static struct space *start(int (*run)(void), pid_t *pid)
{
	*pid = tracee_start(run, 0);
	assert_int_equal(WSTOPSIG(tracee_wait(*pid)), SIGSTOP);
	return space_create(*pid);
}

static const struct module_map *modules_of(struct space *space)
{
	const struct module_map *map;

	assert_null(space_modules(space, &map));
	assert_true(map->count > 0);
	return map;
}

static const struct module *module_named(const struct module_map *map, const char *path)
{
	const struct module *found = NULL;

	for (size_t i = 0; i < map->count; i++) {
		if (strcmp(map->modules[i].file->path, path) != 0)
			continue;
		assert_null(found);
		found = &map->modules[i];
	}
	return found;
}

/* --- memory -------------------- */

static void reads_memory(void **state)
{
	char bytes[2 * PAGE];
	pid_t pid;
	struct space *space = start(run_stop, &pid);

	(void)state;
	assert_null(space_read(space, (uintptr_t)text, bytes, sizeof(text)));
	assert_string_equal(bytes, text);
	/* What the process itself may not read is read through /proc/PID/mem. */
	assert_null(space_read(space, (uintptr_t)pages, bytes, (size_t)2 * PAGE));
	assert_int_equal(bytes[PAGE - 1], 'r');
	assert_int_equal(bytes[PAGE], 'n');
	assert_null(space_read(space, 0, bytes, 0));
	tracee_kill(pid);
	space_unref(space);
}

static void reads_nothing_where_nothing_is(void **state)
{
	char bytes[PAGE];
	pid_t pid;
	struct space *space = start(run_stop, &pid);

	(void)state;
	assert_ptr_equal(space_read(space, 0, bytes, 1), &error_fault);
	assert_ptr_equal(space_read(space, UINTPTR_MAX - 7, bytes, 8), &error_fault);
	assert_ptr_equal(space_read(space, (uintptr_t)pages + (size_t)2 * PAGE - 1, bytes, 2), &error_fault);
	tracee_kill(pid);
	assert_ptr_equal(space_read(space, (uintptr_t)text, bytes, 1), &error_gone);
	space_unref(space);
}

static void reads_runs(void **state)
{
	struct space_run runs[] = {{(uintptr_t)text, 4}, {(uintptr_t)pages, 2}, {(uintptr_t)text + 5, 3}};
	struct space_run many[100];
	char bytes[100];
	pid_t pid;
	struct space *space = start(run_stop, &pid);

	(void)state;
	assert_null(space_read_runs(space, runs, 3, bytes));
	assert_memory_equal(bytes, "textrrin ", 9);
	assert_null(space_read_runs(space, runs, 0, bytes));
	for (size_t i = 0; i < 100; i++)
		many[i] = (struct space_run){(uintptr_t)text + i % 4, 1};
	assert_null(space_read_runs(space, many, 100, bytes));
	assert_memory_equal(bytes, "texttexttext", 12);
	runs[1].address = 0;
	assert_ptr_equal(space_read_runs(space, runs, 3, bytes), &error_fault);
	tracee_kill(pid);
	assert_ptr_equal(space_read_runs(space, runs, 1, bytes), &error_gone);
	space_unref(space);
}

/* Code is not writable for the process itself; the child has a copy of its own then. */
static void writes_memory(void **state)
{
	uint8_t before, after = 0xcc, read_back;
	pid_t pid;
	struct space *space = start(run_stop, &pid);
	uintptr_t code = (uintptr_t)run_dlopen;

	(void)state;
	memcpy(&before, (const void *)code, 1);
	assert_null(space_write(space, code, &after, 1));
	assert_null(space_read(space, code, &read_back, 1));
	assert_int_equal(read_back, after);
	memcpy(&read_back, (const void *)code, 1);
	assert_int_equal(read_back, before);
	assert_ptr_equal(space_write(space, 0, &after, 1), &error_fault);
	tracee_kill(pid);
	assert_ptr_equal(space_write(space, code, &after, 1), &error_gone);
	space_unref(space);
}

/* --- modules -------------------- */

static void finds_modules(void **state)
{
	pid_t pid;
	struct space *space = start(run_stop, &pid);
	const struct module_map *map = modules_of(space);
	const struct module *own = module_map_find(map, (uintptr_t)finds_modules);
	const struct module *vdso = module_named(map, "[vdso]");
	_cleanup_free_ char *path = realpath("/proc/self/exe", NULL);

	(void)state;
	assert_int_equal(map->abi, sizeof(void *) == 8 ? ABI_X86_64 : ABI_I386);
	for (size_t i = 1; i < map->count; i++)
		assert_true(map->modules[i].start >= map->modules[i - 1].end);

	assert_non_null(own);
	assert_string_equal(own->file->path, path);
	assert_true(own->file->fd >= 0);
	assert_int_equal(own->file->build_id_size, 20);
	assert_ptr_equal(module_map_find(map, own->start), own);
	assert_ptr_equal(module_map_find(map, own->end - 1), own);
	assert_ptr_not_equal(module_map_find(map, own->end), own);
	assert_null(module_map_find(map, 0));
	assert_null(module_map_find(map, UINT64_MAX));
	assert_int_equal(own->start + own->file->entry, getauxval(AT_ENTRY));

	assert_non_null(vdso);
	assert_int_equal(vdso->file->fd, -1);
	assert_null(vdso->file->open_error);
	assert_memory_equal(vdso->file->image, "\177ELF", 4);
	assert_ptr_equal(module_map_find(map, (uintptr_t)labs), module_map_find(map, (uintptr_t)abs));
	tracee_kill(pid);
	space_unref(space);
}

static void shares_files_and_maps(void **state)
{
	pid_t first_pid, second_pid;
	struct space *first = start(run_stop, &first_pid), *second = start(run_stop, &second_pid);
	const struct module_map *map = modules_of(first), *other = modules_of(second);
	struct space *copy = space_copy(first, second_pid);

	(void)state;
	assert_ptr_not_equal(map, other);
	assert_int_not_equal(map->id, other->id);
	assert_int_equal(map->count, other->count);
	for (size_t i = 0; i < map->count; i++)
		assert_ptr_equal(map->modules[i].file, other->modules[i].file);
	assert_ptr_equal(modules_of(copy), map);

	/* A file that nobody maps for a moment is still known afterwards. */
	const struct module_file *file = map->modules[0].file;

	space_drop_modules(first);
	space_drop_modules(second);
	space_drop_modules(copy);
	assert_ptr_equal(modules_of(second)->modules[0].file, file);
	tracee_kill(first_pid);
	tracee_kill(second_pid);
	space_unref(first);
	space_unref(second);
	space_unref(copy);
}

static void notices_new_modules(void **state)
{
	pid_t pid;
	struct space *space = start(run_dlopen, &pid);
	const struct module_map *map = modules_of(space);
	size_t count = map->count;
	bool changed = true;

	(void)state;
	assert_null(space_refresh_modules(space, &changed));
	assert_false(changed);
	assert_ptr_equal(modules_of(space), map);

	assert_int_equal(WSTOPSIG(tracee_resume(PTRACE_CONT, pid, 0)), SIGSTOP);
	assert_null(space_refresh_modules(space, &changed));
	assert_true(changed);
	assert_int_equal(modules_of(space)->count, count + 1);
	tracee_kill(pid);

	struct error *error = space_refresh_modules(space, &changed);

	assert_ptr_equal(error, &error_gone);
	space_unref(space);
}

static void mapped_data_is_no_module(void **state)
{
	pid_t pid;
	struct space *space = start(run_mapped_data, &pid);
	_cleanup_free_ char *path = realpath("/proc/self/exe", NULL);

	(void)state;
	assert_non_null(module_named(modules_of(space), path)); /* and only once */
	tracee_kill(pid);
	space_unref(space);
}

static void a_dead_process_has_no_modules(void **state)
{
	pid_t pid;
	struct space *space = start(run_stop, &pid);
	const struct module_map *map;

	(void)state;
	tracee_kill(pid);
	assert_ptr_equal(space_modules(space, &map), &error_gone);
	space_unref(space);
}

/* --- programs whose files are not what their names say -------------------- */

static char directory[] = "/tmp/space_test.XXXXXX";
static char copy_path[64];

static void copy_self(void)
{
	_cleanup_fd_ int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int to = open(copy_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	struct stat status;

	assert_int_equal(fstat(from, &status), 0);
	while (status.st_size) {
		ssize_t sent = sendfile(to, from, NULL, (size_t)status.st_size);

		assert_true(sent > 0);
		status.st_size -= sent;
	}
}

static int run_copy(void)
{
	execl(copy_path, copy_path, "stop", (char *)NULL);
	return 98;
}

/* Runs a copy of this program under `name`; its modules are looked at when it is there. */
static struct space *start_copy(const char *name, pid_t *pid)
{
	snprintf(copy_path, sizeof(copy_path), "%s/%s", directory, name);
	copy_self();
	*pid = tracee_start(run_copy, PTRACE_O_TRACEEXEC);
	assert_int_equal(tracee_wait(*pid) >> 8, SIGTRAP | PTRACE_EVENT_EXEC << 8);
	assert_int_equal(WSTOPSIG(tracee_resume(PTRACE_CONT, *pid, 0)), SIGSTOP);
	return space_create(*pid);
}

static void assert_is_this_program(const struct module_map *map)
{
	const struct module *module = module_named(map, copy_path);
	pid_t pid;
	struct space *own = start(run_stop, &pid);
	const struct module *original = module_map_find(modules_of(own), (uintptr_t)assert_is_this_program);

	assert_non_null(module);
	assert_true(module->file->fd >= 0);
	assert_ptr_not_equal(module->file, original->file);
	assert_memory_equal(module->file->build_id, original->file->build_id, original->file->build_id_size);
	tracee_kill(pid);
	space_unref(own);
}

static void a_deleted_file(void **state)
{
	pid_t pid;
	struct space *space = start_copy("deleted", &pid);

	(void)state;
	assert_int_equal(unlink(copy_path), 0);
	assert_is_this_program(modules_of(space));
	tracee_kill(pid);
	space_unref(space);
}

static void a_replaced_file(void **state)
{
	pid_t pid;
	struct space *space = start_copy("replaced", &pid);

	(void)state;
	assert_int_equal(unlink(copy_path), 0);

	_cleanup_fd_ int fd = open(copy_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	assert_int_equal(write(fd, "something else", 14), 14);
	assert_is_this_program(modules_of(space));
	assert_int_equal(unlink(copy_path), 0);
	tracee_kill(pid);
	space_unref(space);
}

static void a_file_with_a_strange_name(void **state)
{
	pid_t pid;
	struct space *space = start_copy("two\nlines and blanks ", &pid);

	(void)state;
	assert_is_this_program(modules_of(space));
	assert_int_equal(unlink(copy_path), 0);
	tracee_kill(pid);
	space_unref(space);
}

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

static int tests_of_names(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_deleted_file),
	    cmocka_unit_test(a_replaced_file),
	    cmocka_unit_test(a_file_with_a_strange_name),
	};

	return cmocka_run_group_tests_name("names", tests, make_directory, remove_directory);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_memory),
	    cmocka_unit_test(reads_nothing_where_nothing_is),
	    cmocka_unit_test(reads_runs),
	    cmocka_unit_test(writes_memory),
	    cmocka_unit_test(finds_modules),
	    cmocka_unit_test(shares_files_and_maps),
	    cmocka_unit_test(notices_new_modules),
	    cmocka_unit_test(mapped_data_is_no_module),
	    cmocka_unit_test(a_dead_process_has_no_modules),
	};

	if (argc == 2 && !strcmp(argv[1], "stop"))
		return run_stop();
	return cmocka_run_group_tests(tests, set_up, NULL) + tests_of_names();
}
