/* Packets over a socket, for the GDB remote protocol: see gdb_transport.h. */
#include "target/gdb_transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

enum {
	PAYLOAD_LIMIT = 1 << 20, /* far above any PacketSize that forktrace makes use of */
	SEND_TIMEOUT_MS = 10000, /* QEMU looks after its sockets late on a loaded machine */
	RETRIES_MAX = 3,
	INPUT_SIZE = 1 << 16,
};

void gdb_transport_init(struct gdb_transport *transport, int fd)
{
	*transport = (struct gdb_transport){.fd = fd, .acks = true};
	gdb_decoder_init(&transport->decoder, PAYLOAD_LIMIT);
}

void gdb_transport_deinit(struct gdb_transport *transport)
{
	gdb_decoder_deinit(&transport->decoder);
	buffer_deinit(&transport->frame);
	buffer_deinit(&transport->input);
}

void gdb_transport_stop_acks(struct gdb_transport *transport)
{
	transport->acks = false;
	transport->decoder.unchecked = true;
}

static struct error *give_up(struct gdb_transport *transport, struct error *error)
{
	transport->failed = true;
	return error;
}

static struct error *closed(struct gdb_transport *transport)
{
	return give_up(transport, error_create(ERROR_GONE, 0, NULL, "the GDB stub closed the connection"));
}

static struct error *system_error(struct gdb_transport *transport, const char *what)
{
	if (errno == EPIPE || errno == ECONNRESET)
		return closed(transport);
	return give_up(transport, error_create(ERROR_SYSTEM, errno, NULL, "cannot %s the GDB stub", what));
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* Waits for `events`; false: not until `deadline` (INT64_MAX: never). */
static bool wait_for(const struct gdb_transport *transport, short events, int64_t deadline)
{
	struct pollfd poll_fd = {.fd = transport->fd, .events = events};

	for (;;) {
		int64_t left = deadline == INT64_MAX ? -1 : deadline - now_ms();
		int timeout = deadline == INT64_MAX ? -1 : left <= 0 ? 0 : left < INT32_MAX ? (int)left : INT32_MAX;
		int ready = poll(&poll_fd, 1, timeout);

		/* An error of poll itself will be told by the call that follows. */
		if (ready > 0 || (ready < 0 && errno != EINTR))
			return true;
		if (ready == 0 && left <= timeout)
			return false;
	}
}

static struct error *send_bytes(struct gdb_transport *transport, const char *bytes, size_t size)
{
	int64_t deadline = now_ms() + SEND_TIMEOUT_MS;

