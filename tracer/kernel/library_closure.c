/* The libraries that a program's start brings with it, breadth first as the loader takes them: see library_closure.h.
 */
#include "kernel/library_closure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/vector.h"
#include "kernel/library_search.h"

/* A file that is loaded. */
struct object {
	char *name; /* by which it was asked for */
	char *path; /* where it was found; $ORIGIN is its directory */
	char *real; /* the same without links */
	struct elf_needs needs;
	const struct object *loader; /* who asked first; NULL: the program */
};

struct closure {
	struct guest_files *files;
	VECTOR(struct object *) objects; /* the program first */
	struct path_list configured;     /* /etc/ld.so.conf */
	const char *lib;                 /* $LIB */
	bool lenient;
};

static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash != path ? memory_strndup(path, (size_t)(slash - path)) : memory_strdup("/");
}

static void object_destroy(struct object *object)
{
	free(object->name);
	free(object->path);
	free(object->real);
	elf_needs_deinit(&object->needs);
	free(object);
}

static void closure_deinit(struct closure *closure)
{
	for (size_t i = 0; i < closure->objects.count; i++)
		object_destroy(closure->objects.items[i]);
	vector_deinit(&closure->objects);
	path_list_deinit(&closure->configured);
}

/* --- taking a file --- */

/* Reads what may be a library. *found stays false for what the loader passes over: nothing there, not readable, another
 * machine's. */
static struct error *open_library(const char *path, struct elf_needs *needs, bool *found)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;

	*found = false;
	if (fd < 0 || fstat(fd, &status) || !S_ISREG(status.st_mode))
		return NULL;

	struct error *error = elf_needs_read(fd, path, needs);

	if (error)
		return error;
	if (needs->kind == ELF_NONE || (needs->kind == ELF_I386 && !needs->loadable))
		return error_create(ERROR_INPUT, ENOEXEC, path, "%s is not a library", path);
	*found = needs->kind == ELF_I386;
	return NULL;
}

static const struct object *find_real(const struct closure *closure, const char *real)
{
	for (size_t i = 0; i < closure->objects.count; i++) {
		if (!strcmp(closure->objects.items[i]->real, real))
			return closure->objects.items[i];
	}
	return NULL;
}

/* Adds a file that was read; takes what `needs` holds. What was loaded by another path is not loaded again. */
static struct error *take(struct closure *closure, const char *name, const char *path, struct elf_needs *needs,
			  const struct object *loader, const struct object **taken)
{
	_cleanup_free_ char *real = guest_files_follow(closure->files, path);

	if (!real)
		return error_create(ERROR_INPUT, ELOOP, path, "%s leads in circles", path);
	guest_files_put(closure->files, GUEST_REGULAR, real, real);
	*taken = find_real(closure, real);
	if (*taken)
		return NULL;

	struct object *object = memory_alloc(sizeof(*object));

	*object = (struct object){.name = memory_strdup(name),
				  .path = memory_strdup(path),
				  .real = no_cleanup_pointer(real),
				  .needs = *needs,
				  .loader = loader};
	*needs = (struct elf_needs){0};
	vector_push(&closure->objects, object);
	*taken = object;
	return NULL;
}

/* The guest's loader has no cache: it finds a library by itself in its own directory alone. */
static void link_beside_loader(struct closure *closure, const char *name, const struct object *object)
{
	const char *directory = closure->files->library_directory;
	_cleanup_(buffer_deinit) struct buffer path = {0};
	_cleanup_free_ char *found_in = directory_of(object->real);

	if (!directory || !strcmp(directory, found_in))
		return;
	buffer_printf(&path, "%s/%s", directory, name);
	guest_files_put(closure->files, GUEST_LINK, path.data, object->real);
}

/* --- looking for one: *found stays NULL where there is none --- */

static struct error *try_path(struct closure *closure, const char *name, const char *path, const struct object *loader,
			      const struct object **found)
{
	struct elf_needs needs = {0};
	bool is_library;
	struct error *error = open_library(path, &needs, &is_library);

	if (!error && is_library)
		error = take(closure, name, path, &needs, loader, found);
	elf_needs_deinit(&needs);
	return error;
}

static struct error *try_directory(struct closure *closure, const char *name, const char *directory,
				   const struct object *loader, const struct object **found)
{
	_cleanup_(buffer_deinit) struct buffer path = {0};

	buffer_printf(&path, "%s/%s", strcmp(directory, "/") ? directory : "", name);
	return try_path(closure, name, path.data, loader, found);
}

/* A search path said by `owner`. */
static struct error *try_search_path(struct closure *closure, const char *name, const char *search_path,
				     const char *separators, const struct object *owner, const struct object *loader,
				     const struct object **found)
{
	_cleanup_free_ char *origin = directory_of(owner->path);
	struct library_tokens tokens = {.origin = origin, .lib = closure->lib};
	_cleanup_(path_list_deinit) struct path_list directories = {0};
	struct error *error = NULL;

	library_search_split(search_path, separators, &tokens, &directories);
	for (size_t i = 0; !error && !*found && i < directories.count; i++)
		error = try_directory(closure, name, directories.items[i], loader, found);
	return error;
}

/* DT_RPATH of who needs it and of those that brought it there, up to the program; not where it has a DT_RUNPATH. */
static struct error *try_inherited(struct closure *closure, const char *name, const struct object *loader,
				   const struct object **found)
{
	struct error *error = NULL;

	if (loader->needs.runpath)
		return NULL;
	for (const struct object *owner = loader; !error && !*found && owner; owner = owner->loader) {
		if (owner->needs.rpath)
			error = try_search_path(closure, name, owner->needs.rpath, ":", owner, loader, found);
	}
	return error;
}

