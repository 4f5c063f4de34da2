/* Starts a guest and the program in it: see guest_session.h. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "kernel/foreign_modules.h"
#include "kernel/initramfs.h"
#include "session/guest_internal.h"

/* --- where to stop --- */

static void add_place(struct guest_follow *follow, enum guest_place_kind kind, uint64_t address, const char *name)
{
	for (size_t i = 0; i < follow->places.count; i++) {
		if (follow->places.items[i].kind == kind && follow->places.items[i].address == address)
			return;
	}
	vector_push(&follow->places, (struct guest_place){kind, address, name, false});
}

static void add_stage(struct guest_follow *follow, enum guest_place_kind kind, enum stage stage, unsigned number)
{
	uint64_t address;
	const char *name;

	for (enum stage_entry entry = STAGE_ENTRY_SYSENTER; entry <= STAGE_ENTRY_INT80; entry++) {
		if (lineage_find(follow->symbols, stage, entry, number, &address, &name))
			add_place(follow, kind, address, name);
	}
}

static struct error *find_places(struct guest_follow *follow)
{
	static const unsigned numbers[] = {2, 120, 190, 435}; /* fork, clone, vfork, clone3 */
	uint64_t address;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		add_stage(follow, PLACE_HANDLER, STAGE_HANDLER, numbers[i]);
	add_stage(follow, PLACE_WORKER, STAGE_WORKER, 0);
	add_stage(follow, PLACE_COPY, STAGE_COPY, 0);
	add_stage(follow, PLACE_WAKE, STAGE_WAKE, 0);
	add_stage(follow, PLACE_CHILD_FIRST, STAGE_CHILD_FIRST, 0);
	if (kernel_symbols_by_name(follow->symbols, "start_thread", &address, NULL))
		add_place(follow, PLACE_START_THREAD, address, "start_thread");
	else
		return error_create(
		    ERROR_UNSUPPORTED, 0, NULL,
		    "the guest's kernel has no start_thread among its symbols: programs cannot be told there");
	if (kernel_symbols_by_name(follow->symbols, "do_exit", &address, NULL))
		add_place(follow, PLACE_DO_EXIT, address, "do_exit");
	return NULL;
}

static bool find_function(void *context, uint64_t address, struct kernel_function *function)
{
	struct guest_follow *follow = context;
	struct kernel_symbol symbol;

	if (!kernel_symbols_find(follow->symbols, address, &symbol) ||
	    !kernel_symbols_bounds(follow->symbols, address, &function->start, &function->end))
		return false;
	function->name = symbol.name;
	function->module = symbol.module;
	return true;
}

/* --- the start --- */

static struct error *read_memory(void *context, uint64_t address, void *bytes, size_t size)
{
	struct guest_follow *follow = context;

	return gdbstub_read(follow->stub, address, bytes, size);
}

static struct error *read_modules(void *context, const struct space *space, struct module_map **map)
{
	struct guest_follow *follow = context;

	struct guest_sources sources = {.files = &follow->files};

	if (follow->foreign) {
		*map = foreign_modules_read(space, space->owner, &follow->files);
		return NULL;
	}
	sources.vdso = guest_vdso(follow->guest, &sources.vdso_size);
	*map = guest_modules_read(space, space->owner, &sources);
	return NULL;
}

/* Not the program: what is missing is no business of the exit statuses that tell of it. */
static struct error *not_the_program(struct error *error)
{
	if (error && (error->code == ERROR_NOT_FOUND || error->code == ERROR_NOT_EXEC))
		error->code = ERROR_INPUT;
	return error;
}

/* The program's files, packed for the guest. */
static struct error *make_payload(struct guest_follow *follow, int *payload)
{
	const struct guest_request *request = &follow->request;
	struct error *error = guest_files_of_program(request->program, request->library_path, &follow->files);

	for (size_t i = 0; !error && i < request->file_count; i++)
		error = not_the_program(guest_files_add(&follow->files, request->files[i]));
	return error ? error
		     : payload_create(&follow->files, request->program, request->directory, request->arguments,
				      request->environment, payload);
}

