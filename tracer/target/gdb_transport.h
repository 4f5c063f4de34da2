/* Packets over a socket, for the GDB remote protocol: acknowledgements, sending again, timeouts. Internal to target/.
 */
#ifndef FORKTRACE_TARGET_GDB_TRANSPORT_H
#define FORKTRACE_TARGET_GDB_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "parse/gdb_packet.h"

struct gdb_transport {
	int fd;                     /* the caller's */
	bool acks;                  /* until both sides agree to do without */
	bool ack_due;               /* of the last packet received: goes out in front of the next one sent */
	unsigned retries;           /* times that the current packet had to be sent again, in either direction */
	bool failed;                /* the two sides no longer agree on what was said: nothing more is sent */
	struct gdb_decoder decoder; /* decoder.payload: the packet received last */
	struct buffer frame;        /* what was sent last */
	struct buffer input;        /* received, and not looked at from input_at on */
	size_t input_at;
};

void gdb_transport_init(struct gdb_transport *transport, int fd);
void gdb_transport_deinit(struct gdb_transport *transport);

/* From now on nothing is acknowledged. */
void gdb_transport_stop_acks(struct gdb_transport *transport);

/* Sends a packet. Errors: ERROR_GONE, ERROR_SYSTEM (ETIMEDOUT: the peer takes nothing). */
struct error *gdb_transport_send(struct gdb_transport *transport, const void *payload, size_t size);

/* Sends several packets in one write, which a peer gets whole or not at all, however this process ends. Each is replied
 * to by one; none of them can be sent again. Errors: as above. */
struct error *gdb_transport_send_all(struct gdb_transport *transport, const struct buffer *payloads, size_t count);

/* Sends 0x03. */
struct error *gdb_transport_interrupt(struct gdb_transport *transport);

/* Takes the next packet, waiting up to `timeout_ms` (0: only what has arrived; -1: for ever); *received tells whether
 * there is one. Sends again what the peer did not get. Notifications are dropped: forktrace asks for none. Errors:
 * ERROR_GONE, ERROR_INPUT. */
struct error *gdb_transport_receive(struct gdb_transport *transport, int timeout_ms, bool *received);

/* Acknowledges the last packet now: one that no request of ours will follow. */
struct error *gdb_transport_flush_ack(struct gdb_transport *transport);

#endif
