/* The frames in which the guest's PID 1 talks: one byte type, four bytes length (little endian), that many bytes. They
 * come from inside a guest in which an untrusted program runs, in pieces of any size. */
#ifndef FORKTRACE_PARSE_GUEST_FRAMES_H
#define FORKTRACE_PARSE_GUEST_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct guest_frames {
	struct buffer received; /* what guest_frames_add has brought */
	size_t taken;           /* bytes of it that guest_frames_next has passed */
	size_t limit;           /* bytes that a frame may have, without its head */
};

struct guest_frame {
	char type;
	const char *bytes; /* valid until the next guest_frames_add */
	size_t size;
};

enum guest_frames_result {
	GUEST_FRAMES_NONE, /* no whole frame yet */
	GUEST_FRAMES_ONE,
	GUEST_FRAMES_BROKEN, /* a frame above the limit: what follows cannot be understood */
};

void guest_frames_deinit(struct guest_frames *frames);

/* Appends what was received; drops what was passed before. */
void guest_frames_add(struct guest_frames *frames, const void *bytes, size_t size);

/* Passes the next whole frame. */
enum guest_frames_result guest_frames_next(struct guest_frames *frames, struct guest_frame *frame);

/* The frame as a row of u32, little endian: number `index` of exactly `count`; false where it has another size. */
bool guest_frame_number(const struct guest_frame *frame, unsigned index, unsigned count, uint32_t *number);

#endif
