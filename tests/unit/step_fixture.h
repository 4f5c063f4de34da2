/* A program that is stepped by a plan, with ptrace's calls alone: what a backend does for step/. Include after
 * cmocka.h, skipping.h and stack_fixture.h. */
#ifndef FORKTRACE_TESTS_UNIT_STEP_FIXTURE_H
#define FORKTRACE_TESTS_UNIT_STEP_FIXTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/user.h>

#include "step/step.h"
#include "symbol/symbols.h"
#include "unwind/capture.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"

struct stepped {
	pid_t pid;
	bool ended;
	int signal; /* to be delivered when it goes on */
	struct space *space;
	struct string_pool *pool;
	struct log log;
	struct capture *capture;
	const char *lines_of[2];           /* what the paths end with of the files whose lines are seen */
	uint64_t hidden_start, hidden_end; /* addresses whose lines are not */
	struct step_plan plan;
	struct step_view view;
	uint64_t handler;  /* its first instruction: where step_signal is called; 0: none */
	int signal_before; /* a signal that comes before this many instructions from now on; 0: none */
	unsigned runs, instructions;
};

/* --- the view ---------------------------------------------------------------------------------------------------- */

static struct error *view_registers(void *context, struct registers *registers)
{
	*registers = read_registers(((struct stepped *)context)->pid);
	return NULL;
}

static struct error *view_read(void *context, uint64_t address, void *bytes, size_t size)
{
	return space_read(((struct stepped *)context)->space, address, bytes, size);
}

static const struct module *module_at(struct stepped *stepped, uint64_t address)
{
	const struct module_map *map;
	bool changed;

	assert_null(space_modules(stepped->space, &map));
	if (!module_map_find(map, address)) {
		assert_null(space_refresh_modules(stepped->space, &changed));
		assert_null(space_modules(stepped->space, &map));
	}
	return module_map_find(map, address);
}

static bool ends_with(const char *text, const char *end)
{
	return end && strlen(text) >= strlen(end) && !strcmp(text + strlen(text) - strlen(end), end);
}

static bool view_line(void *context, uint64_t address, struct step_line *line)
{
	struct stepped *stepped = context;
	const struct module *module = module_at(stepped, address);
	struct line_place place;

	if (!module || (!ends_with(module->file->path, stepped->lines_of[0]) &&
			!ends_with(module->file->path, stepped->lines_of[1])))
		return false;
	if (address >= stepped->hidden_start && address < stepped->hidden_end)
		return false;
	if (!lines_at(module->file, address - module->start, &place))
		return false;
	step_line_init(line, &place, module->start);
	return true;
}

static bool view_caller(void *context, unsigned frame, uint64_t *pc, uint64_t *sp)
{
	struct stepped *stepped = context;
	struct registers registers = read_registers(stepped->pid);
	struct capture_hint hint = {0};

	return capture_caller(stepped->capture, stepped->space, &registers, &hint, frame, pc, sp);
}

/* --- the task ---------------------------------------------------------------------------------------------------- */

static uint64_t stepped_pc(const struct stepped *stepped)
{
	struct registers registers = read_registers(stepped->pid);

	return registers_pc(&registers);
}

static void set_pc(const struct stepped *stepped, uint64_t pc)
{
	size_t offset = offsetof(struct user, regs) + offsetof(struct user_regs_struct, rip);

	assert_int_equal(ptrace(PTRACE_POKEUSER, stepped->pid, (void *)offset, (void *)(uintptr_t)pc), 0);
}

/* A process that was forked off goes its own way, without the breakpoint. */
static void release_child(const struct stepped *stepped, uint64_t breakpoint, const uint8_t *original)
{
	unsigned long child;

	assert_int_equal(ptrace(PTRACE_GETEVENTMSG, stepped->pid, NULL, &child), 0);
	tracee_wait((pid_t)child);

	struct space *space = space_create((pid_t)child);

	if (original)
		assert_null(space_write(space, breakpoint, original, 1));
	space_unref(space);
	assert_int_equal(ptrace(PTRACE_DETACH, (pid_t)child, NULL, NULL), 0);
}

/* Resumes until a stop that is a trap, or a signal's (kept to be delivered), or the end. */
static void resume(struct stepped *stepped, int request, uint64_t breakpoint, const uint8_t *original)
{
	for (;;) {
		int status = tracee_resume(request, stepped->pid, stepped->signal);

		stepped->signal = 0;
		stepped->ended = !WIFSTOPPED(status);
		if (stepped->ended)
			return;
		if (status >> 16 == PTRACE_EVENT_FORK) {
			release_child(stepped, breakpoint, original);
			continue;
		}
		if (WSTOPSIG(status) != SIGTRAP)
			stepped->signal = WSTOPSIG(status);
		return;
	}
}

