/* Records that are read again: every kind of event comes back as it was, and what is wrong is named with its place. */
#include "ui_fixture.h"

#include <errno.h>

#include "ui/record/reader.h"

static const char *const command[] = {"/t/test_fork", "\xff\xfe", "", NULL};

/* Sends one event of each kind, and of each variant that is told in a way of its own. */
static void send_all(struct capture_report *capture)
{
	struct fork_record host = fork_record_make(), guest = fork_record_make(), bare = fork_record_make();
	struct task_name task = task_named(4712, "a b\x1b[31m\xff");
	struct task_name bytes = {.pid = 4713, .tid = 4714, .comm = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
	struct error error = {ERROR_DENIED, EPERM, (char *)"4712", (char *)"no, \"never\""};
	struct error own = {ERROR_NOT_FOUND, 0, NULL, (char *)"nothing"};
	struct fork_failed failed = {.call = host.call,
				     .entry = ENTRY_INT80,
				     .restarts = 2,
				     .error_number = EAGAIN,
				     .parent = host.parent.task,
				     .frames = host.parent.frames};

	guest.kernel.source = KERNEL_SOURCE_GUEST;
	guest.kernel.walk = fork_walk_make();
	guest.kernel.parent_frames->reason = "the stack is not to be trusted there";
	guest.kernel.child_frames->truncated = true;
	guest.call.flags |= 1ULL << 45 | 1ULL << 46;
	guest.call.child_stack = 0xffffffffffffff00;
	guest.call.exit_signal = 77;
	guest.untraced = guest.thread = true;
	guest.order = ORDER_CHILD_FIRST;
	guest.restarts = 3;
	guest.parent.frames->truncated = true;
	stack_unref(bare.parent.frames);
	stack_unref(bare.child.frames);
	bare.parent.frames = NULL;
	bare.child.frames = stack_create(0);
	bare.child.frames->reason = "nothing is mapped there";
	bare.child.ret_known = false;
	bare.child.ret_reason = "it was killed";
	bare.child.ret_ns = 0;
	bare.parent.ret = INT64_MIN;
	bare.call = (struct fork_call){.abi = ABI_X32};
	bare.entry = ENTRY_UNKNOWN;
	bare.entry_certain = false;
	bare.kernel.source = KERNEL_SOURCE_NONE;
	bare.kernel.release = NULL;
	bare.kernel.reason = "not asked for";

	const struct event events[] = {
	    {.kind = EVENT_START,
	     .seq = 1,
	     .start = {{1700000000, 5}, true, "localhost:1234", command, "6.1", "i686", "9.9"}},
	    {.kind = EVENT_START, .seq = 2, .start = {{0, 999999999}, false, NULL, NULL, NULL, NULL, "0"}},
	    {.kind = EVENT_ATTACH, .seq = 3, .task = task},
	    {.kind = EVENT_EXEC, .seq = 4, .task = task, .exec = {"/t/\xff", ABI_UNKNOWN, ABI_I386, 0}},
	    {.kind = EVENT_EXEC, .seq = 5, .task = bytes, .exec = {NULL, ABI_X86_64, ABI_UNKNOWN, 4714}},
	    {.kind = EVENT_FORK, .seq = 6, .time_ns = INT64_MAX, .fork = &host},
	    {.kind = EVENT_FORK, .seq = 7, .fork = &guest},
	    {.kind = EVENT_FORK, .seq = 8, .fork = &bare},
	    {.kind = EVENT_FORK_FAILED, .seq = 9, .fork_failed = &failed},
	    {.kind = EVENT_SIGNAL, .seq = 10, .task = task, .signal = {SIGCHLD, -6, 4711, false}},
	    {.kind = EVENT_SIGNAL, .seq = 11, .task = task, .signal = {40, 0, 0, true}},
	    {.kind = EVENT_EXIT, .seq = 12, .task = bytes, .exit = {false, 255, false, true, false}},
	    {.kind = EVENT_EXIT, .seq = 13, .task = task, .exit = {true, SIGSEGV, true, false, true}},
	    {.kind = EVENT_DETACH, .seq = 14, .task = bytes, .detach = {"--follow=first"}},
	    {.kind = EVENT_DETACH, .seq = 15, .task = task, .detach = {NULL}},
	    {.kind = EVENT_ERROR, .seq = 16, .task = task, .error = &error},
	    {.kind = EVENT_ERROR, .seq = 17, .error = &own},
	    {.kind = EVENT_END, .seq = 18, .end = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, -1}},
	};

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		capture_send(capture, &events[i]);
	fork_record_drop(&host);
	fork_record_drop(&guest);
	fork_record_drop(&bare);
}

