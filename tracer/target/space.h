/* An address space: how to read its memory, and the ELF modules mapped in it. Shared by CLONE_VM, copied by fork
 * (cheaply: the list of modules is immutable and shared), replaced by exec. Above this folder nobody knows a pid's
 * /proc files. */
#ifndef FORKTRACE_TARGET_SPACE_H
#define FORKTRACE_TARGET_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch/abi.h"
#include "base/error.h"

/* One file that was mapped somewhere, kept open as long as anybody uses it. Shared between all spaces that map the same
 * file (device, inode, size and mtime equal), so that what is known of it (symbols) is found out once. */
struct module_file {
	unsigned references;
	char *path;       /* as /proc/PID/maps names it: in the process's own mount namespace; "[vdso]" for the vDSO */
	int fd;           /* opened in the process's mount namespace; -1: could not be opened, or the vDSO */
	char *open_error; /* why fd is -1, one sentence; else NULL */
	uint8_t *image;   /* the vDSO's bytes, or those of a file that could not be opened, read from the process, in
			     the order of the file; else NULL */
	size_t image_size;
	enum abi abi;
	uint8_t build_id[64];
	size_t build_id_size; /* 0: it has none */

	/* Where things lie, in bytes from the start of the module. */
	uint64_t memory_size;     /* up to the end of the last segment, in whole pages */
	uint64_t alignment_gap;   /* how far below the start the first segment's alignment puts it; may be negative */
	uint64_t entry;           /* the entry point; 0: none */
	uint64_t eh_frame_hdr;    /* PT_GNU_EH_FRAME; 0: none */
	uint64_t identity_offset; /* bytes by which the file is told from another one at the same address: the build
				     id, else the ELF header */
	uint8_t identity[64];
	size_t identity_size;
	uint64_t first_address; /* of the first segment, as the file has it, in whole pages: the start of the module */
	uint64_t first_offset;  /* of the first segment in the file, in whole pages */
	uint64_t code_address;  /* of the first executable segment, in whole pages */
	uint64_t code_offset;   /* of the same in the file */

	void *symbols; /* owned by symbol/: what it knows of this file; freed by symbols_destroy */
	void (*symbols_destroy)(void *symbols);
	void *rules; /* likewise: its call frame information */
	void (*rules_destroy)(void *rules);
};

/* A file's place in a space. */
struct module {
	uint64_t start, end; /* first byte of the first, end of the last mapping of the file */
	struct module_file *file;
	bool starts; /* the executable, or the dynamic loader: the program starts at its entry point */
	bool loader; /* the dynamic loader; not told of a foreign space's */
};

/* All ELF modules of a space at one time, by ascending start. Immutable, shared by reference. */
struct module_map {
	unsigned references;
	unsigned long id; /* unique in this run */
	enum abi abi;     /* of the executable's ELF class */
	size_t count;
	struct module *modules;
	void *unwinding; /* owned by symbol/: its Dwfl for exactly these modules; freed by unwinding_destroy */
	void (*unwinding_destroy)(void *unwinding);
};

struct space;
struct breakpoint_table;

/* Where an address space that is not a process's of this machine comes from: a guest's, through its stub. */
struct space_source {
	/* As space_read. */
	struct error *(*read)(void *context, uint64_t address, void *bytes, size_t size);
	/* Puts the map of the modules together (module_map_build); the caller's own. */
	struct error *(*modules)(void *context, const struct space *space, struct module_map **map);
	void *context;
};

struct space {
	unsigned references;
	pid_t tid;                  /* a task through which memory is read; the stopped one, set by whoever reads */
	struct module_map *modules; /* NULL until first needed (space_modules) */
	const struct space_source *source;    /* NULL: a process of this machine */
	void *owner;                          /* the source's own: whatever tells this space from others */
	struct breakpoint_table *breakpoints; /* NULL: none (target/breakpoints.h) */
};

/* Spaces are made at the start or at an attach (create), at fork (copy: the module map is shared), shared with CLONE_VM
 * (ref). */
struct space *space_create(pid_t tid);
/* One whose memory comes from `source`, which must outlive it. */
struct space *space_create_foreign(const struct space_source *source, void *owner);
struct space *space_copy(const struct space *space, pid_t tid);
struct space *space_ref(struct space *space);
void space_unref(struct space *space); /* accepts NULL */

/* Forgets the modules (exec, or a pc that lies in none of them). */
void space_drop_modules(struct space *space);

/* The modules, read from /proc/TID/maps where they are not known yet; borrowed from the space. */
struct error *space_modules(struct space *space, const struct module_map **modules);

/* Reads the modules again. Where they are the same as before, the map is kept, with all that is known of it; *changed
 * tells. */
struct error *space_refresh_modules(struct space *space, bool *changed);

/* A file in a foreign space. */
struct module_place {
	uint64_t bias;    /* what is added to the addresses in the file (link_map's l_addr) */
	const char *path; /* as the process names it; "[vdso]" */
	int fd;           /* the file, taken over; -1: see image */
	uint8_t *image;   /* taken over; NULL with fd -1: only the name is known */
	size_t image_size;
	const char *reason; /* why there is neither; copied */
	uint64_t start;     /* where there is neither */
	uint64_t size;      /* likewise, bytes; 0: not known, a page is taken */
	bool starts;        /* as in struct module */
};

/* A map of modules with one reference, from places in any order. What is no ELF file, or lies over another, is left
 * out. */
struct module_map *module_map_build(enum abi abi, const struct module_place *places, size_t count);

/* The module that `address` lies in, or NULL. */
const struct module *module_map_find(const struct module_map *map, uint64_t address);

/* Reads exactly `size` bytes at `address`, breakpoints of ours hidden, with process_vm_readv(2), falling back to
 * /proc/TID/mem where that is refused; error_fault where any of it is not readable, error_gone when the process died.
 */
struct error *space_read(const struct space *space, uint64_t address, void *bytes, size_t size);

/* Reads several runs in one system call (process_vm_readv with iovecs); all or nothing. `bytes` takes them one after
 * another. */
struct space_run {
	uint64_t address;
	size_t size;
};
struct error *space_read_runs(const struct space *space, const struct space_run *runs, size_t count, void *bytes);

/* Writes through /proc/TID/mem (works on read-only pages too: the kernel makes a private copy, as for PTRACE_POKEDATA).
 */
struct error *space_write(const struct space *space, uint64_t address, const void *bytes, size_t size);

#endif
