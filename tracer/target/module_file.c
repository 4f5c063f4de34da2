/* Files that are mapped somewhere: see module_file.h.
 *
 * Those that nobody maps at the moment stay open for a while: a run of make executes the same few files again and
 * again, and what is known of their symbols is expensive. */
#include "target/module_file.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "base/memory.h"
#include "parse/elf_header.h"

enum {
	UNUSED_MAX = 64,           /* files kept open that nobody maps */
	SEGMENT_TABLE_MAX = 65536, /* bytes of program headers that are believed */
	NOTES_MAX = 65536,         /* bytes of one PT_NOTE segment that are looked through */
	PAGE = 4096,               /* x86 has no other base page */
};

/* What makes two mapped files the same. An image has its content's hash alone. */
struct file_key {
	uint64_t device, inode, size, seconds, nanoseconds, content;
};

struct entry {
	struct module_file file; /* first: an entry is found from its file */
	struct file_key key;
	struct entry *next;          /* of the same hash */
	struct entry *older, *newer; /* among the unused ones */
	bool shared;                 /* in the registry */
};

static struct {
	struct map by_hash;
	struct entry *oldest, *newest;
	size_t unused;
} registry;

static bool file_bytes(const struct module_file *file, uint64_t offset, void *bytes, size_t size)
{
	if (file->image) {
		if (offset > file->image_size || size > file->image_size - offset)
			return false;
		memcpy(bytes, file->image + offset, size);
		return true;
	}
	return pread(file->fd, bytes, size, (off_t)offset) == (ssize_t)size;
}

static void describe_notes(struct module_file *file, const struct elf_segment *segment, uint64_t start)
{
	size_t size = segment->file_size < NOTES_MAX ? segment->file_size : NOTES_MAX;
	size_t offset, length;
	_cleanup_free_ uint8_t *notes = memory_alloc(size);

	if (file->build_id_size || !file_bytes(file, segment->offset, notes, size) ||
	    !elf_build_id_find(notes, size, segment->alignment, &offset, &length) || length > sizeof(file->build_id))
		return;
	memcpy(file->build_id, notes + offset, length);
	file->build_id_size = length;
	memcpy(file->identity, notes + offset, length);
	file->identity_size = length;
	file->identity_offset = segment->address + offset - start;
}

/* Goes through the segments once: the first to be loaded tells where the module starts, the others lie behind it. */
static bool describe_segments(struct module_file *file, const struct elf_header *header, const uint8_t *table,
			      size_t size)
{
	struct elf_segment segment;
	uint64_t start = 0;
	bool loaded = false, has_code = false;

	for (unsigned i = 0; elf_segment_parse(header, table, size, i, &segment); i++) {
		if (segment.type != PT_LOAD)
			continue;
		if (!loaded) {
			uint64_t alignment = segment.alignment > 1 ? segment.alignment : 1;

			start = segment.address & -(uint64_t)PAGE;
			file->alignment_gap = start - (segment.address & -alignment);
			file->first_address = start;
			file->first_offset = segment.offset & -(uint64_t)PAGE;
			loaded = true;
		}
		if ((segment.flags & PF_X) && !has_code) {
			file->code_address = (segment.address & -(uint64_t)PAGE) - start;
			file->code_offset = segment.offset & -(uint64_t)PAGE;
			has_code = true;
		}
		file->memory_size = (segment.address + segment.memory_size - start + PAGE - 1) & -(uint64_t)PAGE;
	}
	if (loaded && header->entry)
		file->entry = header->entry - start;
	for (unsigned i = 0; loaded && elf_segment_parse(header, table, size, i, &segment); i++) {
		if (segment.type == PT_NOTE)
			describe_notes(file, &segment, start);
		else if (segment.type == PT_GNU_EH_FRAME)
			file->eh_frame_hdr = segment.address - start;
	}
	return loaded;
}

/* As mapped: in whole pages, with what the file has behind the segment. */
static bool read_clean(const struct module_file *file, const struct elf_segment *segment, uint64_t address, void *bytes,
		       size_t size)
{
	const uint64_t page = -(uint64_t)PAGE;
	uint64_t start = segment->address & page, end = (segment->address + segment->file_size + PAGE - 1) & page;

	if (segment->type != PT_LOAD || (segment->flags & PF_W) || address < start || address + size > end ||
	    address + size < address)
		return false;
	if (file->image)
		return file_bytes(file, (segment->offset & page) + (address - start), bytes, size);
	memset(bytes, 0, size);
	return pread(file->fd, bytes, size, (off_t)((segment->offset & page) + (address - start))) > 0;
}

bool module_file_read(const struct module_file *file, uint64_t offset, void *bytes, size_t size)
{
	uint8_t head[ELF_HEADER_SIZE] = {0};
	struct elf_header header;
	struct elf_segment segment;
	size_t table_size;

	if ((!file->image && file->fd < 0) || !file_bytes(file, 0, head, sizeof(head)) ||
	    !elf_header_parse(head, sizeof(head), &header))
		return false;
	table_size = (size_t)header.segment_count * header.segment_size;
	if (!table_size || table_size > SEGMENT_TABLE_MAX)
		return false;

	_cleanup_free_ uint8_t *table = memory_alloc(table_size);

	if (!file_bytes(file, header.segment_table, table, table_size))
		return false;
	for (unsigned i = 0; elf_segment_parse(&header, table, table_size, i, &segment); i++) {
		if (read_clean(file, &segment, file->first_address + offset, bytes, size))
			return true;
	}
	return false;
}

