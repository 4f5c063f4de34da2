/* The pure parts of expectations: the nearest name, --on, the names in an expression, records as Lua tables. */
#include "ui_fixture.h"

#include <lauxlib.h>

#include "ui/report/json_event.h"
#include "ui/script/environment.h"
#include "ui/script/expression.h"
#include "ui/script/lua_record.h"
#include "ui/script/lua_state.h"
#include "ui/script/nearest.h"
#include "ui/script/selector.h"

/* --- the nearest name --- */

static const char *nearest_of(const char *wanted, const char *const *names)
{
	struct nearest nearest = nearest_to(wanted);

	while (*names)
		nearest_offer(&nearest, *names++);
	return nearest.name;
}

static void test_nearest(void **state)
{
	const char *const names[] = {"parent", "child", "kind", "kernel", "ret", "ret_from", "restarts", NULL};

	(void)state;
	assert_string_equal(nearest_of("chld", names), "child");
	assert_string_equal(nearest_of("chidl", names), "child"); /* two letters swapped: one mistake */
	assert_string_equal(nearest_of("rett", names), "ret");
	assert_string_equal(nearest_of("parrent", names), "parent");
	assert_string_equal(nearest_of("kernle", names), "kernel");
	assert_string_equal(nearest_of("ret_form", names), "ret_from");
	assert_null(nearest_of("x", names));
	assert_null(nearest_of("banana", names));
	assert_null(nearest_of("", names));
}

static void test_nearest_is_the_same_in_any_order(void **state)
{
	const char *const one[] = {"pid", "tid", NULL}, *const other[] = {"tid", "pid", NULL};

	(void)state;
	assert_string_equal(nearest_of("xid", one), "pid");
	assert_string_equal(nearest_of("xid", other), "pid");
}

static void test_nearest_of_long_names(void **state)
{
	char name[200];
	const char *const names[] = {"child", NULL};

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_null(nearest_of(name, names));
}

/* --- --on --- */

/* Does the text select the fork of the fixture, as the `number`th? */
static bool selects(const char *text, unsigned long number)
{
	struct fork_record record = fork_record_make();
	struct event event = {.kind = EVENT_FORK, .fork = &record};
	json_t *object = json_event(&event);
	struct selector selector = {0};
	bool matches;

	assert_null(selector_parse(&selector, text));
	assert_null(selector_check(&selector));
	matches = selector_matches(&selector, object, number);
	selector_deinit(&selector);
	json_decref(object);
	fork_record_drop(&record);
	return matches;
}

static void test_selector(void **state)
{
	(void)state;
	assert_true(selects("fork#2", 2));
	assert_false(selects("fork#2", 1));
	assert_true(selects("comm=test_fork", 1));
	assert_false(selects("comm=test", 1));
	assert_true(selects("child.pid=4712,comm=test_fork", 1));
	assert_false(selects("child.pid=4712,comm=sh", 1));
	assert_true(selects("kind=fork,thread=false,child_stack=null,fork#7", 7));
	assert_true(selects("kernel.source=live", 1));
	assert_false(selects("comm=", 1));
	assert_false(selects("comm=a\\,b\\\\", 1));
}

static void assert_refused(const char *text, const char *message)
{
	struct selector selector = {0};
	struct error *error = selector_parse(&selector, text);

	if (!error)
		error = selector_check(&selector);
	assert_non_null(error);
	assert_string_equal(error->message, message);
	error_destroy(error);
	selector_deinit(&selector);
}

static void test_selector_mistakes(void **state)
{
	(void)state;
	assert_refused("fork#0", "--on: 'fork#0' is not valid: the forks are numbered from 1");
	assert_refused("fork#", "--on: 'fork#' is not valid: the forks are numbered from 1");
	assert_refused("fork#99999999999999999999",
		       "--on: 'fork#99999999999999999999' is not valid: the forks are numbered from 1");
	assert_refused("fork#1x", "--on: 'fork#1x' is not valid: the forks are numbered from 1");
	assert_refused("", "--on: '' is not valid; allowed: fork#N, failed, KEY=VALUE, separated by commas");
	assert_refused("=x", "--on: '=x' is not valid; allowed: fork#N, failed, KEY=VALUE, separated by commas");
	assert_refused("faild", "--on: 'faild' is not valid; allowed: fork#N, failed, KEY=VALUE, separated by commas: "
				"did you mean 'failed'?");
	assert_refused("cmm=x", "--on: a 'fork' record has no member 'cmm': did you mean 'comm'?");
	assert_refused("child.pdi=1", "--on: a 'fork' record has no member 'child.pdi': did you mean 'pid'?");
	assert_refused("parent=1", "--on: 'parent' is no single value: --expect can look into it");
	assert_refused("failed,child.pid=1", "--on: a 'fork-failed' record has no member 'child.pid'");
	assert_refused("failed,fork#1", "--on: failed calls have no number: fork#1 and failed exclude one another");
}