static struct error *start_machine(struct guest_follow *follow)
{
	const struct guest_request *request = &follow->request;
	_cleanup_fd_ int payload = -1;
	struct error *error = make_payload(follow, &payload);

	if (!error)
		error =
		    not_the_program(guest_start(&request->machine, payload, request->timeout_ms, request->interrupted,
						request->context, &follow->session->log, &follow->guest));
	if (error)
		return error;
	return gdbstub_create(guest_stub_fd(follow->guest), &follow->session->log, &follow->stub);
}

struct error *guest_learn_kernel(struct guest_follow *follow)
{
	follow->code = (struct kernel_code){.find = find_function, .context = follow};
	follow->source = (struct space_source){.read = read_memory, .modules = read_modules, .context = follow};
	follow->kernel_space = space_create_foreign(&follow->source, NULL);
	return find_places(follow);
}

static struct error *learn_kernel(struct guest_follow *follow)
{
	follow->symbols = guest_take_symbols(follow->guest);
	follow->release = string_intern(follow->session->pool, guest_release(follow->guest));
	follow->session->kernel_release = follow->release;
	return guest_learn_kernel(follow);
}

static struct error *check_debug_information(struct guest_follow *follow)
{
	size_t size;
	const uint8_t *build_id = guest_build_id(follow->guest, &size);

	return follow->debug ? kernel_debug_fit(follow->debug, follow->symbols, build_id, size, follow->release) : NULL;
}

static struct error *watch(struct guest_follow *follow)
{
	int fds[GUEST_POLL_MAX + 2];
	size_t count;

	follow->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (follow->epoll < 0)
		return error_system(errno, NULL, "epoll_create1 failed");
	guest_poll_fds(follow->guest, fds, &count);
	fds[count++] = guest_stub_fd(follow->guest);
	follow->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fds[count++] = follow->kick;
	for (size_t i = 0; i < count; i++) {
		struct epoll_event event = {.events = EPOLLIN};

		if (fds[i] >= 0 && epoll_ctl(follow->epoll, EPOLL_CTL_ADD, fds[i], &event))
			return error_system(errno, NULL, "a channel of the guest cannot be watched");
	}
	return NULL;
}

static struct error *run_program(struct guest_follow *follow)
{
	struct error *error;

	guest_set_places(follow);
	error = guest_go(follow->guest);
	return error ? error : gdbstub_resume(follow->stub);
}

void guest_follow_destroy(struct guest_follow *follow)
{
	if (!follow)
		return;
	if (follow->foreign)
		guest_foreign_leave(follow);
	guest_forks_destroy(follow);
	guest_tasks_destroy(follow);
	space_unref(follow->kernel_space);
	gdbstub_destroy(follow->stub);
	guest_destroy(follow->guest);
	guest_files_deinit(&follow->files);
	kernel_symbols_destroy(follow->symbols);
	kernel_debug_destroy(follow->debug);
	vector_deinit(&follow->places);
	cleanup_fd_(&follow->epoll);
	cleanup_fd_(&follow->kick);
	free(follow->foreign);
	free(follow);
}

struct error *session_start_guest(struct session *session, const struct guest_request *request)
{
	struct guest_follow *follow = memory_alloc(sizeof(*follow));
	struct error *error;

	follow->session = session;
	follow->request = *request;
	follow->epoll = follow->kick = -1;
	session->guest = follow;
	error = request->debug_info ? not_the_program(kernel_debug_open(request->debug_info, &follow->debug)) : NULL;
	if (!error)
		error = start_machine(follow);
	if (!error)
		error = learn_kernel(follow);
	if (!error)
		error = check_debug_information(follow);
	if (!error)
		error = watch(follow);
	if (error)
		return error;
	error = control_guest_begin(session->control, follow);
	if (error)
		return error;
	session_emit_start(session, request->arguments);
	return run_program(follow);
}