/* What the cache has, and the default directories. */
static struct error *try_system(struct closure *closure, const char *name, const struct object *loader,
				const struct object **found)
{
	struct error *error = NULL;

	if (loader->needs.no_default_places)
		return NULL;
	for (size_t i = 0; !error && !*found && i < closure->configured.count; i++)
		error = try_directory(closure, name, closure->configured.items[i], loader, found);
	for (size_t i = 0; !error && !*found && library_search_defaults[i]; i++)
		error = try_directory(closure, name, library_search_defaults[i], loader, found);
	if (!error && *found)
		link_beside_loader(closure, name, *found);
	return error;
}

static struct error *search(struct closure *closure, const char *name, const struct object *loader,
			    const struct object **found)
{
	const char *library_path = closure->files->library_path;
	const struct object *program = closure->objects.items[0];
	struct error *error = try_inherited(closure, name, loader, found);

	if (!error && !*found && library_path && *library_path)
		error = try_search_path(closure, name, library_path, ":;", program, loader, found);
	if (!error && !*found && loader->needs.runpath)
		error = try_search_path(closure, name, loader->needs.runpath, ":", loader, loader, found);
	if (!error && !*found)
		error = try_system(closure, name, loader, found);
	return error;
}

static const struct object *find_name(const struct closure *closure, const char *name)
{
	for (size_t i = 0; i < closure->objects.count; i++) {
		const struct object *object = closure->objects.items[i];

		if (!strcmp(object->name, name) || (object->needs.soname && !strcmp(object->needs.soname, name)))
			return object;
	}
	return NULL;
}

/* A name with a slash is a path. */
static struct error *find(struct closure *closure, const char *needed, const struct object *loader,
			  const struct object **found)
{
	_cleanup_free_ char *origin = directory_of(loader->path);
	struct library_tokens tokens = {.origin = origin, .lib = closure->lib};
	_cleanup_free_ char *name = library_search_expand(needed, &tokens);

	*found = find_name(closure, name);
	if (*found)
		return NULL;
	if (!strchr(name, '/'))
		return search(closure, name, loader, found);

	_cleanup_free_ char *path = library_search_absolute(name);

	return try_path(closure, name, path, loader, found);
}

static struct error *find_or_say(struct closure *closure, const char *name, const struct object *loader)
{
	const struct object *found;
	struct error *error = find(closure, name, loader, &found);

	if (!error && !found)
		error = error_create(ERROR_NOT_FOUND, ENOENT, name,
				     "the 32-bit library %s, which %s needs, was not found: install it, or name its "
				     "directory in LD_LIBRARY_PATH",
				     name, loader->path);
	if (error && closure->lenient) {
		error_destroy(error);
		return NULL;
	}
	return error;
}

static struct error *find_all(struct closure *closure)
{
	/* The list grows meanwhile. */
	for (size_t i = 0; i < closure->objects.count; i++) {
		const struct object *object = closure->objects.items[i];

		for (size_t j = 0; j < object->needs.library_count; j++) {
			struct error *error = find_or_say(closure, object->needs.libraries[j], object);

			if (error)
				return error;
		}
	}
	return NULL;
}

/* --- the whole --- */

/* $LIB is the loader's directory as it was configured: "lib32" of "/usr/lib32". */
static const char *lib_of(const char *directory)
{
	const char *path = directory ? directory : "/lib";
	const char *place = strncmp(path, "/usr/", strlen("/usr/")) ? path : path + strlen("/usr");

	return (strncmp(place, "/lib", strlen("/lib")) ? strrchr(path, '/') : place) + 1;
}

static struct error *take_interpreter(struct closure *closure)
{
	const struct object *program = closure->objects.items[0];
	const char *name = program->needs.interpreter;
	struct elf_needs needs = {0};
	const struct object *taken = NULL;
	bool found;

	if (!name)
		return NULL;

	_cleanup_free_ char *path = library_search_absolute(name);
	struct error *error = open_library(path, &needs, &found);

	if (!error && !found)
		error = error_create(ERROR_NOT_FOUND, ENOENT, name,
				     "%s, the loader of %s, was not found: install the 32-bit C library (Debian: "
				     "libc6-i386)",
				     name, program->path);
	if (!error)
		error = take(closure, name, path, &needs, NULL, &taken);
	if (taken && !closure->files->library_directory)
		closure->files->library_directory = directory_of(taken->real);
	elf_needs_deinit(&needs);
	return error;
}

/* libc opens it by itself when a thread is cancelled or ends: pthread_cancel(3). */
static struct error *take_unwinder(struct closure *closure)
{
	const struct object *found;

	if (!find_name(closure, "libc.so.6"))
		return NULL;

	struct error *error = find(closure, "libgcc_s.so.1", closure->objects.items[0], &found);

	/* A convenience: whatever is wrong with it, the program may not need it. */
	error_destroy(error);
	return find_all(closure);
}

struct error *library_closure_add(struct guest_files *files, const char *path, struct elf_needs *needs, bool lenient)
{
	_cleanup_(closure_deinit) struct closure closure = {.files = files, .lenient = lenient};
	struct object *program = memory_alloc(sizeof(*program));

	*program =
	    (struct object){.name = memory_strdup(path), .path = memory_strdup(path), .real = memory_strdup(path)};
	program->needs = *needs;
	*needs = (struct elf_needs){0};
	vector_push(&closure.objects, program);

	struct error *error = take_interpreter(&closure);

	if (error && lenient) {
		error_destroy(error);
		error = NULL;
	}
	if (error)
		return error;
	closure.lib = lib_of(files->library_directory);
	library_search_configuration("/etc/ld.so.conf", &closure.configured);
	error = find_all(&closure);
	return error ? error : take_unwinder(&closure);
}
