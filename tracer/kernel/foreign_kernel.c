/* The kernel of a machine that somebody else runs: see foreign_kernel.h. */
#include "kernel/foreign_kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "arch/disassemble.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "kernel/lineage.h"

#define HOW "save it in the guest, as root, with: cat /proc/kallsyms >FILE"

/* --- the symbols --- */

/* Any kernel that can fork has them. */
static bool find_worker(struct kernel_symbols *symbols, uint64_t *worker, uint64_t *copy)
{
	return lineage_find(symbols, STAGE_WORKER, STAGE_ENTRY_SYSENTER, 0, worker, NULL) &&
	       lineage_find(symbols, STAGE_COPY, STAGE_ENTRY_SYSENTER, 0, copy, NULL);
}

static struct error *check_symbols(const char *path, struct kernel_symbols *symbols)
{
	uint64_t worker, copy;

	if (kernel_symbols_hidden(symbols))
		return error_create(ERROR_INPUT, 0, path,
				    "all addresses in %s are 0, as they are shown to users without privilege or with "
				    "kernel.kptr_restrict=2: " HOW,
				    path);
	if (!find_worker(symbols, &worker, &copy))
		return error_create(ERROR_INPUT, 0, path,
				    "%s is no whole copy of a /proc/kallsyms: it has no function that forks; " HOW,
				    path);
	if (worker > UINT32_MAX || copy > UINT32_MAX)
		return error_create(ERROR_UNSUPPORTED, 0, path,
				    "%s is a 64-bit kernel's: behind a GDB stub forktrace follows 32-bit x86 kernels "
				    "alone",
				    path);
	return NULL;
}

static struct error *read_file(const char *path, struct buffer *text)
{
	enum { CHUNK = 64 * 1024, TEXT_MAX = 64 * 1024 * 1024 };
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 && errno == ENOENT)
		return error_create(ERROR_INPUT, 0, path, "there is no file %s with the kernel's symbols: " HOW, path);
	if (fd < 0)
		return error_system(errno, path, "the kernel's symbols in %s cannot be read", path);
	while (text->size <= TEXT_MAX) {
		ssize_t got = read(fd, buffer_reserve(text, CHUNK), CHUNK);

		if (got == 0)
			return NULL;
		if (got < 0 && errno != EINTR)
			return error_system(errno, path, "the kernel's symbols in %s cannot be read", path);
		text->size += got > 0 ? (size_t)got : 0;
	}
	buffer_clear(text); /* of no kernel */
	return NULL;
}

struct error *foreign_kernel_load(const char *path, struct kernel_symbols **symbols)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};
	struct error *error = read_file(path, &text);

	if (error)
		return error;
	*symbols = kernel_symbols_create(text.data, text.size);
	error = check_symbols(path, *symbols);
	if (error) {
		kernel_symbols_destroy(*symbols);
		*symbols = NULL;
	}
	return error;
}

/* --- do they fit? --- */

enum { CODE_MAX = 2048, FUNCTIONS_MAX = 4 };

struct calls {
	unsigned seen, fitting; /* direct calls, and those of them that lead to where a function starts */
};

/* Decodes from the function's start: one that is not there gives other calls, or no sense. */
static void count_calls(const struct kernel_symbols *symbols, struct disassembler *disassembler, const uint8_t *code,
			size_t size, uint64_t address, struct calls *calls)
{
	struct instruction instruction;

	for (size_t at = 0; at < size; at += instruction.length) {
		uint64_t start, end;

		if (!disassemble(disassembler, code + at, size - at, address + at, &instruction))
			return;
		if (instruction.kind != INSTRUCTION_CALL || !instruction.direct)
			continue;
		calls->seen++;
		if (kernel_symbols_bounds(symbols, instruction.target, &start, &end) && start == instruction.target)
			calls->fitting++;
	}
}

static size_t find_functions(struct kernel_symbols *symbols, uint64_t functions[FUNCTIONS_MAX])
{
	size_t count = find_worker(symbols, &functions[0], &functions[1]) ? 2 : 0;

	if (lineage_find(symbols, STAGE_WAKE, STAGE_ENTRY_SYSENTER, 0, &functions[count], NULL))
		count++;
	if (kernel_symbols_by_name(symbols, "do_exit", &functions[count], NULL))
		count++;
	return count;
}

static enum foreign_kernel_fit judge(const struct calls *calls)
{
	enum { CALLS_LEAST = 8 };

	/* Where the decoder loses its way a call or two may be none. */
	return calls->seen >= CALLS_LEAST && calls->fitting * 4 >= calls->seen * 3 ? FOREIGN_KERNEL_FITS
										   : FOREIGN_KERNEL_DIFFERS;
}

enum foreign_kernel_fit foreign_kernel_check(const struct space *space, struct kernel_symbols *symbols)
{
	uint64_t functions[FUNCTIONS_MAX], start, end;
	size_t count = find_functions(symbols, functions);
	struct disassembler *disassembler;
	struct calls calls = {0};
	struct error *error = disassembler_create(ABI_I386, &disassembler);
	bool read = !error;

	for (size_t i = 0; i < count && read; i++) {
		uint8_t code[CODE_MAX];
		size_t size = sizeof(code);

		if (kernel_symbols_bounds(symbols, functions[i], &start, &end) && end - start < size)
			size = end - start;
		error_destroy(error);
		error = space_read(space, functions[i], code, size);
		read = !error;
		if (read)
			count_calls(symbols, disassembler, code, size, functions[i], &calls);
	}
	error_destroy(error);
	disassembler_destroy(disassembler);
	return read ? judge(&calls) : FOREIGN_KERNEL_UNREADABLE;
}

/* --- the release --- */

/* The word behind "Linux version " (init/version.c), which goes on with "(builder) …". */
static bool take_release(const char *text, size_t size, char *release, size_t release_size)
{
	size_t length = 0;

	while (length < size && length < release_size - 1 && text[length] > ' ' && text[length] <= '~')
		length++;
	if (!length || length == size || text[length] != ' ')
		return false;
	memcpy(release, text, length);
	release[length] = '\0';
	return true;
}

bool foreign_kernel_release(const struct space *space, struct kernel_symbols *symbols, char *release, size_t size)
{
	enum { STEP = 2048, OVERLAP = 512, FAR = 4 << 20 };
	static const char banner[] = "Linux version ";
	char text[STEP + OVERLAP];
	uint64_t code_end;

	/* The constants, which init/version.c heads, lie behind the code. */
	if (!kernel_symbols_by_name(symbols, "_etext", &code_end, NULL))
		return false;
	for (uint64_t at = code_end & -(uint64_t)STEP; at < code_end + FAR; at += STEP) {
		struct error *error = space_read(space, at, text, sizeof(text));
		const char *found = error ? NULL : memmem(text, sizeof(text), banner, strlen(banner));

		error_destroy(error);
		if (found && take_release(found + strlen(banner),
					  sizeof(text) - (size_t)(found - text) - strlen(banner), release, size))
			return true;
	}
	return false;
}
