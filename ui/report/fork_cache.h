/* The drawn stacks of forks, kept for forks that come again: a program's second fork from one place differs in its head
 * alone. */
#ifndef FORKTRACE_UI_REPORT_FORK_CACHE_H
#define FORKTRACE_UI_REPORT_FORK_CACHE_H

#include "base/buffer.h"
#include "forktrace.h"

enum { FORK_CACHE_ENTRIES = 64 };

/* All that the drawing depends on; stacks by their ids, which are never used twice. No holes: it is compared as bytes.
 */
struct fork_cache_key {
	uint64_t stacks[4]; /* parent's and child's, kernel's of both; 0: none */
	const char *release, *reason;
	uint32_t entry, entry_certain, source, own_stack;
};

struct fork_cache_entry {
	struct fork_cache_key key;
	struct buffer text; /* empty: the entry is free */
	size_t notes;       /* where in it the notes begin */
};

struct fork_cache {
	struct fork_cache_entry entries[FORK_CACHE_ENTRIES];
};

void fork_cache_deinit(struct fork_cache *cache);

struct fork_cache_key fork_cache_key_of(const struct fork_record *fork);

/* The entry for `key`: its own if the text is not empty, else a free one (what stood there before is forgotten) that
 * the caller fills. */
struct fork_cache_entry *fork_cache_find(struct fork_cache *cache, const struct fork_cache_key *key);

#endif