/* --- the names in an expression --- */

static void assert_chains(const char *text, const char *wanted)
{
	struct buffer found = {0};
	struct chain chain;

	buffer_append_text(&found, "");
	while (chain_next(&text, &chain))
		buffer_printf(&found, "%s%.*s%s", found.size ? " " : "", (int)chain.size, chain.start,
			      chain.called ? "()" : "");
	assert_string_equal(found.data, wanted);
	buffer_deinit(&found);
}

static void test_chains(void **state)
{
	(void)state;
	assert_chains("parent.ret == child.pid", "parent.ret child.pid");
	assert_chains("has(parent.frames, 'fork') and not thread", "has() parent.frames thread");
	assert_chains("parent.frames[1].symbol == \"a.b\" -- child.x", "parent.frames[1].symbol");
	assert_chains("parent['ret']==0x1f or 1e5 > 3.", "parent['ret']");
	assert_chains("parent.frames[#parent.frames].symbol", "parent.frames parent.frames");
	assert_chains("parent.comm:match'^x' --[[ a\nb ]] .. kind", "parent.comm kind");
	assert_chains("[==[ a ]] b ]==] == comm", "comm");
	assert_chains("'it\\'s a.b' .. c", "c");
	assert_chains("stack (x) f{y} g[[z]]", "stack() x f() y g()");
	assert_chains("'unended", "");
	assert_chains("[[unended", "");
	assert_chains("", "");
}

static void assert_not_compiled(const char *text, const char *message)
{
	lua_State *lua = lua_state_create();
	struct error *error = expression_compile(lua, text);

	assert_non_null(error);
	assert_string_equal(error->message, message);
	error_destroy(error);
	assert_int_equal(lua_gettop(lua), 0);
	lua_close(lua);
}

static void test_expression_mistakes(void **state)
{
	(void)state;
	assert_not_compiled("", "--expect: the expression is empty");
	assert_not_compiled(" \t\n", "--expect: the expression is empty");
	assert_not_compiled("a ==", "--expect 'a ==': the expression ends too early, behind character 4");
	assert_not_compiled("a == == b", "--expect 'a == == b': character 6: unexpected symbol near '=='");
	assert_not_compiled("a = 0", "--expect 'a = 0': character 3: the expression should end near '='");
	assert_not_compiled("f(a b)", "--expect 'f(a b)': character 5: ')' expected near 'b'");
	assert_not_compiled("a 'x' y z", "--expect 'a 'x' y z': character 7: the expression should end near 'y'");
	assert_not_compiled("a == 'x", "--expect 'a == 'x': the expression ends too early, behind character 7");
	assert_not_compiled("@", "--expect '@': character 1: unexpected symbol near '@'");
}

static void assert_unknown(const char *text, bool failed, const char *message)
{
	lua_State *lua = lua_state_create();
	struct error *error;

	environment_create(lua);
	error = environment_check(lua, text, failed);
	if (message) {
		assert_non_null(error);
		assert_string_equal(error->message, message);
	} else if (error) {
		fail_msg("%s", error->message);
	}
	error_destroy(error);
	lua_close(lua);
}

static void test_unknown_names(void **state)
{
	(void)state;
	assert_unknown(
	    "1 + chld.ret", false,
	    "--expect '1 + chld.ret': character 5: a 'fork' record has no member 'chld': did you mean 'child'?");
	assert_unknown(
	    "child.rett == 0", false,
	    "--expect 'child.rett == 0': character 7: 'child' of a 'fork' record has no member 'rett': did you "
	    "mean 'ret'?");
	assert_unknown(
	    "parent.frames[1].symbl == 'x'", false,
	    "--expect 'parent.frames[1].symbl == 'x'': character 18: 'parent.frames[1]' of a 'fork' record has no "
	    "member 'symbl': did you mean 'symbol'?");
	assert_unknown("child.ret == 0", true,
		       "--expect 'child.ret == 0': character 1: a 'fork-failed' record has no member 'child'");
	assert_unknown("errno == 'EAGAIN'", true, NULL);
	assert_unknown("kernel.walk[1].stage == 'wrapper' and string.len(parent.comm) > #flags", false, NULL);
	assert_unknown("(function(f) return f.x end)(parent)", false, NULL);
}

