/* kernel/guest_files: which files a program needs. */
#include "kernel/guest_files.h"

#include "base/buffer.h"
#include "guest_files_fixture.h"

/* Without libc: what it needs is given alone. */
static void make_program(const char *path, const char *const *options)
{
	const char *arguments[24] = {"gcc",   "-m32", "-nostdlib", "-Wl,--no-as-needed,--unresolved-symbols=ignore-all",
				     "-o",    path,   "-xc",       at("start.c"),
				     "-xnone"};
	size_t count = 9;

	for (; *options; options++)
		arguments[count++] = *options;
	run(arguments);
}

#define RPATH   "-Wl,--disable-new-dtags"
#define RUNPATH "-Wl,--enable-new-dtags"

static size_t count_regular(const struct guest_files *files)
{
	size_t count = 0;

	for (size_t i = 0; i < files->count; i++)
		count += files->items[i].kind == GUEST_REGULAR;
	return count;
}

static void succeeds(const char *program, const char *library_path, struct guest_files *files)
{
	struct error *error = guest_files_of_program(program, library_path, files);

	if (error)
		fail_msg("%s", error->message);
}

static void fails(const char *program, enum error_code code, const char *message)
{
	struct guest_files files;

	check_error(guest_files_of_program(program, NULL, &files), code, message);
	assert_int_equal(files.count, 0);
}

static void a_static_program_is_alone(void **state)
{
	_cleanup_(guest_files_deinit) struct guest_files files;

	(void)state;
	make_program(at("static"), OPTIONS("-static"));
	succeeds(at("static"), NULL, &files);
	assert_int_equal(count_regular(&files), 1);
	assert_string_equal(guest_files_host_path(&files, at("static")), at("static"));
	assert_null(files.library_directory);
}

/* With the C library of the machine, wherever it lies. */
static void a_plain_program_has_its_libraries(void **state)
{
	_cleanup_(guest_files_deinit) struct guest_files files;
	_cleanup_free_ char *loader = realpath("/lib/ld-linux.so.2", NULL);
	_cleanup_(buffer_deinit) struct buffer libc = {0};

	(void)state;
	make_file(at("main.c"), "int main(void)\n{\n\treturn 0;\n}\n", 0600);
	run((const char *const[]){"gcc", "-m32", "-o", at("plain"), at("main.c"), NULL});
	succeeds(at("plain"), NULL, &files);
	assert_non_null(loader);
	assert_string_equal(guest_files_host_path(&files, "/lib/ld-linux.so.2"), loader);
	buffer_printf(&libc, "%s/libc.so.6", files.library_directory);
	assert_non_null(guest_files_host_path(&files, libc.data));
	assert_null(guest_files_host_path(&files, "/etc/ld.so.cache"));
	/* The program, the loader, libc and, where there is one, libgcc_s. */
	assert_in_range(count_regular(&files), 3, 4);
}

/* The program needs libfirst.so, which needs libsecond.so; both directories have libsecond.so. */
static void make_chain(const char *program_tags, const char *library_tags, const char *library_path)
{
	char own[PATH_MAX], theirs[PATH_MAX];

	snprintf(own, sizeof(own), "-Wl,-rpath,%s", at("one"));
	snprintf(theirs, sizeof(theirs), "-Wl,-rpath,%s", library_path);
	make_library(at("one/libsecond.so"), OPTIONS("-Wl,-soname,libsecond.so"));
	make_library(at("two/libsecond.so"), OPTIONS("-Wl,-soname,libsecond.so"));
	make_library(at("one/libfirst.so"),
		     OPTIONS("-Wl,-soname,libfirst.so", library_tags, theirs, at("two/libsecond.so")));
	make_program(at("chain"), OPTIONS(program_tags, own, at("one/libfirst.so")));
}

static void expect_second(const char *library_path, const char *directory)
{
	_cleanup_(guest_files_deinit) struct guest_files files;

	succeeds(at("chain"), library_path, &files);
	assert_true(has(&files, GUEST_REGULAR, at("one/libfirst.so")));
	assert_true(has(&files, GUEST_REGULAR, at("%s/libsecond.so", directory)));
	assert_false(has(&files, GUEST_REGULAR, at("%s/libsecond.so", strcmp(directory, "one") ? "one" : "two")));
}

static void rpath_is_inherited_and_first(void **state)
{
	(void)state;
	make_chain(RPATH, RPATH, "/nowhere");
	expect_second(NULL, "one");
	expect_second(at("two"), "one");
	/* The nearest says it first. */
	make_chain(RPATH, RPATH, at("two"));
	expect_second(NULL, "two");
}

