/* Records of a perf ring: see perf_sample.h. */
#include "parse/perf_sample.h"

#include <linux/perf_event.h>
#include <string.h>

/* What is left of a record. */
struct cursor {
	const unsigned char *at;
	size_t left;
};

static bool take(struct cursor *cursor, void *value, size_t size)
{
	if (cursor->left < size)
		return false;
	if (value)
		memcpy(value, cursor->at, size);
	cursor->at += size;
	cursor->left -= size;
	return true;
}

/* Copies `size` bytes from position `from`, which may wrap around the end. */
static void copy_from_ring(const struct perf_ring *ring, uint64_t from, unsigned char *bytes, size_t size)
{
	uint64_t offset = from & (ring->size - 1);
	size_t first = ring->size - offset < size ? (size_t)(ring->size - offset) : size;

	memcpy(bytes, ring->data + offset, first);
	memcpy(bytes + first, ring->data, size - first);
}

bool perf_ring_next(struct perf_ring *ring, unsigned char *scratch, struct perf_record *record)
{
	struct perf_event_header header;
	uint64_t available = ring->head - ring->tail;

	if (available == 0)
		return false;
	if (available >= sizeof(header) && available <= ring->size)
		copy_from_ring(ring, ring->tail, (unsigned char *)&header, sizeof(header));
	else
		header.size = 0;
	if (header.size < sizeof(header) || header.size > available) {
		ring->tail = ring->head;
		return false;
	}

	uint64_t offset = ring->tail & (ring->size - 1);

	record->type = header.type;
	record->size = header.size;
	record->bytes = ring->data + offset;
	if (ring->size - offset < header.size) {
		copy_from_ring(ring, ring->tail, scratch, header.size);
		record->bytes = scratch;
	}
	ring->tail += header.size;
	return true;
}

/* The fields of fixed size, in the order of the record. */
static bool take_fixed(struct cursor *cursor, uint64_t type, struct perf_sample *sample)
{
	uint32_t ids[2] = {0}, cpu[2] = {0};

	if (((type & PERF_SAMPLE_IDENTIFIER) && !take(cursor, NULL, sizeof(uint64_t))) ||
	    ((type & PERF_SAMPLE_IP) && !take(cursor, NULL, sizeof(uint64_t))) ||
	    ((type & PERF_SAMPLE_TID) && !take(cursor, ids, sizeof(ids))) ||
	    ((type & PERF_SAMPLE_TIME) && !take(cursor, &sample->time_ns, sizeof(sample->time_ns))) ||
	    ((type & PERF_SAMPLE_ADDR) && !take(cursor, NULL, sizeof(uint64_t))) ||
	    ((type & PERF_SAMPLE_ID) && !take(cursor, NULL, sizeof(uint64_t))) ||
	    ((type & PERF_SAMPLE_STREAM_ID) && !take(cursor, NULL, sizeof(uint64_t))) ||
	    ((type & PERF_SAMPLE_CPU) && !take(cursor, cpu, sizeof(cpu))) ||
	    ((type & PERF_SAMPLE_PERIOD) && !take(cursor, NULL, sizeof(uint64_t))))
		return false;
	sample->pid = (pid_t)ids[0];
	sample->tid = (pid_t)ids[1];
	sample->cpu = cpu[0];
	return true;
}

static bool take_callchain(struct cursor *cursor, struct perf_sample *sample)
{
	uint64_t count;

	if (!take(cursor, &count, sizeof(count)) || count > cursor->left / sizeof(uint64_t))
		return false;
	sample->callchain = cursor->at;
	sample->callchain_count = (size_t)count;
	return take(cursor, NULL, (size_t)count * sizeof(uint64_t));
}

static bool take_raw(struct cursor *cursor, struct perf_sample *sample)
{
	uint32_t size;

	if (!take(cursor, &size, sizeof(size)) || size > cursor->left)
		return false;
	sample->raw = cursor->at;
	sample->raw_size = size;
	return true;
}

bool perf_sample_parse(const struct perf_record *record, uint64_t sample_type, struct perf_sample *sample)
{
	struct cursor cursor = {.at = record->bytes, .left = record->size};

	*sample = (struct perf_sample){0};
	return record->type == PERF_RECORD_SAMPLE && !(sample_type & PERF_SAMPLE_READ) &&
	       take(&cursor, NULL, sizeof(struct perf_event_header)) && take_fixed(&cursor, sample_type, sample) &&
	       (!(sample_type & PERF_SAMPLE_CALLCHAIN) || take_callchain(&cursor, sample)) &&
	       (!(sample_type & PERF_SAMPLE_RAW) || take_raw(&cursor, sample));
}

size_t perf_sample_kernel_chain(const struct perf_sample *sample, uint64_t *addresses, size_t room)
{
	bool in_kernel = false;
	size_t found = 0;

	for (size_t i = 0; i < sample->callchain_count; i++) {
		uint64_t word;

		memcpy(&word, sample->callchain + i * sizeof(word), sizeof(word));
		if (word >= (uint64_t)PERF_CONTEXT_MAX) {
			in_kernel = word == (uint64_t)PERF_CONTEXT_KERNEL;
		} else if (in_kernel) {
			if (found < room)
				addresses[found] = word;
			found++;
		}
	}
	return found;
}

uint64_t perf_record_lost(const struct perf_record *record)
{
	struct {
		struct perf_event_header header;
		uint64_t id;
		uint64_t lost;
	} body;

	if (record->type != PERF_RECORD_LOST || record->size < sizeof(body))
		return 0;
	memcpy(&body, record->bytes, sizeof(body));
	return body.lost;
}