/* --- records in Lua --- */

static lua_State *state_with_record(void)
{
	struct fork_record record = fork_record_make();
	struct event event = {.kind = EVENT_FORK, .seq = 3, .fork = &record};
	lua_State *lua = lua_state_create();
	json_t *object;

	record.child.ret_known = false;
	record.child.ret_reason = "it was killed first";
	object = json_event(&event);
	environment_create(lua);
	environment_set(lua, object);
	json_decref(object);
	fork_record_drop(&record);
	return lua;
}

/* What the expression gives, as text; an error's first line. */
static void assert_gives(lua_State *lua, const char *text, const char *wanted)
{
	struct error *error = expression_compile(lua, text);

	assert_null(error);
	environment_bind(lua);
	error = lua_state_call(lua, 0, 1);
	if (error) {
		error->message[strcspn(error->message, "\n")] = '\0';
		assert_string_equal(error->message, wanted);
		error_destroy(error);
	} else {
		assert_string_equal(luaL_tolstring(lua, -1, NULL), wanted);
		lua_pop(lua, 2);
	}
	assert_int_equal(lua_gettop(lua), 0);
}

static void test_record(void **state)
{
	lua_State *lua = state_with_record();

	(void)state;
	assert_gives(lua, "parent.ret == child.pid and parent.ret == 4712", "true");
	assert_gives(lua, "child.ret", "nil"); /* null: there, and unknown */
	assert_gives(lua, "child.ret_reason", "it was killed first");
	assert_gives(lua, "math.type(time_ns)", "integer");
	assert_gives(lua, "thread", "false");
	assert_gives(lua, "flags[1] .. #flags", "CLONE_CHILD_CLEARTID2");
	assert_gives(lua, "parent.frames[1].symbol", "__kernel_vsyscall");
	assert_gives(lua, "parent.frames[99]", "nil");
	assert_gives(lua, "kernel.walk", "nil");
	lua_close(lua);
}

static void test_record_is_strict(void **state)
{
	lua_State *lua = state_with_record();

	(void)state;
	assert_gives(lua, "child.rett",
		     "expression:1: 'child' of a 'fork' record has no member 'rett': did you mean 'ret'?");
	assert_gives(lua, "parent.frames[2].lin",
		     "expression:1: 'parent.frames[]' of a 'fork' record has no member 'lin': did you mean 'line'?");
	assert_gives(lua, "chid", "expression:1: a 'fork' record has no member 'chid': did you mean 'child'?");
	assert_gives(lua, "hsa(flags, 'x')", "expression:1: a 'fork' record has no member 'hsa': did you mean 'has'?");
	assert_gives(lua, "(function() x = 1 end)()", "expression:1: an expectation only looks: it cannot set 'x'");
	assert_gives(lua, "os", "expression:1: a 'fork' record has no member 'os'");
	lua_close(lua);
}

static void test_helpers(void **state)
{
	lua_State *lua = state_with_record();

	(void)state;
	assert_gives(lua, "has(parent.frames, 'fork')", "true");
	assert_gives(lua, "has(parent.frames, 'vfork')", "false");
	assert_gives(lua, "has(flags, 'CLONE_CHILD_SETTID')", "true");
	assert_gives(lua, "has(kernel.walk, 'x')", "false"); /* null */
	assert_gives(lua, "find(parent.frames, 'spawn_child').line", "12");
	assert_gives(lua, "stack(parent.frames)", "main > spawn_child > fork > _Fork > arch_fork > __kernel_vsyscall");
	assert_gives(lua, "stack(kernel.parent_frames)",
		     "entry_SYSENTER_compat_after_hwframe > kernel_clone > copy_process");
	assert_gives(lua, "show('a\\n\\'b')", "'a\\x0a\\'b'");
	assert_gives(lua, "show(flags)", "{'CLONE_CHILD_CLEARTID', 'CLONE_CHILD_SETTID'}");
	assert_gives(lua, "show(child.ret)", "nil");
	lua_close(lua);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nearest),
	    cmocka_unit_test(test_nearest_is_the_same_in_any_order),
	    cmocka_unit_test(test_nearest_of_long_names),
	    cmocka_unit_test(test_selector),
	    cmocka_unit_test(test_selector_mistakes),
	    cmocka_unit_test(test_chains),
	    cmocka_unit_test(test_expression_mistakes),
	    cmocka_unit_test(test_unknown_names),
	    cmocka_unit_test(test_record),
	    cmocka_unit_test(test_record_is_strict),
	    cmocka_unit_test(test_helpers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
