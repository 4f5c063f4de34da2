/* What can be seen of a held task: see forktrace_control.h. */
#include <stdlib.h>
#include <string.h>

#include "session/control_internal.h"
#include "symbol/lines.h"
#include "symbol/symbols.h"
#include "target/breakpoints.h"

struct error *control_registers(struct control *control, unsigned id, struct registers *registers)
{
	struct controlled *task;
	struct error *error = control_held(control, id, &task);

	return error ? error : control_task_registers(task, registers);
}

struct error *control_read(struct control *control, unsigned id, uint64_t address, void *bytes, size_t size,
			   size_t *got)
{
	enum { PAGE = 4096 };
	struct controlled *task;
	struct error *error = control_held(control, id, &task);

	*got = 0;
	while (!error && *got < size) {
		uint64_t at = address + *got;
		size_t part = PAGE - at % PAGE;

		if (part > size - *got)
			part = size - *got;
		error = space_read(control_space(task), at, (char *)bytes + *got, part);
		if (!error)
			*got += part;
	}
	if (error && error->code == ERROR_FAULT)
		error = NULL; /* static, never freed: as much as there is */
	return error;
}

/* --- the stack --- */

void control_drop_stack(struct controlled *task)
{
	stack_unref(task->stack);
	task->stack = NULL;
	task->shown.kernel_frames = 0;
}

/* Behind a system-call instruction libc's clone stubs have no call frame information. */
static struct capture_hint hint_at(struct controlled *task, const struct registers *registers)
{
	return (struct capture_hint){.in_syscall =
					 control_system_call_at(task, registers_pc(registers) - SYSTEM_CALL_SIZE)};
}

struct error *control_user_stack(struct controlled *task, struct stack **stack)
{
	struct registers registers;
	struct error *error = control_task_registers(task, &registers);

	if (error)
		return error;

	struct capture_hint hint = hint_at(task, &registers);

	return capture_stack(task->control->capture, control_space(task), &registers, &hint, stack);
}

struct error *control_stack(struct control *control, unsigned id, const struct stack **stack)
{
	struct controlled *task;
	struct error *error = control_held(control, id, &task);

	*stack = NULL;
	if (!error && !task->stack)
		error = control->backend->stack(task, &task->stack);
	if (!error)
		*stack = task->stack;
	return error;
}

/* --- places --- */

static const struct module *module_at(struct controlled *task, uint64_t address)
{
	const struct module_map *modules;
	const struct module *module;
	bool changed;
	struct error *error = space_modules(control_space(task), &modules);

	if (error) {
		error_destroy(error);
		return NULL;
	}
	module = module_map_find(modules, address);
	if (module)
		return module;
	/* A library that was loaded since. */
	error_destroy(space_refresh_modules(control_space(task), &changed));
	return changed ? module_map_find(control_space(task)->modules, address) : NULL;
}

static void fill_place(struct controlled *task, uint64_t address, struct control_place *place)
{
	const struct control_backend *backend = task->control->backend;
	struct string_pool *pool = task->control->session->pool;
	const struct module *module;
	struct line_place line;

	if (backend->kernel_place && backend->kernel_place(task, address, place))
		return;
	module = module_at(task, address);
	*place = (struct control_place){.address = address};
	if (!module)
		return;
	place->module = string_intern(pool, module->file->path);

	const struct name_list *names = symbols_lookup(module->file, address - module->start);
	const struct name *name = &names->names[0];

	place->symbol = string_intern(pool, name->symbol);
	place->offset = name->symbol ? address - module->start - name->start : 0;
	place->file = string_intern(pool, name->file);
	place->line = name->line;
	if (name->file && lines_at(module->file, address - module->start, &line))
		place->directory = string_intern(pool, line.directory);
}

struct error *control_place(struct control *control, unsigned id, uint64_t address, struct control_place *place)
{
	struct controlled *task;
	struct error *error = control_held(control, id, &task);

	if (!error)
		fill_place(task, address, place);
	return error;
}

/* --- finding --- */

bool control_find_start(struct controlled *task, uint64_t *address)
{
	const struct module_map *modules;
	struct error *error = space_modules(control_space(task), &modules);
	uint64_t found;

	if (error) {
		control_complain(task, error);
		return false;
	}
	for (size_t i = 0; i < modules->count; i++) {
		const struct module *module = &modules->modules[i];

		if (module->starts && !module->loader && symbols_find(module->file, "main", &found)) {
			*address = module->start + found;
			return true;
		}
	}
	for (size_t i = 0; i < modules->count; i++) {
		const struct module *module = &modules->modules[i];

		if (module->starts && !module->loader && module->file->entry) {
			*address = module->start + module->file->entry;
			return true;
		}
	}
	return false;
}

/* "0x8049166", "4711", "*pc+4", "*0x8049166-2". */
static bool parse_address(struct controlled *task, const char *what, uint64_t *address)
{
	struct registers registers;
	char *end;

	if (*what == '*')
		what++;
	if (!strncmp(what, "pc", 2)) {
		struct error *error = control_task_registers(task, &registers);

		if (error) {
			error_destroy(error);
			return false;
		}
		*address = registers_pc(&registers);
		what += 2;
	} else {
		if (*what < '0' || *what > '9')
			return false;
		*address = strtoull(what, &end, 0);
		what = end;
	}
	if (*what == '+' || *what == '-') {
		uint64_t offset = strtoull(what + 1, &end, 0);

		*address = *what == '-' ? *address - offset : *address + offset;
		what = end;
	}
	return !*what;
}