static void runpath_is_for_its_own_and_after_the_environment(void **state)
{
	(void)state;
	make_chain(RUNPATH, RUNPATH, at("two"));
	expect_second(NULL, "two");
	expect_second(at("one"), "one");
	/* It makes the inherited DT_RPATH void. */
	make_chain(RPATH, RUNPATH, at("two"));
	expect_second(NULL, "two");

	/* The program's is not the library's. */
	make_chain(RUNPATH, RUNPATH, "/nowhere");
	char message[2 * PATH_MAX];

	snprintf(message, sizeof(message),
		 "the 32-bit library libsecond.so, which %s needs, was not found: install it, or name its directory in "
		 "LD_LIBRARY_PATH",
		 at("one/libfirst.so"));
	fails(at("chain"), ERROR_NOT_FOUND, message);
}

static void origin_is_the_real_program(void **state)
{
	_cleanup_(guest_files_deinit) struct guest_files files;

	(void)state;
	make_library(at("two/libplace.so"), OPTIONS("-Wl,-soname,libplace.so"));
	make_program(at("one/place"), OPTIONS("-Wl,-rpath,$ORIGIN/../${LIB}:${ORIGIN}/../two", at("two/libplace.so")));
	assert_return_code(symlink("one/place", at("link")), errno);
	succeeds(at("link"), NULL, &files);
	assert_string_equal(target_of(&files, at("link")), "one/place");
	assert_true(has(&files, GUEST_REGULAR, at("one/place")));
	assert_true(has(&files, GUEST_REGULAR, at("two/libplace.so")));
	assert_string_equal(guest_files_host_path(&files, at("one/../two/libplace.so")), at("two/libplace.so"));
}

static void other_machines_libraries_are_passed_over(void **state)
{
	_cleanup_(guest_files_deinit) struct guest_files files;
	char path[PATH_MAX];

	(void)state;
	make_library(at("one/libclass.so"), OPTIONS("-Wl,-soname,libclass.so"));
	make_library(at("wrong/libclass.so"), OPTIONS("-m64"));
	make_program(at("class"), OPTIONS(at("one/libclass.so")));
	snprintf(path, sizeof(path), "%s:%s;%s", at("wrong"), at("one"), at("two"));
	succeeds(at("class"), path, &files);
	assert_true(has(&files, GUEST_REGULAR, at("one/libclass.so")));
	assert_false(has(&files, GUEST_REGULAR, at("wrong/libclass.so")));
	/* What is no ELF file at all is an error, as it is to the loader. */
	make_file(at("two/libclass.so"), "INPUT(libclass.so.1)\n", 0700);

	struct guest_files none;
	char message[PATH_MAX];

	snprintf(message, sizeof(message), "%s is not a library", at("two/libclass.so"));
	check_error(guest_files_of_program(at("class"), at("two"), &none), ERROR_INPUT, message);
}

/* A library that is asked for by its name, by its path and by its soname is one. */
static void a_library_is_loaded_once(void **state)
{
	_cleanup_(guest_files_deinit) struct guest_files files;

	(void)state;
	make_library(at("one/libonce-1.2.so"), OPTIONS("-Wl,-soname,libonce.so.1"));
	symlink("libonce-1.2.so", at("one/libonce.so.1"));
	make_library(at("one/libpath.so"), OPTIONS("-nostartfiles")); /* no soname: needed by its path */
	make_library(at("one/libuser.so"),
		     OPTIONS("-Wl,-soname,libuser.so", at("one/libonce.so.1"), at("one/libpath.so")));
	make_program(at("once"), OPTIONS(at("one/libuser.so"), at("one/libpath.so"), at("one/libonce-1.2.so")));
	succeeds(at("once"), at("one"), &files);
	assert_true(has(&files, GUEST_REGULAR, at("one/libpath.so")));
	assert_string_equal(target_of(&files, at("one/libonce.so.1")), "libonce-1.2.so");
	assert_true(has(&files, GUEST_REGULAR, at("one/libonce-1.2.so")));
	assert_int_equal(count_regular(&files), 5); /* with the program and the loader */
}

static void scripts_bring_their_interpreters(void **state)
{
	_cleanup_(guest_files_deinit) struct guest_files files;
	char text[PATH_MAX];

	(void)state;
	make_program(at("shell"), OPTIONS("-static"));
	snprintf(text, sizeof(text), "#! \t%s  an argument\n", at("shell"));
	make_file(at("script"), text, 0700);
	snprintf(text, sizeof(text), "#!%s", at("script"));
	make_file(at("outer"), text, 0700);
	succeeds(at("outer"), NULL, &files);
	assert_int_equal(count_regular(&files), 3);
	assert_true(has(&files, GUEST_REGULAR, at("shell")));

	/* One that is its own interpreter has no end. */
	snprintf(text, sizeof(text), "#!%s\n", at("self"));
	make_file(at("self"), text, 0700);
	snprintf(text, sizeof(text), "%s cannot be executed: Too many levels of symbolic links", at("self"));
	fails(at("self"), ERROR_NOT_EXEC, text);
	make_file(at("lost"), "#!/nowhere/sh\n", 0700);
	snprintf(text, sizeof(text), "/nowhere/sh, the interpreter of %s, was not found", at("lost"));
	fails(at("lost"), ERROR_NOT_FOUND, text);
	make_file(at("nothing"), "#!\n", 0700);
	snprintf(text, sizeof(text), "%s is neither an ELF program nor a script", at("nothing"));
	fails(at("nothing"), ERROR_NOT_EXEC, text);
}