/* One instruction. Returns whether the task stands at the first one of the handler instead: a signal came before it. */
static bool do_instruction(struct stepped *stepped)
{
	uint64_t pc = stepped_pc(stepped);
	bool delivered = stepped->signal != 0;

	stepped->instructions++;
	if (stepped->signal_before && !--stepped->signal_before)
		assert_int_equal(kill(stepped->pid, SIGUSR1), 0);
	resume(stepped, PTRACE_SINGLESTEP, 0, NULL);
	if (!stepped->ended && stepped->signal && stepped_pc(stepped) == pc) {
		delivered = true;
		resume(stepped, PTRACE_SINGLESTEP, 0, NULL);
	}
	return delivered && !stepped->ended && stepped->handler && stepped_pc(stepped) == stepped->handler;
}

/* At least one instruction, then up to `until`. */
static void do_run(struct stepped *stepped, uint64_t until)
{
	static const uint8_t trap = 0xcc;
	uint8_t original;

	stepped->runs++;
	do_instruction(stepped);
	if (stepped->ended || (stepped_pc(stepped) == until && !stepped->signal))
		return;
	assert_null(space_read(stepped->space, until, &original, 1));
	assert_null(space_write(stepped->space, until, &trap, 1));
	do
		resume(stepped, PTRACE_CONT, until, &original);
	while (stepped->signal);
	if (stepped->ended)
		return;
	assert_int_equal(stepped_pc(stepped), until + 1);
	set_pc(stepped, until);
	assert_null(space_write(stepped->space, until, &original, 1));
}

/* Carries a step out. Returns what it ended with; STEP_DONE where the program ended, too. */
static struct step_action do_step(struct stepped *stepped, enum step_kind kind, unsigned frame, uint64_t address)
{
	struct step_action action;

	step_begin(&stepped->plan, kind, frame, address, &stepped->view, &action);
	while (action.kind == STEP_DO_INSTRUCTION || action.kind == STEP_DO_RUN) {
		bool signalled = false;

		if (action.kind == STEP_DO_INSTRUCTION)
			signalled = do_instruction(stepped);
		else
			do_run(stepped, action.until);
		if (stepped->ended)
			return (struct step_action){.kind = STEP_DONE};
		if (signalled)
			step_signal(&stepped->plan, &stepped->view, &action);
		else
			step_next(&stepped->plan, &stepped->view, &action);
	}
	return action;
}

/* A function of the program; 0: it has none of this name. */
static uint64_t address_of(struct stepped *stepped, const char *symbol)
{
	const struct module_map *map;
	uint64_t address;

	assert_null(space_modules(stepped->space, &map));
	for (size_t i = 0; i < map->count; i++) {
		if (ends_with(map->modules[i].file->path, stepped->lines_of[0]) &&
		    symbols_find(map->modules[i].file, symbol, &address))
			return map->modules[i].start + address;
	}
	return 0;
}

/* The function that a face shows: the innermost, but for `before` bodies that are not entered. */
static const char *function_at(struct stepped *stepped, uint64_t pc, unsigned before)
{
	const struct module *module = module_at(stepped, pc);
	const struct name_list *names = module ? symbols_lookup(module->file, pc - module->start) : NULL;

	return names && before < names->count && names->names[before].symbol ? names->names[before].symbol : "?";
}

/* --- starting ---------------------------------------------------------------------------------------------------- */

/* Starts the program, without randomised addresses, and takes it to its first instruction. */
static void stepped_start(struct stepped *stepped, const char *const *arguments)
{
	static const struct capture_options options = {.unwinder = UNWINDER_LIBDW, .max_frames = MAX_FRAMES};
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int nowhere = open("/dev/null", O_WRONLY);

		dup2(nowhere, STDOUT_FILENO);
		signal(SIGSEGV, SIG_DFL); /* not cmocka's */
		personality(ADDR_NO_RANDOMIZE);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execv(arguments[0], (char **)(uintptr_t)arguments);
		_exit(98);
	}
	assert_true(WIFSTOPPED(tracee_wait(pid)));
	assert_int_equal(
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(uintptr_t)(PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK)), 0);
	*stepped = (struct stepped){.pid = pid, .pool = string_pool_create()};
	stepped->lines_of[0] = strrchr(arguments[0], '/');
	stepped->lines_of[1] = "/libstep.so";
	stepped->space = space_create(pid);
	stepped->capture = capture_create(&options, stepped->pool, &stepped->log);
	stepped->view = (struct step_view){.context = stepped,
					   .registers = view_registers,
					   .read = view_read,
					   .line = view_line,
					   .caller = view_caller};
}

static void stepped_end(struct stepped *stepped)
{
	if (!stepped->ended)
		tracee_kill(stepped->pid);
	step_deinit(&stepped->plan);
	capture_destroy(stepped->capture);
	space_unref(stepped->space);
	string_pool_destroy(stepped->pool);
}

#pragma GCC diagnostic pop

#endif