struct reading {
	struct record_reader reader;
	int fd;
	struct error *error;
};

/* Reads `text` into the report of `capture`. */
static void read_text(struct reading *reading, const char *text, size_t size, struct capture_report *capture)
{
	*reading = (struct reading){.fd = memfd_create("record", MFD_CLOEXEC)};
	assert_true(write(reading->fd, text, size) == (ssize_t)size && lseek(reading->fd, 0, SEEK_SET) == 0);
	record_reader_init(&reading->reader, reading->fd);
	while (record_reader_step(&reading->reader, &capture->report->sink, &reading->error))
		continue;
}

static void reading_end(struct reading *reading)
{
	record_reader_deinit(&reading->reader);
	close(reading->fd);
	error_destroy(reading->error);
}

/* The events in `format` by way of JSON, and without it. */
static void expect_same(const char *format, int verbosity)
{
	const struct report_options options = {.verbosity = verbosity};
	struct capture_report record, direct, again;
	struct reading reading;

	capture_open(&record, "json", &options);
	capture_open(&direct, format, &options);
	capture_open(&again, format, &options);
	send_all(&record);
	send_all(&direct);
	capture_text(&record);
	read_text(&reading, record.text.data, record.text.size, &again);
	assert_null(reading.error);
	assert_int_equal(reading.reader.tally.first_lost, 0);
	assert_true(reading.reader.tally.ended);
	assert_string_equal(capture_text(&again), capture_text(&direct));
	reading_end(&reading);
	capture_close(&record);
	capture_close(&direct);
	capture_close(&again);
}

static void test_json_comes_back(void **state)
{
	(void)state;
	expect_same("json", 0);
}

/* Bytes that are not UTF-8 are all that JSON loses: a text report spells them. */
static void test_text_comes_back(void **state)
{
	const struct report_options options = {.verbosity = 2};
	struct capture_report record, direct, again;
	struct reading reading;
	struct fork_record fork = fork_record_make();
	struct event event = {.kind = EVENT_FORK, .seq = 1, .time_ns = 5, .fork = &fork};

	(void)state;
	require_utf8();
	fork.kernel.source = KERNEL_SOURCE_GUEST;
	fork.kernel.walk = fork_walk_make();
	fork.kernel.parent_frames->reason = "the stack is not to be trusted there";
	for (int verbosity = 0; verbosity <= 2; verbosity++) {
		capture_open(&record, "json", &options);
		capture_open(&direct, "text", &(struct report_options){.verbosity = verbosity});
		capture_open(&again, "text", &(struct report_options){.verbosity = verbosity});
		capture_send(&record, &event);
		capture_send(&direct, &event);
		capture_text(&record);
		read_text(&reading, record.text.data, record.text.size, &again);
		assert_string_equal(capture_text(&again), capture_text(&direct));
		reading_end(&reading);
		capture_close(&record);
		capture_close(&direct);
		capture_close(&again);
	}
	fork_record_drop(&fork);
}

#define TASK "\"pid\":1,\"tid\":1,\"ns_pid\":1,\"comm\":\"c\","
#define EXIT(members)                                                                                                  \
	"{\"event\":\"exit\",\"seq\":1,\"time_ns\":0," TASK members                                                    \
	"\"core_dumped\":false,\"thread\":false,\"root\":true}\n"
