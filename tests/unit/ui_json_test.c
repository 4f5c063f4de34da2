/* The JSON report: every line is read again by jansson and compared with the event. */
#include "ui_fixture.h"

#include <errno.h>
#include <jansson.h>

#include "ui/report/json_frames.h"
#include "ui/report/json_text.h"

static const struct report_options options = {.color = true, .verbosity = -1}; /* both of no effect */

/* The one line that a report of `event` is, parsed; owned by the caller. */
static json_t *report_of(const struct event *event)
{
	struct capture_report capture;
	json_error_t error;
	json_t *object;

	capture_open(&capture, "json", &options);
	capture_send(&capture, event);
	capture_text(&capture);
	assert_true(capture.text.size > 0);
	assert_int_equal(capture.text.data[capture.text.size - 1], '\n');
	assert_ptr_equal(strchr(capture.text.data, '\n'), capture.text.data + capture.text.size - 1);
	for (size_t i = 0; i + 1 < capture.text.size; i++)
		assert_in_range(capture.text.data[i], ' ', 0x7f);
	object = json_loads(capture.text.data, JSON_REJECT_DUPLICATES, &error);
	if (!object)
		fail_msg("%s: %s", error.text, capture.text.data);
	capture_close(&capture);
	return object;
}

/* Checks that the report of `event` equals `expected`, JSON with ' for ". */
static void expect_report(const struct event *event, const char *expected)
{
	_cleanup_free_ char *quoted = memory_strdup(expected);
	json_error_t error;
	json_t *wanted;
	json_t *object = report_of(event);

	for (char *quote = quoted; (quote = strchr(quote, '\''));)
		*quote = '"';
	wanted = json_loads(quoted, JSON_REJECT_DUPLICATES, &error);
	if (!wanted)
		fail_msg("%s in %s", error.text, quoted);
	if (!json_equal(wanted, object)) {
		_cleanup_free_ char *got = json_dumps(object, JSON_INDENT(1));

		fail_msg("got %s", got);
	}
	json_decref(wanted);
	json_decref(object);
}

#define CALL                                                                                                           \
	"'syscall': 'clone', 'syscall_nr': 120, 'abi': 'i386', 'entry': 'sysenter', 'entry_certain': true,"            \
	"'flags': ['CLONE_CHILD_CLEARTID', 'CLONE_CHILD_SETTID'], 'exit_signal': 'SIGCHLD', 'child_stack': null,"      \
	"'thread': false, 'restarts': 0,"
#define NOT_INJECTED "'injected': false, 'delay_ns': null,"
#define USER_FRAME                                                                                                     \
	"{'pc': '0x56556280', 'symbol': 'main', 'offset': 82, 'module': '/t/test_fork', 'build_id': 'ab',"             \
	" 'file': '/t/m.c', 'line': 21, 'inlined': true, 'method': 'frame-pointer', 'certain': false}"
#define BARE_FRAME                                                                                                     \
	"{'pc': null, 'symbol': null, 'offset': null, 'module': null, 'build_id': null,"                               \
	" 'file': null, 'line': null, 'inlined': false, 'method': 'proc-stack', 'certain': true}"

static const struct frame user_frame = {0x56556280, "main", 82,   "/t/test_fork", "ab",
					"/t/m.c",   21,     true, false,          METHOD_FRAME_POINTER};
static const struct frame bare_frame = {.method = METHOD_PROC_STACK, .certain = true};