/* Reads what the rest of the engine wants to know at once. Returns false where it is no ELF file to be loaded. */
static bool describe(struct module_file *file)
{
	uint8_t bytes[ELF_HEADER_SIZE] = {0};
	struct elf_header header;

	/* A 32-bit header is shorter; a file that ends in between cannot have segments. */
	if (!file_bytes(file, 0, bytes, sizeof(bytes)) || !elf_header_parse(bytes, sizeof(bytes), &header))
		return false;

	size_t size = (size_t)header.segment_count * header.segment_size;

	if (header.abi == ABI_UNKNOWN || !size || size > SEGMENT_TABLE_MAX)
		return false;

	_cleanup_free_ uint8_t *table = memory_alloc(size);

	file->abi = header.abi;
	if (!file_bytes(file, header.segment_table, table, size) || !describe_segments(file, &header, table, size))
		return false;
	if (!file->identity_size && file->first_offset == 0) {
		memcpy(file->identity, bytes, sizeof(bytes));
		file->identity_size = sizeof(bytes);
	}
	return true;
}

static void entry_destroy(struct entry *entry)
{
	struct module_file *file = &entry->file;

	if (file->symbols)
		file->symbols_destroy(file->symbols);
	if (file->rules)
		file->rules_destroy(file->rules);
	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	free(file->open_error);
	free(file->image);
	free(entry);
}

static uint64_t key_hash(const struct file_key *key)
{
	return hash_bytes(0, key, sizeof(*key));
}

static void unused_remove(struct entry *entry)
{
	*(entry->older ? &entry->older->newer : &registry.oldest) = entry->newer;
	*(entry->newer ? &entry->newer->older : &registry.newest) = entry->older;
	entry->older = entry->newer = NULL;
	registry.unused--;
}

static void unused_append(struct entry *entry)
{
	entry->older = registry.newest;
	*(registry.newest ? &registry.newest->newer : &registry.oldest) = entry;
	registry.newest = entry;
	registry.unused++;
}

static void registry_remove(struct entry *entry)
{
	uint64_t hash = key_hash(&entry->key);
	struct entry *first = map_get(&registry.by_hash, hash);

	if (first != entry) {
		while (first->next != entry)
			first = first->next;
		first->next = entry->next;
	} else if (entry->next) {
		map_put(&registry.by_hash, hash, entry->next);
	} else {
		map_remove(&registry.by_hash, hash);
	}
	if (!registry.by_hash.count)
		map_deinit(&registry.by_hash);
}

/* The same file may be mapped under several names, by hard links or mounts: each name is an object of its own. */
static struct module_file *registry_find(const struct file_key *key, const char *path)
{
	struct entry *entry = map_get(&registry.by_hash, key_hash(key));

	while (entry && (memcmp(&entry->key, key, sizeof(*key)) != 0 || strcmp(entry->file.path, path) != 0))
		entry = entry->next;
	if (!entry)
		return NULL;
	if (entry->file.references++ == 0)
		unused_remove(entry);
	return &entry->file;
}

static struct entry *entry_create(const char *path)
{
	struct entry *entry = memory_alloc(sizeof(*entry));

	entry->file.references = 1;
	entry->file.path = memory_strdup(path);
	entry->file.fd = -1;
	return entry;
}

/* Puts a new entry into the registry, or destroys it where its file is not ELF. */
static struct module_file *registry_add(struct entry *entry, const struct file_key *key)
{
	if (!describe(&entry->file)) {
		entry_destroy(entry);
		return NULL;
	}

	uint64_t hash = key_hash(key);

	entry->key = *key;
	entry->shared = true;
	entry->next = map_get(&registry.by_hash, hash);
	map_put(&registry.by_hash, hash, entry);
	return &entry->file;
}

struct module_file *module_file_of_fd(int fd, const struct stat *status, const char *path)
{
	struct file_key key = {
	    .device = status->st_dev,
	    .inode = status->st_ino,
	    .size = (uint64_t)status->st_size,
	    .seconds = (uint64_t)status->st_mtim.tv_sec,
	    .nanoseconds = (uint64_t)status->st_mtim.tv_nsec,
	};
	struct module_file *known = registry_find(&key, path);

	if (known) {
		close(fd);
		return known;
	}

	struct entry *entry = entry_create(path);

	entry->file.fd = fd;
	return registry_add(entry, &key);
}

struct module_file *module_file_of_image(uint8_t *image, size_t size, const char *path, char *open_error)
{
	struct file_key key = {.size = size, .content = hash_bytes(0, image, size)};
	struct module_file *known = registry_find(&key, path);

	if (known && known->image && !memcmp(known->image, image, size)) {
		free(image);
		free(open_error);
		return known;
	}
	module_file_unref(known);

	struct entry *entry = entry_create(path);

	entry->file.image = image;
	entry->file.image_size = size;
	entry->file.open_error = open_error;
	return registry_add(entry, &key);
}

struct module_file *module_file_unreadable(const char *path, char *open_error)
{
	struct entry *entry = entry_create(path);

	entry->file.open_error = open_error;
	return &entry->file;
}

void module_file_unref(struct module_file *file)
{
	struct entry *entry = (struct entry *)file;

	if (!file || --file->references)
		return;
	if (!entry->shared) {
		entry_destroy(entry);
		return;
	}
	unused_append(entry);
	if (registry.unused > UNUSED_MAX) {
		struct entry *oldest = registry.oldest;

		unused_remove(oldest);
		registry_remove(oldest);
		entry_destroy(oldest);
	}
}
