/* parse/bzimage.c */
#include "parse/bzimage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

enum { IMAGE_SIZE = 4096 };

/* The fields as Debian's 6.1.0-50-686 has them, with a short real-mode part. */
static void make_image(unsigned char image[IMAGE_SIZE])
{
	static const unsigned char size_and_flag[] = {0x20, 0x6c, 0x05, 0x00};

	memset(image, 0, IMAGE_SIZE);
	image[0x1f1] = 3;
	memcpy(image + 0x1f4, size_and_flag, sizeof(size_and_flag));
	image[0x1fe] = 0x55;
	image[0x1ff] = 0xaa;
	memcpy(image + 0x202, "HdrS\017\002", 6);
	image[0x20f] = 0x04; /* at 0x600 */
	image[0x211] = 1;
	image[0x236] = 4;
	strcpy((char *)image + 0x600, "6.1.0-50-686 (debian-kernel@lists.debian.org) #1 SMP");
}

static void reads_the_header(void **state)
{
	unsigned char bytes[IMAGE_SIZE];
	struct bzimage image;

	(void)state;
	make_image(bytes);
	assert_true(bzimage_parse(bytes, sizeof(bytes), &image));
	assert_int_equal(image.protocol, 0x20f);
	assert_false(image.is64);
	assert_int_equal(image.length, 4 * 512 + 0x56c20 * 16);
	assert_string_equal(image.release, "6.1.0-50-686");
}

static void tells_a_64_bit_kernel(void **state)
{
	unsigned char bytes[IMAGE_SIZE];
	struct bzimage image;

	(void)state;
	make_image(bytes);
	bytes[0x236] = 0x3f;
	assert_true(bzimage_parse(bytes, sizeof(bytes), &image));
	assert_true(image.is64);
	/* The field came with protocol 2.12: before, something else may stand there. */
	bytes[0x206] = 0x0b;
	assert_true(bzimage_parse(bytes, sizeof(bytes), &image));
	assert_false(image.is64);
}

static void reads_old_images(void **state)
{
	unsigned char bytes[IMAGE_SIZE];
	struct bzimage image;

	(void)state;
	make_image(bytes);
	bytes[0x206] = 0x03;
	bytes[0x1f1] = 0;
	assert_true(bzimage_parse(bytes, sizeof(bytes), &image));
	assert_int_equal(image.length, 5 * 512);
	assert_string_equal(image.release, "6.1.0-50-686");
}

static void refuses_what_is_none(void **state)
{
	static const struct {
		size_t offset;
		unsigned char value;
	} changes[] = {{0x1fe, 0}, {0x202, 'h'}, {0x205, 's'}, {0x207, 1}, {0x206, 1}, {0x211, 0}};
	unsigned char bytes[IMAGE_SIZE];
	struct bzimage image;

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		make_image(bytes);
		bytes[changes[i].offset] = changes[i].value;
		assert_false(bzimage_parse(bytes, sizeof(bytes), &image));
	}
	assert_false(bzimage_parse("\177ELF", 4, &image));
	assert_false(bzimage_parse(NULL, 0, &image));
}

static void distrusts_the_version(void **state)
{
	unsigned char bytes[IMAGE_SIZE];
	struct bzimage image;

	(void)state;
	make_image(bytes);
	/* Too long for a release: as much as there is room for. */
	memset(bytes + 0x600, 'x', 100);
	assert_true(bzimage_parse(bytes, sizeof(bytes), &image));
	assert_int_equal(strlen(image.release), BZIMAGE_RELEASE_MAX);
	/* Behind the real-mode part, and nowhere. */
	bytes[0x20f] = 0x08;
	assert_true(bzimage_parse(bytes, sizeof(bytes), &image));
	assert_string_equal(image.release, "");
	bytes[0x20e] = bytes[0x20f] = 0xff;
	assert_true(bzimage_parse(bytes, sizeof(bytes), &image));
	assert_string_equal(image.release, "");
	bytes[0x20e] = bytes[0x20f] = 0;
	assert_true(bzimage_parse(bytes, sizeof(bytes), &image));
	assert_string_equal(image.release, "");
	/* Printable alone. */
	make_image(bytes);
	bytes[0x603] = '\033';
	assert_true(bzimage_parse(bytes, sizeof(bytes), &image));
	assert_string_equal(image.release, "6.1");
}

/* Each prefix in a block of exactly its size: the sanitizer sees a byte read too many. */
static void survives_being_cut(void **state)
{
	unsigned char bytes[IMAGE_SIZE];

	(void)state;
	make_image(bytes);
	for (size_t size = 0; size <= IMAGE_SIZE; size++) {
		_cleanup_free_ unsigned char *copy = memory_alloc(size);
		struct bzimage image;

		memcpy(copy, bytes, size);
		assert_int_equal(bzimage_parse(copy, size, &image), size >= 0x238);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_the_header),      cmocka_unit_test(tells_a_64_bit_kernel),
	    cmocka_unit_test(reads_old_images),      cmocka_unit_test(refuses_what_is_none),
	    cmocka_unit_test(distrusts_the_version), cmocka_unit_test(survives_being_cut),
	};

	return cmocka_run_group_tests_name("bzimage", tests, NULL, NULL);
}
