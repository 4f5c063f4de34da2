/* The setup header of a Linux kernel image for x86: see bzimage.h. */
#include "parse/bzimage.h"

#include <string.h>

/* Offsets in the image: Documentation/x86/boot.rst, "Details of Header Fields". */
enum {
	SETUP_SECTORS = 0x1f1,
	PAYLOAD_SIZE = 0x1f4, /* in units of 16 bytes; 4 bytes of it since protocol 2.04 */
	BOOT_FLAG = 0x1fe,
	MAGIC = 0x202,
	PROTOCOL = 0x206,
	VERSION_POINTER = 0x20e, /* less 0x200 */
	LOAD_FLAGS = 0x211,
	LOADER_FLAGS = 0x236, /* xloadflags */
	HEADER_END = 0x238,
};

enum {
	SECTOR = 512,
	DEFAULT_SETUP_SECTORS = 4,
	LOADED_HIGH = 1 << 0,
	KERNEL_64 = 1 << 0,
	PROTOCOL_LONG_SIZE = 0x0204,
	PROTOCOL_LOADER_FLAGS = 0x020c,
	PROTOCOL_OLDEST = 0x0202,
};

static uint16_t read16(const unsigned char *bytes)
{
	return (uint16_t)(bytes[0] | bytes[1] << 8);
}

/* The first word of the version string, which must lie in the real-mode part. */
static void read_release(const unsigned char *bytes, size_t size, size_t setup_size, char *release)
{
	size_t pointer = read16(bytes + VERSION_POINTER), end = size < setup_size ? size : setup_size;
	size_t length = 0;

	release[0] = '\0';
	if (!pointer)
		return;
	for (size_t at = pointer + SECTOR; at < end && bytes[at] > ' ' && bytes[at] < 0x7f; at++) {
		if (length == BZIMAGE_RELEASE_MAX)
			return;
		release[length++] = (char)bytes[at];
		release[length] = '\0';
	}
}

bool bzimage_parse(const void *image_bytes, size_t size, struct bzimage *image)
{
	const unsigned char *bytes = image_bytes;

	if (size < HEADER_END || read16(bytes + BOOT_FLAG) != 0xaa55 || memcmp(bytes + MAGIC, "HdrS", 4) != 0)
		return false;

	uint16_t protocol = read16(bytes + PROTOCOL);
	size_t sectors = bytes[SETUP_SECTORS] ? bytes[SETUP_SECTORS] : DEFAULT_SETUP_SECTORS;
	size_t setup_size = (sectors + 1) * SECTOR;
	uint64_t payload = read16(bytes + PAYLOAD_SIZE);

	if (protocol < PROTOCOL_OLDEST || !(bytes[LOAD_FLAGS] & LOADED_HIGH))
		return false;
	/* Before, the two bytes were too few for a bzImage. */
	payload = protocol >= PROTOCOL_LONG_SIZE ? payload | (uint64_t)read16(bytes + PAYLOAD_SIZE + 2) << 16 : 0;
	*image = (struct bzimage){
	    .protocol = protocol,
	    .is64 = protocol >= PROTOCOL_LOADER_FLAGS && read16(bytes + LOADER_FLAGS) & KERNEL_64,
	    .length = setup_size + payload * 16,
	};
	read_release(bytes, size, setup_size, image->release);
	return true;
}