static void test_fork(void **state)
{
	struct fork_record record = fork_record_make();
	struct event event = {.kind = EVENT_FORK, .seq = 3, .time_ns = 1204000, .fork = &record};

	(void)state;
	fork_record_drop(&record);
	record.parent.frames = stack_of(&user_frame, 1);
	record.parent.frames->truncated = true;
	record.child.frames = NULL;
	record.child.ret_known = false;
	record.child.ret_reason = "it was killed";
	record.child.task.ns_pid = 0;
	record.kernel.reason = "no CAP_SYS_ADMIN";
	record.kernel.parent_frames = stack_of(&bare_frame, 1);
	record.kernel.parent_frames->reason = "not told";
	record.kernel.child_frames = NULL;
	expect_report(&event, "{'event': 'fork', 'seq': 3, 'time_ns': 1204000, 'kind': 'fork'," CALL NOT_INJECTED
			      "'untraced': false, 'order': 'parent-first',"
			      "'parent': {'pid': 4711, 'tid': 4711, 'ns_pid': 4711, 'comm': 'test_fork', 'ret': 4712,"
			      " 'ret_from': 'syscall-exit', 'ret_reason': null, 'ret_ns': 48000,"
			      " 'frames_truncated': true, 'frames_reason': null, 'frames': [" USER_FRAME "]},"
			      "'child': {'pid': 4712, 'tid': 4712, 'ns_pid': null, 'comm': 'test_fork', 'ret': null,"
			      " 'ret_from': null, 'ret_reason': 'it was killed', 'ret_ns': null,"
			      " 'frames_truncated': false, 'frames_reason': null, 'frames': null},"
			      "'kernel': {'source': 'live', 'release': '6.18.0-1-amd64', 'reason': 'no CAP_SYS_ADMIN',"
			      " 'walk': null, 'parent_frames_truncated': false, 'parent_frames_reason': 'not told',"
			      " 'parent_frames': [" BARE_FRAME "], 'child_frames_truncated': false,"
			      " 'child_frames_reason': null, 'child_frames': null}}");
	fork_record_drop(&record);
}

static void expect_text(const json_t *object, const char *key, const char *expected)
{
	const json_t *value = json_object_get(object, key);

	assert_non_null(value);
	if (expected)
		assert_string_equal(json_string_value(value), expected);
	else
		assert_true(json_is_null(value));
}

/* Every stage, in the order observed, with the names that fit the call alone. */
static void test_walk(void **state)
{
	struct fork_record record = fork_record_make();
	struct event event = {.kind = EVENT_FORK, .seq = 3, .fork = &record};
	const json_t *walk, *step, *others;
	json_t *object;

	(void)state;
	record.kernel.source = KERNEL_SOURCE_GUEST;
	record.kernel.walk = fork_walk_make();
	object = report_of(&event);
	walk = json_object_get(json_object_get(object, "kernel"), "walk");
	assert_int_equal(json_array_size(walk), STAGE_COUNT);
	step = json_array_get(walk, 4);
	expect_text(step, "stage", "handler");
	expect_text(step, "function", "__ia32_sys_clone");
	expect_text(step, "reason", NULL);
	expect_text(step, "address", "0xc5064c12");
	expect_text(step, "observed", "stack");
	expect_text(step, "process", "parent");
	expect_text(step, "note", stage_info(STAGE_HANDLER)->note);
	assert_true(json_is_null(json_object_get(step, "vtime_ns")));
	others = json_object_get(step, "other_names");
	assert_int_equal(json_array_size(others), 2);
	assert_string_equal(json_string_value(json_array_get(others, 0)), "sys_clone");
	step = json_array_get(walk, 6);
	expect_text(step, "file", "kernel/fork.c");
	assert_int_equal(json_integer_value(json_object_get(step, "line")), 2101);
	expect_text(step, "observed", "breakpoint");
	assert_int_equal(json_integer_value(json_object_get(step, "vtime_ns")), 140000);
	assert_int_equal(json_array_size(json_object_get(step, "other_names")), 0); /* .part.0 is the compiler's */
	step = json_array_get(walk, 9);
	expect_text(step, "file", NULL);
	assert_true(json_is_null(json_object_get(step, "line")));
	expect_text(step, "process", "child");
	assert_int_equal(json_array_size(json_object_get(step, "other_names")), 0);
	step = json_array_get(walk, 10);
	expect_text(step, "stage", "child-first");
	expect_text(step, "function", NULL);
	expect_text(step, "reason", "this kernel's symbols have no ret_from_fork");
	expect_text(step, "address", NULL);
	expect_text(step, "observed", NULL);
	assert_int_equal(json_array_size(json_object_get(step, "other_names")), 2);
	json_decref(object);
	fork_record_drop(&record);
}

