/* Remembers stacks: see memo.h. */
#include "unwind/memo.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/map.h"
#include "base/memory.h"
#include "unwind/dependencies.h"

enum {
	ENTRIES_MAX = 128,
	SAME_KEY_MAX = 4, /* stacks that differ in memory alone */
	GAP_MAX = 1024,   /* bytes between two words that are read in one run */
};

/* What is looked up first; the rest is compared. */
struct memo_key {
	uint64_t abi, pc, sp, modules, in_syscall, fresh_stack;
};

/* Bytes of the runs, read one after another, that have to be what they were. */
struct part {
	size_t offset, size;
};

struct entry {
	struct memo_key key;
	struct entry *next;          /* of the same key, older */
	struct entry *older, *newer; /* by use */
	uint32_t register_mask;
	uint64_t registers[REGISTER_MAX];
	VECTOR(struct space_run) runs;
	VECTOR(struct part) parts;
	uint8_t *bytes; /* what the runs held */
	size_t size;
	struct unwound *unwound;
};

struct memo {
	struct map by_key; /* hash -> newest entry */
	struct entry *oldest, *newest;
	size_t count;
	uint8_t *scratch; /* takes the runs */
	size_t scratch_size;
};

struct memo *memo_create(void)
{
	return memory_alloc(sizeof(struct memo));
}

static void use_remove(struct memo *memo, struct entry *entry)
{
	*(entry->older ? &entry->older->newer : &memo->oldest) = entry->newer;
	*(entry->newer ? &entry->newer->older : &memo->newest) = entry->older;
	entry->older = entry->newer = NULL;
}

static void use_append(struct memo *memo, struct entry *entry)
{
	entry->older = memo->newest;
	*(memo->newest ? &memo->newest->newer : &memo->oldest) = entry;
	memo->newest = entry;
}

static uint64_t key_hash(const struct memo_key *key)
{
	return hash_bytes(0, key, sizeof(*key));
}

static void entry_destroy(struct memo *memo, struct entry *entry)
{
	uint64_t hash = key_hash(&entry->key);
	struct entry *first = map_get(&memo->by_key, hash);

	if (first != entry) {
		while (first->next != entry)
			first = first->next;
		first->next = entry->next;
	} else if (entry->next) {
		map_put(&memo->by_key, hash, entry->next);
	} else {
		map_remove(&memo->by_key, hash);
	}
	use_remove(memo, entry);
	memo->count--;
	unwound_unref(entry->unwound);
	vector_deinit(&entry->runs);
	vector_deinit(&entry->parts);
	free(entry->bytes);
	free(entry);
}

void memo_destroy(struct memo *memo)
{
	if (!memo)
		return;
	while (memo->oldest)
		entry_destroy(memo, memo->oldest);
	map_deinit(&memo->by_key);
	free(memo->scratch);
	free(memo);
}

static struct memo_key make_key(const struct module_map *modules, const struct registers *registers,
				const struct capture_hint *hint)
{
	return (struct memo_key){
	    .abi = registers->abi,
	    .pc = registers_pc(registers),
	    .sp = registers_sp(registers),
	    .modules = modules->id,
	    .in_syscall = hint->in_syscall,
	    .fresh_stack = hint->fresh_stack,
	};
}

static bool same_registers(const struct entry *entry, const struct registers *registers)
{
	for (unsigned i = 0; i < REGISTER_MAX; i++) {
		if ((entry->register_mask & (UINT32_C(1) << i)) && entry->registers[i] != registers->value[i])
			return false;
	}
	return true;
}

static bool same_memory(struct memo *memo, const struct entry *entry, const struct space *space)
{
	if (memo->scratch_size < entry->size) {
		memo->scratch = memory_resize(memo->scratch, entry->size, 1);
		memo->scratch_size = entry->size;
	}

	struct error *error = space_read_runs(space, entry->runs.items, entry->runs.count, memo->scratch);

	if (error) {
		/* Whatever it is, the unwind that follows meets it again. */
		error_destroy(error);
		return false;
	}
	for (size_t i = 0; i < entry->parts.count; i++) {
		struct part part = entry->parts.items[i];

		if (memcmp(memo->scratch + part.offset, entry->bytes + part.offset, part.size) != 0)
			return false;
	}
	return true;
}

