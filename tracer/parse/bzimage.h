/* The setup header of a Linux kernel image for x86 (linux Documentation/x86/boot.rst, 6.1). */
#ifndef FORKTRACE_PARSE_BZIMAGE_H
#define FORKTRACE_PARSE_BZIMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BZIMAGE_RELEASE_MAX = 64 }; /* __NEW_UTS_LEN */

struct bzimage {
	uint16_t protocol; /* 0x020f: 2.15 */
	bool is64;         /* XLF_KERNEL_64; before protocol 2.12 (Linux 3.8) no image tells, and it is false */
	uint64_t length;   /* bytes that the image has at least; signatures may follow */
	char release[BZIMAGE_RELEASE_MAX + 1]; /* "6.1.0-50-686", printable ASCII; "": the image does not tell */
};

/* Decodes the header at the start of an image, of which at least the real-mode part should be in `bytes` (setup_sects,
 * 32 KiB at most; only the release lies beyond the first kilobyte). Returns false where it is no bzImage: no boot
 * sector, no "HdrS", a protocol before 2.02 (without a version string, Linux 2.4), or a zImage (not LOADED_HIGH, no
 * room for a kernel of today). */
bool bzimage_parse(const void *bytes, size_t size, struct bzimage *image);

#endif