/* Names for what has one, "0x…" for the bits that have none, null for what is not known. */
static void test_call(void **state)
{
	struct fork_record record = fork_record_make();
	struct event event = {.kind = EVENT_FORK, .seq = 3, .fork = &record};
	json_t *object;

	(void)state;
	record.kind = FORK_KIND_VFORK;
	record.thread = true;
	record.untraced = true;
	record.order = ORDER_CHILD_FIRST;
	record.restarts = 2;
	record.entry = ENTRY_SYSCALL;
	record.entry_certain = false;
	record.call = (struct fork_call){.syscall = FORK_SYSCALL_CLONE3,
					 .abi = ABI_X86_64,
					 .number = 435,
					 .flags = 0x100 | UINT64_C(1) << 63,
					 .child_stack = 0xfffffffffffffff0,
					 .flags_known = true};
	record.child.ret = -11;
	object = report_of(&event);
	assert_string_equal(json_string_value(json_object_get(object, "kind")), "vfork");
	assert_true(json_is_true(json_object_get(object, "thread")));
	assert_true(json_is_true(json_object_get(object, "untraced")));
	assert_true(json_is_false(json_object_get(object, "entry_certain")));
	assert_string_equal(json_string_value(json_object_get(object, "order")), "child-first");
	assert_int_equal(json_integer_value(json_object_get(object, "restarts")), 2);
	assert_string_equal(json_string_value(json_object_get(object, "child_stack")), "0xfffffffffffffff0");
	assert_true(json_is_null(json_object_get(object, "exit_signal")));
	assert_int_equal(json_array_size(json_object_get(object, "flags")), 2);
	assert_string_equal(json_string_value(json_array_get(json_object_get(object, "flags"), 0)), "CLONE_VM");
	assert_string_equal(json_string_value(json_array_get(json_object_get(object, "flags"), 1)),
			    "0x8000000000000000");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "child"), "ret")), -11);
	json_decref(object);

	record.call = (struct fork_call){0};
	object = report_of(&event);
	assert_true(json_is_null(json_object_get(object, "syscall")));
	assert_true(json_is_null(json_object_get(object, "syscall_nr")));
	assert_true(json_is_null(json_object_get(object, "flags")));
	json_decref(object);
	fork_record_drop(&record);
}

static void test_fork_failed(void **state)
{
	struct fork_record record = fork_record_make();
	struct stack *stack = stack_of(&user_frame, 1);
	struct fork_failed failed = {.call = record.call,
				     .entry = ENTRY_SYSENTER,
				     .entry_certain = true,
				     .error_number = EAGAIN,
				     .injected = true,
				     .delay_ns = 7,
				     .parent = record.parent.task,
				     .frames = stack};
	struct event event = {.kind = EVENT_FORK_FAILED, .seq = 9, .time_ns = 5, .fork_failed = &failed};

	(void)state;
	stack->reason = "no more";
	expect_report(&event, "{'event': 'fork-failed', 'seq': 9, 'time_ns': 5," CALL
			      "'injected': true, 'delay_ns': 7, 'errno': 'EAGAIN', 'errno_nr': 11,"
			      "'parent': {'pid': 4711, 'tid': 4711, 'ns_pid': 4711, 'comm': 'test_fork',"
			      " 'frames_truncated': false, 'frames_reason': 'no more', 'frames': [" USER_FRAME "]}}");
	stack_unref(stack);
	fork_record_drop(&record);
}

