/* parse/perf_sample.c */
#include "parse/perf_sample.h"

#include <linux/perf_event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/memory.h"

static const uint64_t TYPE =
    PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU | PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_RAW;

static void add_word(struct buffer *bytes, uint64_t word)
{
	buffer_append(bytes, &word, sizeof(word));
}

static void add_pair(struct buffer *bytes, uint32_t first, uint32_t second)
{
	add_word(bytes, (uint64_t)second << 32 | first);
}

static void add_header(struct buffer *bytes, uint32_t type)
{
	struct perf_event_header header = {.type = type, .misc = PERF_RECORD_MISC_KERNEL};

	buffer_append(bytes, &header, sizeof(header));
}

/* Writes the size into the header at `from`. */
static void finish(struct buffer *bytes, size_t from)
{
	uint16_t size = (uint16_t)(bytes->size - from);

	memcpy(bytes->data + from + offsetof(struct perf_event_header, size), &size, sizeof(size));
}

/* A sample as the kernel writes it for TYPE, with the user's part of the chain too. */
static void add_sample(struct buffer *bytes, uint32_t tid)
{
	size_t from = bytes->size;

	add_header(bytes, PERF_RECORD_SAMPLE);
	add_pair(bytes, 100, tid);
	add_word(bytes, 5000 + tid);
	add_pair(bytes, 1, 0);
	add_word(bytes, 6);
	add_word(bytes, (uint64_t)PERF_CONTEXT_KERNEL);
	add_word(bytes, 0xffffffff8135f08d);
	add_word(bytes, 0xffffffff8135f5d8);
	add_word(bytes, 0xffffffff81000130);
	add_word(bytes, (uint64_t)PERF_CONTEXT_USER);
	add_word(bytes, 0x7f0000001234);
	add_pair(bytes, 12, 0x11223344);
	add_word(bytes, 0x5566778899aabbcc);
	finish(bytes, from);
}

static void add_lost(struct buffer *bytes, uint64_t lost)
{
	size_t from = bytes->size;

	add_header(bytes, PERF_RECORD_LOST);
	add_word(bytes, 7);
	add_word(bytes, lost);
	finish(bytes, from);
}

static struct perf_record record_of(const struct buffer *bytes)
{
	return (struct perf_record){PERF_RECORD_SAMPLE, (const unsigned char *)bytes->data, bytes->size};
}

static void reads_a_sample(void **state)
{
	_cleanup_(buffer_deinit) struct buffer bytes = {0};
	struct perf_sample sample;
	uint64_t chain[8];
	uint32_t first;

	(void)state;
	add_sample(&bytes, 4711);
	assert_true(perf_sample_parse(
	    &(struct perf_record){PERF_RECORD_SAMPLE, (unsigned char *)bytes.data, bytes.size}, TYPE, &sample));
	assert_int_equal(sample.pid, 100);
	assert_int_equal(sample.tid, 4711);
	assert_int_equal(sample.time_ns, 9711);
	assert_int_equal(sample.cpu, 1);
	assert_int_equal(sample.callchain_count, 6);
	assert_int_equal(sample.raw_size, 12);
	memcpy(&first, sample.raw, sizeof(first));
	assert_int_equal(first, 0x11223344);
	assert_int_equal(perf_sample_kernel_chain(&sample, chain, 8), 3);
	assert_int_equal(chain[0], 0xffffffff8135f08d);
	assert_int_equal(chain[2], 0xffffffff81000130);
	chain[1] = 0;
	assert_int_equal(perf_sample_kernel_chain(&sample, chain, 1), 3);
	assert_int_equal(chain[1], 0);
}

/* Every field that may stand before the callchain. */
static void skips_other_fields(void **state)
{
	_cleanup_(buffer_deinit) struct buffer bytes = {0};
	uint64_t type = TYPE | PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_ADDR | PERF_SAMPLE_ID |
			PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_PERIOD;
	struct perf_sample sample;

	(void)state;
	add_header(&bytes, PERF_RECORD_SAMPLE);
	for (uint64_t field = 1; field <= 9; field++)
		add_word(&bytes, field);
	add_word(&bytes, 0);
	add_pair(&bytes, 4, 42);
	struct perf_record record = record_of(&bytes);

	assert_true(perf_sample_parse(&record, type, &sample));
	assert_int_equal(sample.pid, 3);
	assert_int_equal(sample.time_ns, 4);
	assert_int_equal(sample.cpu, 8);
	assert_int_equal(sample.raw_size, 4);
	assert_false(perf_sample_parse(&record, type | PERF_SAMPLE_READ, &sample));
	record.type = PERF_RECORD_COMM;
	assert_false(perf_sample_parse(&record, type, &sample));
}

