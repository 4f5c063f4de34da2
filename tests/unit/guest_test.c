/* kernel/guest.c: how a guest starts, from a kernel and from a snapshot, and how it fails. */
#include "tests/unit/guest_fixture.h"

#include <sys/prctl.h>

static struct error *refused(const struct guest_options *options, int payload, int timeout_ms, const struct log *log)
{
	struct guest *guest = NULL;
	struct error *error = guest_start(options, payload, timeout_ms, NULL, NULL, log, &guest);

	assert_non_null(error);
	assert_null(guest);
	return error;
}

static void damage(const char *directory, off_t at)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "printf X | dd of=$(echo %s/guest-*.snapshot) bs=1 seek=%lld conv=notrunc 2>&1", directory,
		 (long long)at);

	FILE *shell = popen(command, "r");

	assert_non_null(shell);
	while (fgetc(shell) != EOF)
		;
	assert_int_equal(pclose(shell), 0);
}

static void tells_of_missing_files(void **state)
{
	struct guest_options options = options_with(NULL);
	_cleanup_fd_ int payload = payload_of(static_fork, NULL);
	struct log none = {0};

	(void)state;
	options.kernel = "/no/such";

	struct error *error = refused(&options, payload, START_MS, &none);

	assert_int_equal(error->code, ERROR_NOT_FOUND);
	error_destroy(error);
	options.kernel = "/proc/self/exe";
	error = refused(&options, payload, START_MS, &none);
	assert_string_equal(error->message,
			    "/proc/self/exe is not a Linux kernel for x86 (bzImage), as the guest needs one");
	error_destroy(error);
	if (!kernel)
		return;
	options = options_with(NULL);
	options.qemu = "/no/qemu";
	error = refused(&options, payload, START_MS, &none);
	assert_string_equal(error->message, "QEMU was not found at /no/qemu");
	error_destroy(error);
}

/* Since 4.2, and before. */
static bool has_an_entry(const struct guest *guest)
{
	size_t size;
	const char *text = guest_kallsyms(guest, &size);

	return strstr(text, " entry_INT80_32\n") || strstr(text, " system_call\n");
}

static void boots_and_keeps_a_snapshot(void **state)
{
	struct guest_options options = options_with(cache);
	_cleanup_fd_ int payload = payload_of(static_fork, NULL);
	size_t size;

	(void)state;
	need_kernel();

	struct guest *guest = start(&options, payload);

	assert_false(guest_from_snapshot(guest));
	assert_true(has_an_entry(guest));
	assert_int_equal(guest_kallsyms(guest, &size)[size - 1], '\n');
	assert_memory_equal(guest_vdso(guest, &size), "\177ELF", 4);
	assert_true(size > 1024);
	guest_build_id(guest, &size);
	assert_int_equal(size, 20); /* Debian's kernels have one: a SHA-1 */
	assert_true(guest_exec_address(guest) > 0x08000000);
	assert_int_equal(strchr("23456", guest_release(guest)[0]) != NULL, 1);
	run_fork(guest);
	guest_destroy(guest);
}

static void restores_the_snapshot(void **state)
{
	struct guest_options options = options_with(cache);
	_cleanup_fd_ int payload = payload_of(dynamic_fork, NULL);
	int64_t begin = microseconds();
	size_t size;

	(void)state;
	need_kernel();

	struct guest *guest = start(&options, payload);

	assert_true(guest_from_snapshot(guest));
	assert_true(has_an_entry(guest));
	guest_build_id(guest, &size);
	assert_int_equal(size, 20);
	run_fork(guest);
	guest_destroy(guest);
	tell("a warm run of the dynamic test_fork", begin);
}

static void runs_two_at_once(void **state)
{
	struct guest_options options = options_with(cache);
	_cleanup_fd_ int payload = payload_of(static_fork, NULL);

	(void)state;
	need_kernel();

	struct guest *first = start(&options, payload), *second = start(&options, payload);

	assert_true(guest_from_snapshot(first) && guest_from_snapshot(second));
	run_fork(second);
	run_fork(first);
	guest_destroy(first);
	guest_destroy(second);
}

static void notices_that_qemu_was_killed(void **state)
{
	struct guest_options options = options_with(cache);
	char argument[] = "-";
	_cleanup_fd_ int payload = payload_of(echo, argument);

	(void)state;
	need_kernel();

	struct guest *guest = start(&options, payload);
	struct guest_message message;
	struct error *error = NULL;
	bool any = false;

	assert_int_equal(syscall(SYS_pidfd_send_signal, guest->qemu.pidfd, SIGKILL, NULL, 0), 0);
	while (!error) {
		wait_readable(guest);
		error = guest_receive(guest, &message, &any);
		assert_false(any);
	}
	assert_string_equal(error->message, "QEMU ended by itself");
	error_destroy(error);
	guest_destroy(guest);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* In the head, in the symbols, and far inside the stream. */
static void makes_a_damaged_snapshot_anew(void **state)
{
	static const off_t places[] = {9, 20 << 20};
	struct guest_options options = options_with(cache);
	_cleanup_fd_ int payload = payload_of(static_fork, NULL);

	(void)state;
	need_kernel();
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		damage(cache, places[i]);

		struct guest *guest = start(&options, payload);

		assert_false(guest_from_snapshot(guest));
		guest_destroy(guest);
	}

	struct guest *guest = start(&options, payload);

	assert_true(guest_from_snapshot(guest));
	guest_destroy(guest);
}