static bool has_name(const struct module *module, const char *name, size_t length)
{
	const char *slash = strrchr(module->file->path, '/');
	const char *base = slash ? slash + 1 : module->file->path;

	return strlen(base) == length && !memcmp(base, name, length);
}

/* The program's own names hide those of libraries, and both hide the loader's, which has copies of libc's. */
static int rank(const struct module *module)
{
	return module->loader ? 2 : !module->starts;
}

typedef bool finder(struct module_file *file, const char *name, uint64_t *address);

/* "fork", "libc.so.6:fork" */
static bool find_symbol(const struct module_map *modules, const char *what, finder *find, uint64_t *address)
{
	const char *colon = strrchr(what, ':');
	const char *symbol = colon ? colon + 1 : what;
	uint64_t found;

	for (int wanted = 0; wanted <= 2; wanted++) {
		for (size_t i = 0; i < modules->count; i++) {
			const struct module *module = &modules->modules[i];

			if (rank(module) != wanted || (colon && !has_name(module, what, (size_t)(colon - what))) ||
			    !find(module->file, symbol, &found))
				continue;
			*address = module->start + found;
			return true;
		}
	}
	return false;
}

/* "test_fork.c:21" */
static bool find_line(const struct module_map *modules, const char *what, uint64_t *address)
{
	const char *colon = strrchr(what, ':');
	char *end;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		return false;

	_cleanup_free_ char *file = memory_strndup(what, (size_t)(colon - what));
	long line = strtol(colon + 1, &end, 10);

	if (*end || line <= 0 || line > INT32_MAX)
		return false;
	for (size_t i = 0; i < modules->count; i++) {
		struct lines_found found;
		bool any = lines_find(modules->modules[i].file, file, (int)line, &found);

		if (any)
			*address = modules->modules[i].start + found.addresses.items[0];
		lines_found_deinit(&found);
		if (any)
			return true;
	}
	return false;
}

struct error *control_find_in(struct controlled *task, const char *what, struct control_place *place)
{
	const struct module_map *modules;
	uint64_t address;
	bool changed, variable = false;
	const struct control_backend *backend = task->control->backend;
	/* Libraries come and go, and with them what stood in their memory. */
	struct error *error = space_refresh_modules(control_space(task), &changed);

	if (!error && changed)
		space_breakpoints_verify(control_space(task));
	if (!error)
		error = space_modules(control_space(task), &modules);
	if (error)
		return error;
	if (!parse_address(task, what, &address) && !find_line(modules, what, &address) &&
	    !find_symbol(modules, what, symbols_find, &address) &&
	    !(backend->kernel_find && backend->kernel_find(task, what, &address))) {
		variable = find_symbol(modules, what, symbols_find_variable, &address);
		if (!variable)
			return error_create(ERROR_NOT_FOUND, 0, NULL,
					    "nothing is called '%s' here: give a function, FILE:LINE or an address",
					    what);
	}
	fill_place(task, address, place);
	place->variable = variable;
	return NULL;
}

struct error *control_find(struct control *control, unsigned id, const char *what, struct control_place *place)
{
	struct controlled *task;
	struct error *error = control_held(control, id, &task);

	return error ? error : control_find_in(task, what, place);
}

/* --- the plan's view --- */

static struct error *view_registers(void *context, struct registers *registers)
{
	struct controlled *task = context;

	return control_task_registers(task, registers);
}

static struct error *view_read(void *context, uint64_t address, void *bytes, size_t size)
{
	return space_read(control_space(context), address, bytes, size);
}

static bool view_line(void *context, uint64_t address, struct step_line *line)
{
	const struct control_backend *backend = ((struct controlled *)context)->control->backend;
	struct control_place in_kernel;
	const struct module *module;
	struct line_place place;

	if (backend->kernel_place && backend->kernel_place(context, address, &in_kernel))
		return backend->kernel_line(context, address, line);
	module = module_at(context, address);
	if (!module || !lines_at(module->file, address - module->start, &place))
		return false;
	step_line_init(line, &place, module->start);
	return true;
}

static bool view_caller(void *context, unsigned frame, uint64_t *pc, uint64_t *sp)
{
	return ((struct controlled *)context)->control->backend->caller(context, frame, pc, sp);
}

bool control_user_caller(struct controlled *task, unsigned frame, uint64_t *pc, uint64_t *sp)
{
	struct registers registers;
	struct error *error = control_task_registers(task, &registers);

	if (error) {
		error_destroy(error);
		return false;
	}

	struct capture_hint hint = hint_at(task, &registers);

	return capture_caller(task->control->capture, control_space(task), &registers, &hint, frame, pc, sp);
}

struct step_view control_view(struct controlled *task)
{
	return (struct step_view){
	    .context = task,
	    .registers = view_registers,
	    .read = view_read,
	    .line = view_line,
	    .caller = view_caller,
	};
}