#define GOOD EXIT("\"status\":0,\"signal\":null,")

struct wrong {
	const char *line, *reason;
};

static const struct wrong wrongs[] = {
    {"x\n", "it is not JSON at byte 1"},
    {"{\"event\":\"exit\",\"se\n", "it is cut off in the middle"},
    {"[]\n", "it is no object"},
    {"7\n", "it is no object"},
    {"{}\n", "event is missing"},
    {"{\"event\":7}\n", "event is an integer, not a string"},
    {"{\"event\":\"teleport\",\"seq\":1,\"time_ns\":0}\n", "event is 'teleport', which this version does not know"},
    {"{\"event\":\"exit\",\"seq\":0,\"time_ns\":0}\n", "seq is 0, which cannot be"},
    {"{\"event\":\"exit\",\"seq\":1.5,\"time_ns\":0}\n", "seq is a fraction, not an integer"},
    {"{\"event\":\"exit\",\"seq\":1,\"time_ns\":99999999999999999999}\n",
     "it has a number that is too big, at byte 54"},
    {"{\"event\":\"exit\",\"seq\":1,\"time_ns\":0,\"pid\":4294967296}\n", "pid is 4294967296, which cannot be"},
    {"{\"event\":\"attach\",\"seq\":1,\"time_ns\":0}\n", "pid is missing"},
    {"{\"event\":\"attach\",\"seq\":1,\"time_ns\":0,\"pid\":1,\"comm\":\"0123456789abcdef\"}\n",
     "comm is longer than a name can be"},
    {"{\"event\":\"attach\",\"seq\":1,\"time_ns\":0,\"pid\":1,\"comm\":\"a\\u0000b\"}\n",
     "it has a NUL character in a text"},
    {EXIT("\"status\":null,\"signal\":null,"), "status and signal are both missing"},
    {EXIT("\"status\":null,\"signal\":\"SIGNAL\","), "signal is 'SIGNAL', which is no signal"},
    {EXIT("\"status\":256,\"signal\":null,"), "status is 256, which cannot be"},
    {"{\"event\":\"fork\",\"seq\":1,\"time_ns\":0,\"kind\":\"fork\",\"syscall\":\"fork\",\"syscall_nr\":57,"
     "\"abi\":\"x86_64\",\"entry\":\"syscall\",\"entry_certain\":true,\"flags\":[\"CLONE_VM\",\"CLONE_X\"]}\n",
     "flags hold 'CLONE_X', which is no flag"},
    {"{\"event\":\"fork\",\"seq\":1,\"time_ns\":0,\"kind\":\"fork\",\"syscall\":\"fork\",\"syscall_nr\":57,"
     "\"abi\":\"x86_64\",\"entry\":\"syscall\",\"entry_certain\":true,\"thread\":false,\"untraced\":false,"
     "\"order\":\"parent-first\",\"restarts\":0,\"parent\":{" TASK
     "\"frames_truncated\":false,\"frames\":[{\"pc\":\"0x1\",\"inlined\":false,\"method\":\"dwarf\","
     "\"certain\":true},{\"pc\":\"nowhere\"}]}}\n",
     "parent.frames[1].pc is 'nowhere', which is no address"},
    {"{\"event\":\"fork\",\"seq\":1,\"time_ns\":0,\"kind\":\"fork\",\"syscall\":\"fork\",\"syscall_nr\":57,"
     "\"abi\":\"x86_64\",\"entry\":\"syscall\",\"entry_certain\":true,\"thread\":false,\"untraced\":false,"
     "\"order\":\"parent-first\",\"restarts\":0,\"parent\":{" TASK "\"frames\":[true]}}\n",
     "parent.frames[0] is a boolean, not an object"},
    {"{\"event\":\"fork-failed\",\"seq\":1,\"time_ns\":0,\"syscall\":\"execve\"}\n",
     "syscall is 'execve', which this version does not know"},
};

