/* Records of a perf ring, and the fields of a sample (perf_event_open(2), "MMAP layout"). Nothing in a record is
 * trusted: sizes and counts are checked against the bytes that are there. */
#ifndef FORKTRACE_PARSE_PERF_SAMPLE_H
#define FORKTRACE_PARSE_PERF_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One record, whole and in one piece. */
struct perf_record {
	uint32_t type; /* PERF_RECORD_* */
	const unsigned char *bytes;
	size_t size; /* header included */
};

/* The size of a record fits 16 bits (struct perf_event_header). */
enum { PERF_RECORD_MAX_SIZE = UINT16_MAX };

/* What is between the reader's and the writer's position of a ring. */
struct perf_ring {
	const unsigned char *data;
	uint64_t size; /* bytes, a power of two */
	uint64_t tail; /* where reading goes on; counts up for ever, as the kernel's data_tail */
	uint64_t head; /* end of what was written */
};

/* Takes the next record out. One that wraps around the end of the ring is put together in `scratch`
 * (PERF_RECORD_MAX_SIZE bytes); any other points into the ring. False: the ring is empty, or what is in it is damaged
 * and was skipped whole. */
bool perf_ring_next(struct perf_ring *ring, unsigned char *scratch, struct perf_record *record);

/* What the sample_type asked for; the rest is zero. */
struct perf_sample {
	pid_t pid, tid; /* in the pid namespace of whoever opened the event; 0: not visible there */
	uint64_t time_ns;
	uint32_t cpu;
	const unsigned char *callchain; /* callchain_count words, not aligned, with context marks among them */
	size_t callchain_count;
	const unsigned char *raw; /* the tracepoint's own record */
	size_t raw_size;
};

/* Reads a PERF_RECORD_SAMPLE of an event whose attr.sample_type was `sample_type`. Every flag up to PERF_SAMPLE_RAW is
 * understood but PERF_SAMPLE_READ; what lies behind the raw data is not looked at. False: not a sample, cut off, or a
 * count that does not fit. */
bool perf_sample_parse(const struct perf_record *record, uint64_t sample_type, struct perf_sample *sample);

/* Copies at most `room` addresses of the callchain's kernel part (between PERF_CONTEXT_KERNEL and the next mark),
 * innermost first; returns how many there are, which may be more than `room`. */
size_t perf_sample_kernel_chain(const struct perf_sample *sample, uint64_t *addresses, size_t room);

/* The number of records that the kernel dropped, from a PERF_RECORD_LOST; 0 for any other record. */
uint64_t perf_record_lost(const struct perf_record *record);

#endif