	while (size) {
		ssize_t sent = send(transport->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent >= 0) {
			bytes += sent;
			size -= (size_t)sent;
		} else if (errno == EAGAIN) {
			if (!wait_for(transport, POLLOUT, deadline))
				return give_up(transport, error_create(ERROR_SYSTEM, ETIMEDOUT, NULL,
								       "the GDB stub takes nothing for %d s",
								       SEND_TIMEOUT_MS / 1000));
		} else if (errno != EINTR) {
			return system_error(transport, "send to");
		}
	}
	return NULL;
}

/* A peer that lets the network's layer collect small packets (a plain chardev of QEMU's) sends an answer, behind its
 * acknowledgement of the request, only when that has been acknowledged in turn, which the kernel puts off by 40 ms. The
 * option is not kept (tcp(7)). Where the socket is none of TCP's nothing happens. */
static void acknowledge_at_once(const struct gdb_transport *transport)
{
	setsockopt(transport->fd, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
}

static struct error *check_usable(const struct gdb_transport *transport)
{
	return transport->failed ? error_create(ERROR_GONE, 0, NULL,
						"the connection to the GDB stub was given up after an earlier error")
				 : NULL;
}

/* The frame is kept without the acknowledgement in front of it, to be sent again. */
static void begin_frame(struct gdb_transport *transport)
{
	transport->retries = 0;
	buffer_clear(&transport->frame);
	buffer_append(&transport->frame, "+", 1);
}

/* One write for both: a peer that sleeps in poll is woken once. */
static struct error *send_frame(struct gdb_transport *transport)
{
	size_t ack = transport->ack_due ? 1 : 0;
	struct error *error;

	transport->ack_due = false;
	error = send_bytes(transport, transport->frame.data + 1 - ack, transport->frame.size - 1 + ack);
	acknowledge_at_once(transport);
	return error;
}

struct error *gdb_transport_send(struct gdb_transport *transport, const void *payload, size_t size)
{
	struct error *error = check_usable(transport);

	if (error)
		return error;
	begin_frame(transport);
	gdb_packet_append(&transport->frame, payload, size);
	return send_frame(transport);
}

struct error *gdb_transport_send_all(struct gdb_transport *transport, const struct buffer *payloads, size_t count)
{
	struct error *error = check_usable(transport);

	if (error)
		return error;
	begin_frame(transport);
	for (size_t i = 0; i < count; i++)
		gdb_packet_append(&transport->frame, payloads[i].data, payloads[i].size);
	error = send_frame(transport);
	buffer_clear(&transport->frame);
	return error;
}

struct error *gdb_transport_interrupt(struct gdb_transport *transport)
{
	struct error *error = check_usable(transport);

	return error ? error : send_bytes(transport, "\3", 1);
}

struct error *gdb_transport_flush_ack(struct gdb_transport *transport)
{
	if (!transport->ack_due)
		return NULL;
	transport->ack_due = false;
	return send_bytes(transport, "+", 1);
}

/* Something was damaged on the way: `again` asks for it, or sends it, anew. */
static struct error *repeat(struct gdb_transport *transport, const char *again, size_t size)
{
	if (!transport->acks || transport->retries == RETRIES_MAX)
		return give_up(transport, error_create(ERROR_INPUT, 0, NULL, "the GDB stub's packets are damaged"));
	transport->retries++;
	return send_bytes(transport, again, size);
}

/* *received: a packet. */
static struct error *take_event(struct gdb_transport *transport, enum gdb_event event, bool *received)
{
	switch (event) {
	case GDB_EVENT_PACKET:
		transport->ack_due = transport->acks;
		*received = true;
		return NULL;
	case GDB_EVENT_NAK:
		/* Without acknowledgements it is noise; before the first packet there is nothing to send again. */
		if (!transport->acks || transport->frame.size == 0)
			return NULL;
		return repeat(transport, transport->frame.data + 1, transport->frame.size - 1);
	case GDB_EVENT_DAMAGED:
		return repeat(transport, "-", 1);
	case GDB_EVENT_OVERSIZE:
		return give_up(transport,
			       error_create(ERROR_INPUT, 0, NULL, "the GDB stub sends a packet of more than %d bytes",
					    PAYLOAD_LIMIT));
	case GDB_EVENT_ACK:
	case GDB_EVENT_NOTIFICATION:
	case GDB_EVENT_NONE:
		break;
	}
	return NULL;
}

/* Reads what has arrived; *nothing: there was none. */
static struct error *fill(struct gdb_transport *transport, bool *nothing)
{
	buffer_clear(&transport->input);
	transport->input_at = 0;

	char *bytes = buffer_reserve(&transport->input, INPUT_SIZE);
	ssize_t got = recv(transport->fd, bytes, INPUT_SIZE, MSG_DONTWAIT);

	*nothing = got < 0 && (errno == EAGAIN || errno == EINTR);
	if (*nothing)
		return NULL;
	if (got < 0)
		return system_error(transport, "receive from");
	if (got == 0)
		return closed(transport);
	transport->input.size = (size_t)got;
	return NULL;
}

/* Looks through what was read, up to the first packet. */
static struct error *take_input(struct gdb_transport *transport, bool *received)
{
	struct error *error = NULL;

	while (!error && !*received && transport->input_at < transport->input.size) {
		enum gdb_event event;

		transport->input_at +=
		    gdb_decoder_feed(&transport->decoder, transport->input.data + transport->input_at,
				     transport->input.size - transport->input_at, &event);
		error = take_event(transport, event, received);
	}
	return error;
}

struct error *gdb_transport_receive(struct gdb_transport *transport, int timeout_ms, bool *received)
{
	int64_t deadline = timeout_ms < 0 ? INT64_MAX : timeout_ms == 0 ? 0 : now_ms() + timeout_ms;
	bool late = false;
	struct error *error = check_usable(transport);

	*received = false;
	while (!error) {
		bool nothing;

		error = take_input(transport, received);
		if (error || *received || late)
			break;
		error = fill(transport, &nothing);
		if (error)
			break;
		/* A peer that never pauses, and never says anything, is not listened to for ever. */
		if (nothing)
			late = deadline == 0 || !wait_for(transport, POLLIN, deadline);
		else
			late = now_ms() > deadline;
	}
	return error;
}