static void test_start_end(void **state)
{
	static const char *const command[] = {"sh", "-c", "ls\n", NULL};
	struct event start = {.kind = EVENT_START,
			      .seq = 1,
			      .start = {.wall_clock = {1700000000, 123},
					.command = command,
					.kernel_release = "6.18",
					.kernel_machine = "x86_64",
					.version = "0.1.0"}};
	struct event end = {.kind = EVENT_END, .seq = 2, .time_ns = 7, .end = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}};

	(void)state;
	expect_report(&start, "{'event': 'start', 'seq': 1, 'time_ns': 0, 'wall_clock': "
			      "'2023-11-14T22:13:20.000000123Z', 'source': 'host', 'stub': null,"
			      "'command': ['sh', '-c', 'ls\\n'],"
			      "'kernel': {'release': '6.18', 'machine': 'x86_64'}, 'version': '0.1.0', 'schema': 1}");
	/* A guest of somebody else's. */
	start.start = (typeof(start.start)){
	    .wall_clock = {1700000000, 123}, .guest = true, .stub = "localhost:1234", .version = "0.1.0"};
	expect_report(&start, "{'event': 'start', 'seq': 1, 'time_ns': 0, 'wall_clock': "
			      "'2023-11-14T22:13:20.000000123Z', 'source': 'guest', 'stub': 'localhost:1234',"
			      "'command': null, 'kernel': {'release': null, 'machine': null}, 'version': '0.1.0',"
			      "'schema': 1}");
	expect_report(&end, "{'event': 'end', 'seq': 2, 'time_ns': 7, 'forks': 1, 'vforks': 2, 'clones': 3,"
			    "'threads': 4, 'failed': 5, 'execs': 6, 'exits': 7, 'signals': 8, 'errors': 9,"
			    "'lost_samples': 10, 'exit_status': 11}");
}

#define SHELL "'pid': 5, 'tid': 5, 'ns_pid': 5, 'comm': 'sh',"

static void test_other_events(void **state)
{
	struct task_name sh = task_named(5, "sh");
	struct error error = {ERROR_DENIED, EPERM, (char[]){"5"}, (char[]){"not permitted"}};

	(void)state;
	expect_report(&(struct event){.kind = EVENT_EXEC, .seq = 2, .task = sh, .exec = {"/bin/sh", 0, ABI_I386, 0}},
		      "{'event': 'exec', 'seq': 2, 'time_ns': 0," SHELL "'path': '/bin/sh', 'old_abi': null,"
		      "'new_abi': 'i386', 'former_tid': null}");
	expect_report(
	    &(struct event){.kind = EVENT_EXEC, .seq = 2, .task = sh, .exec = {NULL, ABI_I386, ABI_X86_64, 6}},
	    "{'event': 'exec', 'seq': 2, 'time_ns': 0," SHELL "'path': null, 'old_abi': 'i386',"
	    "'new_abi': 'x86_64', 'former_tid': 6}");
	expect_report(&(struct event){.kind = EVENT_EXIT, .seq = 2, .task = sh, .exit = {.status = 3, .root = true}},
		      "{'event': 'exit', 'seq': 2, 'time_ns': 0," SHELL "'status': 3, 'signal': null,"
		      "'core_dumped': false, 'thread': false, 'root': true}");
	expect_report(
	    &(struct event){.kind = EVENT_EXIT,
			    .seq = 2,
			    .task = sh,
			    .exit = {.signaled = true, .status = SIGSEGV, .core_dumped = true, .thread = true}},
	    "{'event': 'exit', 'seq': 2, 'time_ns': 0," SHELL "'status': null, 'signal': 'SIGSEGV',"
	    "'core_dumped': true, 'thread': true, 'root': false}");
	expect_report(&(struct event){.kind = EVENT_SIGNAL, .seq = 2, .task = sh, .signal = {SIGUSR1, -6, 9, false}},
		      "{'event': 'signal', 'seq': 2, 'time_ns': 0," SHELL "'signal': 'SIGUSR1', 'signal_nr': 10,"
		      "'code': -6, 'sender': 9, 'stop': false}");
	expect_report(&(struct event){.kind = EVENT_ATTACH, .seq = 2, .task = sh},
		      "{'event': 'attach', 'seq': 2, 'time_ns': 0, 'pid': 5, 'tid': 5, 'ns_pid': 5, 'comm': 'sh'}");
	expect_report(&(struct event){.kind = EVENT_DETACH, .seq = 2, .task = sh, .detach = {"requested"}},
		      "{'event': 'detach', 'seq': 2, 'time_ns': 0," SHELL "'reason': 'requested'}");
	expect_report(&(struct event){.kind = EVENT_ERROR, .seq = 2, .task = sh, .error = &error},
		      "{'event': 'error', 'seq': 2, 'time_ns': 0," SHELL "'code': 'denied', 'errno': 'EPERM',"
		      "'object': '5', 'message': 'not permitted'}");
	error.sys_errno = 0;
	error.object = NULL;
	expect_report(&(struct event){.kind = EVENT_ERROR, .seq = 2, .error = &error},
		      "{'event': 'error', 'seq': 2, 'time_ns': 0, 'pid': null, 'tid': null, 'ns_pid': null,"
		      "'comm': null, 'code': 'denied', 'errno': null, 'object': null, 'message': 'not permitted'}");
}