static void does_not_trust_counts(void **state)
{
	static const uint64_t counts[] = {7, 100, UINT64_MAX, UINT64_MAX / 8, UINT64_MAX / 8 + 1, UINT64_C(1) << 61};
	enum { COUNT_AT = 8 + 8 + 8 + 8, RAW_SIZE_AT = COUNT_AT + 8 + 6 * 8 };
	_cleanup_(buffer_deinit) struct buffer bytes = {0};
	uint32_t raw_size = 13;
	struct perf_sample sample;

	(void)state;
	add_sample(&bytes, 1);
	struct perf_record record = record_of(&bytes);

	memcpy(bytes.data + RAW_SIZE_AT, &raw_size, sizeof(raw_size));
	assert_false(perf_sample_parse(&record, TYPE, &sample));
	raw_size = UINT32_MAX;
	memcpy(bytes.data + RAW_SIZE_AT, &raw_size, sizeof(raw_size));
	assert_false(perf_sample_parse(&record, TYPE, &sample));
	for (size_t i = 1; i < sizeof(counts) / sizeof(counts[0]); i++) {
		memcpy(bytes.data + COUNT_AT, &counts[i], sizeof(counts[i]));
		assert_false(perf_sample_parse(&record, TYPE, &sample));
	}
}

static void a_chain_without_kernel_has_no_frames(void **state)
{
	uint64_t words[] = {0xffffffff81000000, (uint64_t)PERF_CONTEXT_USER, 0x1000, (uint64_t)PERF_CONTEXT_GUEST,
			    0x2000};
	struct perf_sample sample = {.callchain = (unsigned char *)words, .callchain_count = 5};
	uint64_t chain[4];

	(void)state;
	assert_int_equal(perf_sample_kernel_chain(&sample, chain, 4), 0);
	words[3] = (uint64_t)PERF_CONTEXT_KERNEL;
	assert_int_equal(perf_sample_kernel_chain(&sample, chain, 4), 1);
	assert_int_equal(chain[0], 0x2000);
}

/* Writes bytes into a ring from a position that counts up for ever. */
static void put(unsigned char *ring, size_t ring_size, uint64_t position, const struct buffer *bytes)
{
	for (size_t i = 0; i < bytes->size; i++)
		ring[(position + i) & (ring_size - 1)] = (unsigned char)bytes->data[i];
}

/* Two records, starting at each possible place of the ring. */
static void reads_records_that_wrap(void **state)
{
	enum { RING_SIZE = 256 };
	_cleanup_(buffer_deinit) struct buffer bytes = {0};
	_cleanup_free_ unsigned char *scratch = memory_alloc(PERF_RECORD_MAX_SIZE);
	_cleanup_free_ unsigned char *data = memory_alloc(RING_SIZE);

	(void)state;
	add_sample(&bytes, 4711);
	add_lost(&bytes, 9);
	for (uint64_t tail = UINT64_MAX - 15 - RING_SIZE; tail != 0; tail += 8) {
		struct perf_ring ring = {data, RING_SIZE, tail, tail + bytes.size};
		struct perf_record record;
		struct perf_sample sample;

		put(data, RING_SIZE, tail, &bytes);
		assert_true(perf_ring_next(&ring, scratch, &record));
		assert_true(perf_sample_parse(&record, TYPE, &sample));
		assert_int_equal(sample.tid, 4711);
		assert_int_equal(sample.raw_size, 12);
		assert_int_equal(perf_record_lost(&record), 0);
		assert_true(perf_ring_next(&ring, scratch, &record));
		assert_false(perf_sample_parse(&record, TYPE, &sample));
		assert_int_equal(perf_record_lost(&record), 9);
		assert_false(perf_ring_next(&ring, scratch, &record));
		assert_true(ring.tail == ring.head);
	}
}

static void skips_a_damaged_ring(void **state)
{
	static const uint16_t sizes[] = {0, 7, 25, UINT16_MAX};
	enum { RING_SIZE = 64 };
	_cleanup_free_ unsigned char *data = memory_alloc(RING_SIZE);
	unsigned char scratch[8];
	struct perf_record record;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct perf_event_header header = {.type = PERF_RECORD_LOST, .size = sizes[i]};
		struct perf_ring ring = {data, RING_SIZE, 0, 24};

		memcpy(data, &header, sizeof(header));
		assert_false(perf_ring_next(&ring, scratch, &record));
		assert_int_equal(ring.tail, 24);
	}
	assert_false(perf_ring_next(&(struct perf_ring){data, RING_SIZE, 0, 4}, scratch, &record));
	assert_false(perf_ring_next(&(struct perf_ring){data, RING_SIZE, 0, RING_SIZE + 8}, scratch, &record));
	assert_false(perf_ring_next(&(struct perf_ring){data, RING_SIZE, 8, 0}, scratch, &record));
}

/* Each prefix in a block of exactly its size: the sanitizer sees a byte read too many. */
static void survives_being_cut(void **state)
{
	_cleanup_(buffer_deinit) struct buffer bytes = {0};

	(void)state;
	add_sample(&bytes, 4711);
	for (size_t size = 0; size < bytes.size; size++) {
		_cleanup_free_ unsigned char *copy = memory_alloc(size);
		struct perf_record record = {PERF_RECORD_SAMPLE, copy, size};
		struct perf_sample sample;

		memcpy(copy, bytes.data, size);
		assert_false(perf_sample_parse(&record, TYPE, &sample));
		record.type = PERF_RECORD_LOST;
		if (size < 24)
			assert_int_equal(perf_record_lost(&record), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_a_sample),          cmocka_unit_test(skips_other_fields),
	    cmocka_unit_test(does_not_trust_counts),   cmocka_unit_test(a_chain_without_kernel_has_no_frames),
	    cmocka_unit_test(reads_records_that_wrap), cmocka_unit_test(skips_a_damaged_ring),
	    cmocka_unit_test(survives_being_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