static void tells_of_a_panic(void **state)
{
	struct guest_options options = options_with(NULL);
	_cleanup_fd_ int payload = payload_of(static_fork, NULL);
	_cleanup_(buffer_deinit) struct buffer text = {0};
	struct log log = {write_log, &text};

	(void)state;
	need_kernel();
	options.append = "rdinit=/none";

	struct error *error = refused(&options, payload, START_MS, &log);

	/* The other one where there are no block devices (CONFIG_BLOCK). */
	assert_true(strstr(error->message, "the guest's kernel panicked: Kernel panic - not syncing: VFS") ||
		    strstr(error->message, "the guest's kernel panicked: Kernel panic - not syncing: No working init"));
	assert_non_null(strstr(error->message, "CONFIG_BLK_DEV_INITRD"));
	assert_non_null(strstr(text.data, "guest's console: "));
	error_destroy(error);
}

/* As one that was built without them. */
static void tells_of_a_kernel_without_symbols(void **state)
{
	struct guest_options options = options_with(cache);
	_cleanup_fd_ int payload = payload_of(static_fork, NULL);
	struct log none = {0};

	(void)state;
	need_kernel();
	options.append = "initcall_blacklist=kallsyms_init";

	struct error *error = refused(&options, payload, START_MS, &none);

	assert_string_equal(
	    error->message,
	    "the guest's kernel has no /proc/kallsyms: it must be built with CONFIG_KALLSYMS and CONFIG_PROC_FS");
	error_destroy(error);
}

/* A kernel for later processors says so to the BIOS alone, and halts. */
static void tells_of_silence(void **state)
{
	enum { PATIENCE_MS = 5000 };
	struct guest_options options = options_with(NULL);
	_cleanup_fd_ int payload = payload_of(static_fork, NULL);
	struct log none = {0};

	(void)state;
	need_kernel();
	options.cpu = "486";

	struct error *error = refused(&options, payload, PATIENCE_MS, &none);

	assert_non_null(
	    strstr(error->message, "the guest's kernel said nothing: no answer within 5 s; it needs a serial"));
	assert_int_equal(error->sys_errno, ETIMEDOUT);
	error_destroy(error);
}

static bool at_once(void *context)
{
	(void)context;
	return true;
}

static void can_be_interrupted(void **state)
{
	struct guest_options options = options_with(NULL);
	_cleanup_fd_ int payload = payload_of(static_fork, NULL);
	struct guest *guest = NULL;

	(void)state;
	need_kernel();

	struct error *error = guest_start(&options, payload, START_MS, at_once, NULL, NULL, &guest);

	assert_non_null(error);
	assert_int_equal(error->code, ERROR_GONE);
	error_destroy(error);
}

static void quotes_qemu(void **state)
{
	struct guest_options options = options_with(NULL);
	_cleanup_fd_ int payload = payload_of(static_fork, NULL);
	struct log none = {0};

	(void)state;
	need_kernel();
	options.cpu = "z80";

	struct error *error = refused(&options, payload, START_MS, &none);

	assert_non_null(strstr(error->message, "QEMU ended by itself: qemu-system-i386: "));
	assert_non_null(strstr(error->message, "z80"));
	error_destroy(error);
}

/* The kernel kills QEMU when who started it dies, however that was; it is then ours to reap. */
static void qemu_dies_with_its_starter(void **state)
{
	struct guest_options options = options_with(cache);
	_cleanup_fd_ int payload = payload_of(static_fork, NULL);
	int status;

	(void)state;
	need_kernel();
	prctl(PR_SET_CHILD_SUBREAPER, 1);

	pid_t starter = fork();

	if (starter == 0) {
		struct guest *guest = NULL;

		if (guest_start(&options, payload, START_MS, NULL, NULL, NULL, &guest))
			_exit(1);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(starter, &status, 0), starter);
	assert_true(WIFSIGNALED(status));
	assert_true(waitpid(-1, &status, 0) > 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tells_of_missing_files),
	    cmocka_unit_test(boots_and_keeps_a_snapshot),
	    cmocka_unit_test(restores_the_snapshot),
	    cmocka_unit_test(runs_two_at_once),
	    cmocka_unit_test(notices_that_qemu_was_killed),
	    cmocka_unit_test(makes_a_damaged_snapshot_anew),
	    cmocka_unit_test(tells_of_a_panic),
	    cmocka_unit_test(tells_of_a_kernel_without_symbols),
	    cmocka_unit_test(tells_of_silence),
	    cmocka_unit_test(can_be_interrupted),
	    cmocka_unit_test(quotes_qemu),
	    cmocka_unit_test(qemu_dies_with_its_starter),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
