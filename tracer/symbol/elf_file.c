/* Hands opened files to libdwfl: see elf_file.h. */
#include "symbol/elf_file.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <libelf.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "symbol/cfi.h"

/* One more reference to the tracing thread's Elf: its Dwfls share the mapping, and none keeps a descriptor. */
static Elf *share_elf(struct module_file *file)
{
	struct cfi_rules *rules = cfi_rules_of(file);

	if (!rules->elf)
		rules->elf = elf_begin(file->fd, ELF_C_READ_MMAP, NULL);
	return rules->elf ? elf_begin(file->fd, ELF_C_READ_MMAP, rules->elf) : NULL;
}

static void find(struct module_file *file, enum elf_user user, char **file_name, Elf **elf)
{
	if (file->image) {
		/* libelf does not write to what it only reads, and the image outlives it. */
		*elf = elf_memory((char *)file->image, file->image_size);
	} else if (file->fd >= 0) {
		*file_name = memory_strdup(file->path); /* the directory where .gnu_debuglink is looked for */
		*elf = user == ELF_USER_NAMES ? elf_begin(file->fd, ELF_C_READ_MMAP, NULL) : share_elf(file);
	}
}

/* Dwfl_Callbacks.find_elf: the file as target/ opened it. */
static int find_elf_to_unwind(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base, char **file_name,
			      Elf **elf)
{
	(void)module;
	(void)name;
	(void)base;
	find(*userdata, ELF_USER_UNWINDING, file_name, elf);
	return -1;
}

static int find_elf_to_name(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base, char **file_name,
			    Elf **elf)
{
	(void)module;
	(void)name;
	(void)base;
	find(*userdata, ELF_USER_NAMES, file_name, elf);
	return -1;
}

/* Has the ELF file behind `fd` this build id? */
static bool has_build_id(int fd, const void *id, int size)
{
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	const void *found;
	bool same = elf && dwelf_elf_gnu_build_id(elf, &found) == size && !memcmp(found, id, (size_t)size);

	elf_end(elf);
	return same;
}

/* Looks for the file that .gnu_debuglink names in the places that the GDB manual lists ("Separate Debug Files"). */
static int find_by_link(const char *file_name, const char *link, const void *id, int size, char **found)
{
	static const struct {
		const char *before, *behind; /* the file's directory */
	} places[] = {{"", ""}, {"", "/.debug"}, {"/usr/lib/debug", ""}};
	const char *slash = strrchr(file_name, '/');

	for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
		char path[PATH_MAX];
		int length = snprintf(path, sizeof(path), "%s%.*s%s/%s", places[i].before, (int)(slash - file_name),
				      file_name, places[i].behind, link);

		if (length < 0 || (size_t)length >= sizeof(path))
			continue;

		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && has_build_id(fd, id, size)) {
			*found = memory_strdup(path);
			return fd;
		}
		if (fd >= 0)
			close(fd);
	}
	return -1;
}

/* Dwfl_Callbacks.find_debuginfo. libdwfl's standard lookup would load the debuginfod client, with all of libcurl,
 * before it sees that no server is configured; here nobody is asked, and a build id decides wherever there is one. */
static int find_debuginfo(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
			  const char *file_name, const char *link, GElf_Word checksum, char **found)
{
	const unsigned char *id;
	GElf_Addr address;
	int size = dwfl_module_build_id(module, &id, &address);

	if (size <= 0)
		return link ? dwfl_standard_find_debuginfo(module, userdata, name, base, file_name, link, checksum,
							   found)
			    : -1;

	int fd = dwfl_build_id_find_debuginfo(module, userdata, name, base, file_name, link, checksum, found);

	return fd < 0 && link && file_name ? find_by_link(file_name, link, id, size, found) : fd;
}

Dwfl *elf_file_dwfl_create(enum elf_user user)
{
	static const Dwfl_Callbacks callbacks[] = {
	    [ELF_USER_UNWINDING] = {.find_elf = find_elf_to_unwind,
				    .find_debuginfo = find_debuginfo,
				    .section_address = dwfl_offline_section_address},
	    [ELF_USER_NAMES] = {.find_elf = find_elf_to_name,
				.find_debuginfo = find_debuginfo,
				.section_address = dwfl_offline_section_address},
	};
	Dwfl *dwfl = elf_version(EV_CURRENT) == EV_NONE ? NULL : dwfl_begin(&callbacks[user]);

	if (!dwfl)
		abort(); /* only for want of memory */
	dwfl_report_begin(dwfl);
	return dwfl;
}

Dwfl_Module *elf_file_report(Dwfl *dwfl, struct module_file *file, uint64_t start, uint64_t end)
{
	/* libdwfl takes a module's start for the first segment's address, aligned as the segment asks. */
	Dwfl_Module *module = dwfl_report_module(dwfl, file->path, start - file->alignment_gap, end);
	void **userdata;

	if (module && dwfl_module_info(module, &userdata, NULL, NULL, NULL, NULL, NULL, NULL))
		*userdata = file;
	return module;
}
