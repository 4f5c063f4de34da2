/* How long to wait for the guest: until a deadline, or until somebody says to give up. Internal to kernel/. */
#ifndef FORKTRACE_KERNEL_PATIENCE_H
#define FORKTRACE_KERNEL_PATIENCE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct patience {
	int64_t begin_ms, end_ms;    /* CLOCK_MONOTONIC */
	bool (*interrupted)(void *); /* NULL: nobody */
	void *context;
};

struct patience patience_for(int timeout_ms, bool (*interrupted)(void *), void *context);

/* Waits until one of the descriptors is ready (poll(2)). Errors: ERROR_SYSTEM with ETIMEDOUT, ERROR_GONE when
 * interrupted. */
struct error *patience_poll(const struct patience *patience, struct pollfd *polled, size_t count);

#endif