struct unwound *memo_find(struct memo *memo, const struct space *space, const struct registers *registers,
			  const struct capture_hint *hint)
{
	struct memo_key key = make_key(space->modules, registers, hint);

	for (struct entry *entry = map_get(&memo->by_key, key_hash(&key)); entry; entry = entry->next) {
		if (memcmp(&entry->key, &key, sizeof(key)) != 0 || !same_registers(entry, registers) ||
		    !same_memory(memo, entry, space))
			continue;
		use_remove(memo, entry);
		use_append(memo, entry);
		return unwound_ref(entry->unwound);
	}
	return NULL;
}

static void add_bytes(struct entry *entry, uint64_t address, const void *bytes, size_t size)
{
	struct space_run *last = entry->runs.count ? &entry->runs.items[entry->runs.count - 1] : NULL;
	uint64_t end = last ? last->address + last->size : 0;

	if (last && address + size <= end)
		return; /* the same word again */
	if (!last || address < end || address - end > GAP_MAX) {
		vector_push(&entry->runs, (struct space_run){address, 0});
		last = &entry->runs.items[entry->runs.count - 1];
		end = address;
	}

	size_t grown = entry->size + (address - end) + size;

	entry->bytes = memory_resize(entry->bytes, grown, 1);
	memset(entry->bytes + entry->size, 0, grown - entry->size - size);
	memcpy(entry->bytes + grown - size, bytes, size);
	vector_push(&entry->parts, (struct part){grown - size, size});
	last->size += grown - entry->size;
	entry->size = grown;
}

static int compare_words(const void *one, const void *other)
{
	const struct page_word *a = one, *b = other;

	return (a->address > b->address) - (a->address < b->address);
}

static void add_words(struct entry *entry, struct page_cache *memory)
{
	if (memory->words.count)
		qsort(memory->words.items, memory->words.count, sizeof(*memory->words.items), compare_words);
	for (size_t i = 0; i < memory->words.count; i++) {
		const struct page_word *word = &memory->words.items[i];

		add_bytes(entry, word->address, &word->value, memory->word_size);
	}
}

/* A library that was unloaded, and another one that was loaded in its place, shows in its build id. */
static void add_modules(struct entry *entry, const struct walk *walk)
{
	for (size_t i = 0; i < walk->frames.count; i++) {
		const struct module *module = walk->frames.items[i].module;
		bool seen = false;

		for (size_t j = 0; j < i && !seen; j++)
			seen = walk->frames.items[j].module == module;
		if (!seen && module->file->identity_size)
			add_bytes(entry, module->start + module->file->identity_offset, module->file->identity,
				  module->file->identity_size);
	}
}

static void make_room(struct memo *memo, const struct memo_key *key)
{
	size_t same = 0;

	for (struct entry *entry = map_get(&memo->by_key, key_hash(key)), *next; entry; entry = next) {
		next = entry->next;
		if (++same >= SAME_KEY_MAX)
			entry_destroy(memo, entry);
	}
	if (memo->count >= ENTRIES_MAX)
		entry_destroy(memo, memo->oldest);
}

/* Frames in no known file are not remembered: nothing would tell that a file was mapped there since. */
static bool is_memorable(const struct walk *walk)
{
	for (size_t i = 0; i < walk->frames.count; i++) {
		if (!walk->frames.items[i].module)
			return false;
	}
	return true;
}

void memo_add(struct memo *memo, const struct walk *walk, const struct registers *registers,
	      const struct capture_hint *hint, struct unwound *unwound)
{
	if (!is_memorable(walk))
		return;

	struct entry *entry = memory_alloc(sizeof(*entry));
	uint32_t mask = dependencies_find(walk, !unwound->reason || unwound->truncated);

	entry->key = make_key(walk->modules, registers, hint);
	entry->register_mask = mask;
	memcpy(entry->registers, registers->value, sizeof(entry->registers));
	entry->unwound = unwound_ref(unwound);
	add_words(entry, walk->memory);
	add_modules(entry, walk);
	make_room(memo, &entry->key);

	uint64_t hash = key_hash(&entry->key);

	entry->next = map_get(&memo->by_key, hash);
	map_put(&memo->by_key, hash, entry);
	use_append(memo, entry);
	memo->count++;
}