/* Whatever bytes a name holds, the line is ASCII (report_of checks that), and each bad byte one U+FFFD. */
static void test_hostile(void **state)
{
	static const struct {
		const char *text, *parsed;
	} names[] = {
	    {"a\033[2J\n\"\\\x7f", "a\033[2J\n\"\\\x7f"},
	    {"\u4e2d\u202e\u202c\U0001f600", "\u4e2d\u202e\u202c\U0001f600"},
	    {"a\xff\xfe"
	     "b",
	     "a\ufffd\ufffdb"},
	    {"\xe4\xb8", "\ufffd\ufffd"},
	    {"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},
	    {"\xc0\x80", "\ufffd\ufffd"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct event event = {.kind = EVENT_EXEC, .seq = 1, .task = task_named(5, names[i].text)};

		event.exec.path = names[i].text;
		event.exec.new_abi = ABI_I386;

		json_t *object = report_of(&event);

		assert_string_equal(json_string_value(json_object_get(object, "path")), names[i].parsed);
		assert_string_equal(json_string_value(json_object_get(object, "comm")), names[i].parsed);
		json_decref(object);
	}
}

static void test_frames_cache(void **state)
{
	struct frames_cache cache = {0};
	struct stack *first = fork_stack();
	const struct buffer *text = frames_cache_text(&cache, first);
	_cleanup_free_ char *spelled = memory_strdup(text->data);

	(void)state;
	assert_ptr_equal(frames_cache_text(&cache, first), text);
	/* As long as it is used again and again it stays; what is not goes. */
	for (int i = 0; i < 4 * FRAMES_CACHE_STACKS; i++) {
		struct stack *other = kernel_stack();

		frames_cache_text(&cache, other);
		assert_ptr_equal(frames_cache_text(&cache, first), text);
		stack_unref(other);
	}
	assert_string_equal(text->data, spelled);
	assert_int_equal(cache.by_id.count, FRAMES_CACHE_STACKS);
	assert_true(cache.bytes <= FRAMES_CACHE_BYTES);
	frames_cache_deinit(&cache);
	stack_unref(first);
}

/* A stack that is larger than the whole cache is spelled, and is all that is kept. */
static void test_frames_cache_bytes(void **state)
{
	struct frames_cache cache = {0};
	struct stack *small = fork_stack();
	struct stack *huge = stack_create(FRAMES_CACHE_BYTES / 100);

	(void)state;
	frames_cache_text(&cache, small);
	assert_true(frames_cache_text(&cache, huge)->size > FRAMES_CACHE_BYTES);
	assert_int_equal(cache.by_id.count, 1);
	frames_cache_text(&cache, small);
	assert_int_equal(cache.by_id.count, 1);
	assert_true(cache.bytes <= FRAMES_CACHE_BYTES);
	frames_cache_deinit(&cache);
	stack_unref(small);
	stack_unref(huge);
}

static void test_splice(void **state)
{
	struct buffer text = {0};

	(void)state;
	json_append(&text, json_object());
	json_splice(&text, "a", "[1]", 3);
	json_splice(&text, "b", "null", 4);
	assert_string_equal(text.data, "{\"a\":[1],\"b\":null}");
	buffer_deinit(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fork),
	    cmocka_unit_test(test_walk),
	    cmocka_unit_test(test_call),
	    cmocka_unit_test(test_fork_failed),
	    cmocka_unit_test(test_start_end),
	    cmocka_unit_test(test_other_events),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_frames_cache),
	    cmocka_unit_test(test_frames_cache_bytes),
	    cmocka_unit_test(test_splice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
