/* The framing of the GDB remote protocol: see gdb_packet.h. */
#include "parse/gdb_packet.h"

enum { ESCAPE = '}', ESCAPE_BIT = 0x20, RUN = '*' };

/* A run's count is a printable character: 3 to 97 repetitions, ' ' to '~' (GDB manual, "Overview"). */
enum { RUN_BIAS = 29, RUN_FIRST = ' ', RUN_LAST = '~' };

enum { STATE_IDLE, STATE_BODY, STATE_RUN, STATE_SUM_HIGH, STATE_SUM_LOW };

static const char hex_digits[] = "0123456789abcdef";

void gdb_packet_append(struct buffer *frame, const void *payload, size_t size)
{
	/* Each byte may need an escape; "$", "#" and two digits around them. */
	char *out = buffer_reserve(frame, size * 2 + 4);
	const char *in = payload;
	uint8_t sum = 0;
	size_t length = 0;

	out[length++] = '$';
	for (size_t i = 0; i < size; i++) {
		char byte = in[i];

		if (byte == '$' || byte == '#' || byte == ESCAPE || byte == RUN) {
			out[length++] = ESCAPE;
			sum += ESCAPE;
			byte ^= ESCAPE_BIT;
		}
		out[length++] = byte;
		sum += (uint8_t)byte;
	}
	out[length++] = '#';
	out[length++] = hex_digits[sum >> 4];
	out[length++] = hex_digits[sum & 0xf];
	frame->size += length;
	frame->data[frame->size] = '\0';
}

void gdb_decoder_init(struct gdb_decoder *decoder, size_t limit)
{
	*decoder = (struct gdb_decoder){.limit = limit, .state = STATE_IDLE};
}

void gdb_decoder_deinit(struct gdb_decoder *decoder)
{
	buffer_deinit(&decoder->payload);
}

static void begin(struct gdb_decoder *decoder, bool notification)
{
	buffer_clear(&decoder->payload);
	decoder->state = STATE_BODY;
	decoder->notification = notification;
	decoder->escaped = decoder->damaged = decoder->oversize = false;
	decoder->last = -1;
	decoder->sum = 0;
}

/* Runs are undone before escapes, because peers make them in the other order (GDB: read_frame, then
 * remote_unescape_input): what a run repeats is the byte on the wire. */
static void unescape(struct gdb_decoder *decoder, char byte)
{
	if (!decoder->escaped && byte == ESCAPE) {
		decoder->escaped = true;
		return;
	}
	if (decoder->escaped)
		byte ^= ESCAPE_BIT;
	decoder->escaped = false;
	if (decoder->payload.size >= decoder->limit)
		decoder->oversize = true;
	else
		buffer_append(&decoder->payload, &byte, 1);
}

static void run(struct gdb_decoder *decoder, char count)
{
	decoder->state = STATE_BODY;
	if (count < RUN_FIRST || count > RUN_LAST || decoder->last < 0) {
		decoder->damaged = true;
		return;
	}
	for (int i = count - RUN_BIAS; i > 0; i--)
		unescape(decoder, (char)decoder->last);
}

/* A byte between $ and #. */
static void body(struct gdb_decoder *decoder, char byte)
{
	if (byte == '$') {
		begin(decoder, false);
		return;
	}
	if (byte == '#') {
		decoder->damaged |= decoder->escaped || decoder->state == STATE_RUN;
		decoder->state = STATE_SUM_HIGH;
		return;
	}
	decoder->sum += (uint8_t)byte;
	if (decoder->state == STATE_RUN) {
		run(decoder, byte);
	} else if (byte == RUN) {
		decoder->state = STATE_RUN;
	} else {
		unescape(decoder, byte);
		decoder->last = (unsigned char)byte;
	}
}

static enum gdb_event idle(struct gdb_decoder *decoder, char byte)
{
	switch (byte) {
	case '+':
		return GDB_EVENT_ACK;
	case '-':
		return GDB_EVENT_NAK;
	case '$':
	case '%':
		begin(decoder, byte == '%');
		break;
	default:
		break;
	}
	return GDB_EVENT_NONE;
}

static enum gdb_event end(struct gdb_decoder *decoder, char low)
{
	int first = gdb_hex_digit((char)decoder->digits), second = gdb_hex_digit(low);
	bool matches = first >= 0 && second >= 0 && decoder->sum == (first << 4 | second);

	decoder->state = STATE_IDLE;
	if (decoder->damaged || (!matches && !decoder->unchecked))
		return GDB_EVENT_DAMAGED;
	if (decoder->oversize)
		return GDB_EVENT_OVERSIZE;
	return decoder->notification ? GDB_EVENT_NOTIFICATION : GDB_EVENT_PACKET;
}

size_t gdb_decoder_feed(struct gdb_decoder *decoder, const void *bytes, size_t size, enum gdb_event *event)
{
	const char *in = bytes;

	*event = GDB_EVENT_NONE;
	for (size_t i = 0; i < size; i++) {
		switch (decoder->state) {
		case STATE_IDLE:
			*event = idle(decoder, in[i]);
			break;
		case STATE_SUM_HIGH:
			decoder->digits = (uint8_t)in[i];
			decoder->state = STATE_SUM_LOW;
			break;
		case STATE_SUM_LOW:
			*event = end(decoder, in[i]);
			break;
		default:
			body(decoder, in[i]);
		}
		if (*event != GDB_EVENT_NONE)
			return i + 1;
	}
	return size;
}

int gdb_hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

void gdb_hex_append(struct buffer *text, const void *bytes, size_t size)
{
	char *out = buffer_reserve(text, size * 2);
	const uint8_t *in = bytes;

	for (size_t i = 0; i < size; i++) {
		out[2 * i] = hex_digits[in[i] >> 4];
		out[2 * i + 1] = hex_digits[in[i] & 0xf];
	}
	text->size += size * 2;
	text->data[text->size] = '\0';
}

bool gdb_hex_bytes(const char *text, void *bytes, size_t size)
{
	uint8_t *out = bytes;

	for (size_t i = 0; i < size; i++) {
		int high = gdb_hex_digit(text[2 * i]), low = gdb_hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool gdb_hex_number(const char **text, const char *end, uint64_t *number)
{
	enum { MAX_DIGITS = 16 };
	const char *at = *text;
	uint64_t value = 0;

	for (; at < end && gdb_hex_digit(*at) >= 0; at++) {
		if (at - *text == MAX_DIGITS)
			return false;
		value = value << 4 | (uint64_t)gdb_hex_digit(*at);
	}
	if (at == *text)
		return false;
	*text = at;
	*number = value;
	return true;
}
