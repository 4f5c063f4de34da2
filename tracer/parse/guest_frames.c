/* The frames of the guest's PID 1: see guest_frames.h. */
#include "parse/guest_frames.h"

#include <endian.h>
#include <string.h>

enum { HEAD_SIZE = 5, NUMBER_SIZE = 4 };

static uint32_t number_at(const char *bytes)
{
	uint32_t number;

	memcpy(&number, bytes, sizeof(number));
	return le32toh(number);
}

void guest_frames_deinit(struct guest_frames *frames)
{
	buffer_deinit(&frames->received);
}

void guest_frames_add(struct guest_frames *frames, const void *bytes, size_t size)
{
	struct buffer *received = &frames->received;

	if (frames->taken) {
		received->size -= frames->taken;
		memmove(received->data, received->data + frames->taken, received->size);
		frames->taken = 0;
	}
	buffer_append(received, bytes, size);
}

enum guest_frames_result guest_frames_next(struct guest_frames *frames, struct guest_frame *frame)
{
	size_t left = frames->received.size - frames->taken;
	const char *head = frames->received.data + frames->taken;

	if (left < HEAD_SIZE)
		return GUEST_FRAMES_NONE;

	size_t size = number_at(head + 1);

	if (size > frames->limit)
		return GUEST_FRAMES_BROKEN;
	if (left - HEAD_SIZE < size)
		return GUEST_FRAMES_NONE;
	*frame = (struct guest_frame){.type = *head, .bytes = head + HEAD_SIZE, .size = size};
	frames->taken += HEAD_SIZE + size;
	return GUEST_FRAMES_ONE;
}

bool guest_frame_number(const struct guest_frame *frame, unsigned index, unsigned count, uint32_t *number)
{
	if (frame->size != (size_t)count * NUMBER_SIZE || index >= count)
		return false;
	*number = number_at(frame->bytes + (size_t)index * NUMBER_SIZE);
	return true;
}