/* What stands before and behind a wrong line is shown all the same. */
static void test_wrong_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		_cleanup_(buffer_deinit) struct buffer text = {0};
		struct capture_report again;
		struct reading reading;

		buffer_printf(&text, GOOD "\n%s" GOOD, wrongs[i].line);
		capture_open(&again, "json", &(struct report_options){0});
		read_text(&reading, text.data, text.size, &again);
		assert_null(reading.error);
		assert_string_equal(reading.reader.tally.reason.data, wrongs[i].reason);
		assert_int_equal(reading.reader.tally.first_lost, 3);
		assert_int_equal(reading.reader.tally.lines, 3);
		assert_int_equal(reading.reader.tally.events, 2);
		assert_string_equal(capture_text(&again), GOOD GOOD);
		reading_end(&reading);
		capture_close(&again);
	}
}

/* What a newer version added is passed over; what an older one lacks is null. */
static void test_other_versions(void **state)
{
	static const char newer[] = EXIT("\"status\":0,\"signal\":null,\"injected\":{\"deep\":[1,2]},");
	static const char older[] =
	    "{\"event\":\"attach\",\"seq\":1,\"time_ns\":0,\"pid\":1,\"tid\":1,\"comm\":\"c\"}\n";
	struct capture_report again;
	struct reading reading;

	(void)state;
	capture_open(&again, "json", &(struct report_options){0});
	read_text(&reading, newer, sizeof(newer) - 1, &again);
	assert_string_equal(capture_text(&again), GOOD);
	reading_end(&reading);
	read_text(&reading, older, sizeof(older) - 1, &again);
	assert_int_equal(reading.reader.tally.events, 1);
	assert_non_null(strstr(capture_text(&again), "\"ns_pid\":null"));
	reading_end(&reading);
	capture_close(&again);
}

/* Wherever a record is cut: all whole lines are shown, and the piece is named. */
static void test_cut_anywhere(void **state)
{
	struct capture_report record;

	(void)state;
	capture_open(&record, "json", &(struct report_options){0});
	send_all(&record);
	capture_text(&record);
	for (size_t size = 0; size < record.text.size; size += 7) {
		struct capture_report again;
		struct reading reading;
		size_t whole = size;

		while (whole > 0 && record.text.data[whole - 1] != '\n')
			whole--;
		capture_open(&again, "json", &(struct report_options){0});
		read_text(&reading, record.text.data, size, &again);
		assert_memory_equal(capture_text(&again), record.text.data, whole);
		if (reading.reader.tally.first_lost) {
			assert_int_equal(again.text.size, whole);
			assert_string_equal(reading.reader.tally.reason.data, "it is cut off in the middle");
		}
		reading_end(&reading);
		capture_close(&again);
	}
	capture_close(&record);
}

/* Each event is there once its line is. */
static void test_follows_a_pipe(void **state)
{
	struct capture_report again;
	struct record_reader reader;
	struct error *error;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	capture_open(&again, "json", &(struct report_options){0});
	record_reader_init(&reader, ends[0]);
	for (int i = 0; i < 3; i++) {
		assert_true(write(ends[1], GOOD, sizeof(GOOD) - 1) > 0);
		assert_true(record_reader_step(&reader, &again.report->sink, &error));
		assert_int_equal(reader.tally.events, i + 1);
		assert_int_equal(strlen(capture_text(&again)), (size_t)(i + 1) * (sizeof(GOOD) - 1));
	}
	close(ends[1]);
	assert_false(record_reader_step(&reader, &again.report->sink, &error));
	assert_null(error);
	record_reader_deinit(&reader);
	close(ends[0]);
	capture_close(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_json_comes_back), cmocka_unit_test(test_text_comes_back),
	    cmocka_unit_test(test_wrong_lines),     cmocka_unit_test(test_other_versions),
	    cmocka_unit_test(test_cut_anywhere),    cmocka_unit_test(test_follows_a_pipe),
	};

	return cmocka_run_group_tests_name("ui_record", tests, NULL, NULL);
}
