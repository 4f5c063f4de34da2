/* Snapshots of guests whose PID 1 is ready, in a directory. Internal to kernel/.
 *
 * A file holds a head, the text of the guest's /proc/kallsyms, and QEMU's migration stream. It is written under another
 * name, locked meanwhile, and renamed when whole: runs side by side never see half of one, and one that is open stays
 * good when another takes its name. */
#ifndef FORKTRACE_KERNEL_GUEST_SNAPSHOT_H
#define FORKTRACE_KERNEL_GUEST_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "kernel/guest_state.h"

struct snapshot_key {
	uint64_t words[2];
};

/* Of all that a snapshot depends on: the kernel's content, QEMU's program (path, size and time of change), its options,
 * and PID 1. Errors: the kernel or QEMU cannot be read. */
struct error *snapshot_key_make(const char *kernel, const char *qemu, const char *options, struct snapshot_key *key);

struct snapshot {
	int fd; /* -1: none; positioned at the stream */
	char *path;
	char *qemu; /* the version that made it; NULL while it is made */
	bool begun; /* and not committed yet */
};

/* Opens the one with this key, if there is one whose head is in order. */
bool snapshot_open(const char *directory, const struct snapshot_key *key, struct snapshot *snapshot);

/* Reads all of it, and takes what it says about the guest. False, and nothing taken: it is not what was written. */
bool snapshot_load(const struct snapshot *snapshot, struct guest_facts *facts);

/* Removes it: it is damaged, or QEMU does not take it. */
void snapshot_discard(const struct snapshot *snapshot);

/* Begins one, made by this version of `qemu`: the stream goes to the snapshot's fd. False where the directory cannot be
 * written: no loss. */
bool snapshot_begin(const char *directory, const struct snapshot_key *key, const struct guest_facts *facts,
		    const char *qemu, struct snapshot *snapshot);

/* Ends it: it gets its name, and the directory is brought within its bounds (the newest four, 512 MiB). */
bool snapshot_commit(const char *directory, const struct snapshot_key *key, struct snapshot *snapshot);

/* Closes; what was begun and not committed is removed. */
void snapshot_deinit(struct snapshot *snapshot);

#endif
