/* kernel/live.c with fewer rights: what is missing is named, and the rest goes on. */
#include "kernel/live.h"

#include <linux/capability.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "kernel/kallsyms_reader.h"
#include "tests/unit/live_trace.h"
#include "tests/unit/skipping.h"
#include "tests/unit/slow_machine.h"

enum { REASON_SIZE = 256, TIME_LIMIT = 60, NOT_PERMITTED = 77 };

static struct string_pool *pool;
static const struct log silent;

/* What a live_kernel said in a process with other rights. */
struct report {
	char parent_reason[REASON_SIZE], child_reason[REASON_SIZE], kallsyms_reason[REASON_SIZE];
	bool traced, have_pcs, have_symbols;
	char stack_reason[REASON_SIZE];
};

static void copy_reason(char *copy, const char *reason)
{
	snprintf(copy, REASON_SIZE, "%s", reason ? reason : "");
}

/* Runs `act` in a process of its own; false where that could not set itself up. A failed assertion in it is one here.
 */
static bool report_from(bool (*act)(struct report *), struct report *report)
{
	int pipes[2], status;

	assert_int_equal(pipe(pipes), 0);

	pid_t pid = fork();

	if (pid == 0) {
		*report = (struct report){0};
		if (!act(report))
			_exit(NOT_PERMITTED);
		_exit(write(pipes[1], report, sizeof(*report)) == sizeof(*report) ? 0 : 1);
	}
	close(pipes[1]);

	ssize_t got = read(pipes[0], report, sizeof(*report));

	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NOT_PERMITTED)
		return false;
	assert_int_equal(status, 0);
	assert_int_equal(got, sizeof(*report));
	return true;
}

static void report_reasons(struct live_kernel *other, struct report *report)
{
	struct kallsyms_reader *reader = kallsyms_reader_create(NULL);

	copy_reason(report->parent_reason, live_kernel_parent_reason(other));
	copy_reason(report->child_reason, live_kernel_child_reason(other));
	copy_reason(report->kallsyms_reason, kallsyms_reader_reason(reader));
	kallsyms_reader_destroy(reader);
}

static bool act_as_nobody(struct report *report)
{
	enum { NOBODY = 65534 };

	if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		return false;

	struct live_kernel *other = live_kernel_create(pool, &silent, NULL);

	report_reasons(other, report);
	live_kernel_destroy(other);
	return true;
}

static void without_rights_the_reasons_name_the_knobs(void **state)
{
	struct report report;

	(void)state;
	assert_true(report_from(act_as_nobody, &report));
	assert_true(strstr(report.parent_reason, "tracefs") ||
		    strstr(report.parent_reason, "kernel.perf_event_paranoid"));
	assert_non_null(strstr(report.child_reason, "CAP_SYS_ADMIN"));
	/* kernel.kptr_restrict = 0 together with kernel.perf_event_paranoid <= 1 shows them to all. */
	if (report.kallsyms_reason[0])
		assert_non_null(strstr(report.kallsyms_reason, "kernel.kptr_restrict"));
}

/* tracefs mounted for this process alone, and of root's rights only those for perf and ptrace. */
static bool keep_perfmon(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
	    {.permitted = 1U << CAP_SYS_PTRACE, .effective = 1U << CAP_SYS_PTRACE},
	    {.permitted = 1U << (CAP_PERFMON - 32), .effective = 1U << (CAP_PERFMON - 32)}};

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	/* EBUSY: it is mounted there already. */
	if (mount("nodev", "/sys/kernel/tracing", "tracefs", 0, NULL) < 0 && errno != EBUSY)
		return false;
	return syscall(SYS_capset, &header, data) == 0;
}

static bool act_with_perfmon(struct report *report)
{
	__attribute__((cleanup(outcome_cleanup))) struct outcome outcome = {0};

	if (!keep_perfmon())
		return false;
	struct live_kernel *other = live_kernel_create(pool, &silent, NULL);

	report_reasons(other, report);
	trace(other, run_fork, &outcome);
	copy_reason(report->stack_reason, outcome.parent.reason);
	report->traced = outcome.forks == 1 && outcome.parent.stack;
	report->have_pcs = report->traced;
	for (size_t i = 0; report->traced && i < outcome.parent.stack->count; i++) {
		report->have_pcs = report->have_pcs && outcome.parent.stack->frames[i].pc != 0;
		report->have_symbols = report->have_symbols || outcome.parent.stack->frames[i].symbol;
	}
	live_kernel_destroy(other);
	return true;
}

static void without_symbols_the_addresses_stay(void **state)
{
	struct report report;

	(void)state;
	if (!report_from(act_with_perfmon, &report))
		skip_because("a mount namespace of its own is not permitted here");
	assert_non_null(strstr(report.child_reason, "CAP_SYS_ADMIN"));
	assert_true(report.traced);
	assert_true(report.have_pcs);
	assert_int_equal(report.have_symbols, report.kallsyms_reason[0] == '\0');
	assert_string_equal(report.stack_reason, report.kallsyms_reason);
	assert_string_equal(report.parent_reason, report.kallsyms_reason);
}

static int set_up(void **state)
{
	(void)state;
	pool = string_pool_create();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	string_pool_destroy(pool);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_rights_the_reasons_name_the_knobs),
	    cmocka_unit_test(without_symbols_the_addresses_stay),
	};

	alarm((unsigned)with_patience(TIME_LIMIT)); /* a tracee that is left in a stop would keep the test for ever */
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