static void refuses_what_cannot_run(void **state)
{
	char text[PATH_MAX];

	(void)state;
	snprintf(text, sizeof(text), "%s: no such file", at("missing"));
	fails(at("missing"), ERROR_NOT_FOUND, text);
	snprintf(text, sizeof(text), "%s is not a program", root);
	fails(root, ERROR_NOT_EXEC, text);
	make_file(at("data"), "some words\n", 0600);
	snprintf(text, sizeof(text), "%s cannot be executed: Permission denied", at("data"));
	fails(at("data"), ERROR_NOT_EXEC, text);
	chmod(at("data"), 0700);
	snprintf(text, sizeof(text), "%s is neither an ELF program nor a script", at("data"));
	fails(at("data"), ERROR_NOT_EXEC, text);
	make_program(at("wide"), OPTIONS("-m64", "-static"));
	snprintf(text, sizeof(text), "%s is a 64-bit program: the guest is 32-bit; use -k live", at("wide"));
	fails(at("wide"), ERROR_NOT_EXEC, text);
	make_program(at("object"), OPTIONS("-r"));
	chmod(at("object"), 0700);
	snprintf(text, sizeof(text), "%s is an ELF file, but not a program", at("object"));
	fails(at("object"), ERROR_NOT_EXEC, text);
	make_program(at("noloader"), OPTIONS("-pie", "-Wl,-dynamic-linker,/nowhere/ld.so"));
	snprintf(text, sizeof(text),
		 "/nowhere/ld.so, the loader of %s, was not found: install the 32-bit C library (Debian: libc6-i386)",
		 at("noloader"));
	fails(at("noloader"), ERROR_NOT_FOUND, text);
}

/* --- damaged files: an answer, whatever it is, and nothing read that is not there --- */

static void read_whole(const char *path, struct buffer *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_return_code(fd, errno);
	assert_null(buffer_read_fd(bytes, fd));
	close(fd);
}

static void try_damaged(const void *bytes, size_t size)
{
	struct guest_files files;

	write_whole(at("damaged"), bytes, size);

	struct error *error = guest_files_of_program(at("damaged"), at("one"), &files);

	if (!error)
		guest_files_deinit(&files);
	error_destroy(error);
}

static void make_victim(struct buffer *bytes)
{
	make_library(at("one/libvictim.so"), OPTIONS("-Wl,-soname,libvictim.so"));
	make_program(at("victim"),
		     OPTIONS("-s", "-Wl,-z,noseparate-code", "-Wl,-rpath,$ORIGIN", at("one/libvictim.so")));
	read_whole(at("victim"), bytes);
}

static void survives_being_cut(void **state)
{
	_cleanup_(buffer_deinit) struct buffer bytes = {0};

	(void)state;
	make_victim(&bytes);
	for (size_t size = 0; size < bytes.size; size += size < 1024 ? 7 : 61)
		try_damaged(bytes.data, size);

	/* In the middle of what the header names. */
	char text[PATH_MAX];

	write_whole(at("damaged"), bytes.data, 60);
	snprintf(text, sizeof(text), "%s is a damaged ELF file", at("damaged"));
	fails(at("damaged"), ERROR_INPUT, text);
}

/* Each byte of the headers and of the dynamic section in turn, and noise. */
static void survives_noise(void **state)
{
	_cleanup_(buffer_deinit) struct buffer bytes = {0};
	unsigned random = 1;

	(void)state;
	make_victim(&bytes);
	for (unsigned round = 0; round < 1500; round++) {
		_cleanup_free_ char *copy = memory_alloc(bytes.size);

		memcpy(copy, bytes.data, bytes.size);
		for (unsigned i = 0; i < 1 + round % 4; i++) {
			random = random * 1103515245 + 12345;
			copy[(random >> 8) % (round % 2 ? 512 : bytes.size)] = (char)(random >> 24);
		}
		try_damaged(copy, bytes.size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXED(a_static_program_is_alone),
	    FIXED(a_plain_program_has_its_libraries),
	    FIXED(rpath_is_inherited_and_first),
	    FIXED(runpath_is_for_its_own_and_after_the_environment),
	    FIXED(origin_is_the_real_program),
	    FIXED(other_machines_libraries_are_passed_over),
	    FIXED(a_library_is_loaded_once),
	    FIXED(scripts_bring_their_interpreters),
	    FIXED(refuses_what_cannot_run),
	    FIXED(survives_being_cut),
	    FIXED(survives_noise),
	};

	return cmocka_run_group_tests_name("guest_program", tests, NULL, NULL);
}
