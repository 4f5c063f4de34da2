/* Call chains from a perf tracepoint: see callchain.h. */
#include "kernel/callchain.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/vector.h"
#include "kernel/tracefs.h"
#include "parse/perf_sample.h"
#include "parse/tracepoint_format.h"

static const uint64_t SAMPLE_TYPE = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_RAW;

enum {
	RING_PAGES = 128, /* some 2,500 forks of the whole machine */
	FILLING = 4,      /* the reader is told when so many parts of a ring hold something new */
};

/* One CPU's ring: the event of forks, and that of stops, which writes into the same ring. */
struct ring {
	int fd;
	int stop_fd; /* -1: none */
	struct perf_event_mmap_page *control;
	size_t mapped;
};

struct tracepoint {
	const char *name; /* in perf's spelling */
	const char *path; /* in tracefs */
	const char *comm; /* the field with the caller's name */
};

/* The first fires in copy_process, where the whole path stands on the stack; the second one call further out. */
static const struct tracepoint tracepoints[] = {
    {"task:task_newtask", "task/task_newtask", "comm"},
    {"sched:sched_process_fork", "sched/sched_process_fork", "parent_comm"},
};

/* Fires in a task that stops for its tracer, when that is told by SIGCHLD. */
static const char STOP_PATH[] = "signal/signal_generate";

struct callchain {
	const struct tracepoint *tracepoint;
	uint64_t id;
	uint64_t stop_id;     /* 0: not to be had */
	char stop_filter[64]; /* what of it is wanted: see set_stop_filter */
	bool have_comm;
	struct tracepoint_field comm;
	VECTOR(struct ring) rings;
	size_t page_size;
	uint64_t lost;
	unsigned char scratch[PERF_RECORD_MAX_SIZE];
	struct callchain_sample sample;
};

/* PTRACE_EVENT_STOP, which a child's first stop is, is told with CLD_STOPPED; all other ptrace stops with CLD_TRAPPED
 * (do_jobctl_trap in kernel/signal.c, Linux 6.18). So hardly more than those fires. The tracer's number in the record
 * is that of the initial pid namespace: unknown in another. */
static void set_stop_filter(struct callchain *callchain)
{
	enum { INITIAL_PID_NAMESPACE = 0xeffffffc /* PROC_PID_INIT_INO, linux/proc_ns.h */ };
	struct stat own;
	int length = snprintf(callchain->stop_filter, sizeof(callchain->stop_filter), "sig == %d && code == %d",
			      SIGCHLD, CLD_STOPPED);

	if (!stat("/proc/self/ns/pid", &own) && own.st_ino == INITIAL_PID_NAMESPACE)
		snprintf(callchain->stop_filter + length, sizeof(callchain->stop_filter) - (size_t)length,
			 " && pid == %d", (int)gettid());
}

/* Leaves stop_id 0 where there is no such tracepoint: /proc/TID/stack serves as well, slower. */
static void find_stop_tracepoint(struct callchain *callchain, int tracefs)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};
	struct error *error = tracefs_read_format(tracefs, STOP_PATH, &text);

	if (error || !tracepoint_format_id(text.data, text.size, &callchain->stop_id))
		callchain->stop_id = 0;
	error_destroy(error);
	set_stop_filter(callchain);
}

/* Finds the first tracepoint of forks that this kernel has, and that of stops. */
static struct error *find_tracepoints(struct callchain *callchain)
{
	_cleanup_fd_ int tracefs = -1;
	struct error *error = tracefs_open(&tracefs);

	if (!error)
		find_stop_tracepoint(callchain, tracefs);
	for (size_t i = 0; !error && i < sizeof(tracepoints) / sizeof(tracepoints[0]); i++) {
		_cleanup_(buffer_deinit) struct buffer text = {0};

		callchain->tracepoint = &tracepoints[i];
		error = tracefs_read_format(tracefs, tracepoints[i].path, &text);
		if (error && error->code == ERROR_NOT_FOUND && i == 0) {
			error_destroy(error);
			error = NULL;
			continue;
		}
		if (error)
			break;
		if (!tracepoint_format_id(text.data, text.size, &callchain->id))
			return error_create(ERROR_INPUT, 0, tracepoints[i].path,
					    "the format file of the tracepoint %s is not understood",
					    tracepoints[i].name);
		callchain->have_comm =
		    tracepoint_format_field(text.data, text.size, tracepoints[i].comm, &callchain->comm);
		break;
	}
	return error;
}

/* Says which knob refused. */
static struct error *open_error(int sys_errno)
{
	if (sys_errno == EACCES || sys_errno == EPERM) {
		_cleanup_fd_ int fd = open("/proc/sys/kernel/perf_event_paranoid", O_RDONLY | O_CLOEXEC);
		char value[16] = "";
		ssize_t got = fd >= 0 ? read(fd, value, sizeof(value) - 1) : 0;

		value[got > 0 ? strcspn(value, "\n") : 0] = '\0';
		return error_create(
		    ERROR_DENIED, sys_errno, NULL,
		    "perf events are refused: kernel.perf_event_paranoid is %s, and CAP_PERFMON is missing",
		    value[0] ? value : "unknown");
	}
	if (sys_errno == ENOSYS)
		return error_create(ERROR_UNSUPPORTED, sys_errno, NULL,
				    "perf_event_open is not there (CONFIG_PERF_EVENTS, or a seccomp filter)");
	return error_system(sys_errno, NULL, "perf_event_open failed");
}

/* Maps the event's ring. The memory is charged to the user beyond kernel.perf_event_mlock_kb: less is tried then. */
static struct error *map_ring(struct callchain *callchain, int fd)
{
	for (size_t pages = RING_PAGES; pages >= 1; pages /= 2) {
		size_t size = (pages + 1) * callchain->page_size;
		void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (mapped != MAP_FAILED) {
			vector_push(&callchain->rings, (struct ring){fd, -1, mapped, size});
			return NULL;
		}
		if (errno != EPERM && errno != ENOMEM)
			break;
	}
	return error_system(errno, NULL, "mapping a perf ring failed (kernel.perf_event_mlock_kb)");
}

static int open_event(const struct callchain *callchain, uint64_t id, int cpu)
{
	struct perf_event_attr attr = {
	    .type = PERF_TYPE_TRACEPOINT,
	    .size = sizeof(attr),
	    .config = id,
	    .sample_period = 1,
	    .sample_type = SAMPLE_TYPE,
	    .watermark = 1,
	    .wakeup_watermark = (uint32_t)(RING_PAGES * callchain->page_size / FILLING),
	    .exclude_callchain_user = 1,
	    .use_clockid = 1,
	    .clockid = CLOCK_MONOTONIC,
	};

	return (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Lets the stops on this CPU go into its ring; on all CPUs or on none, so that none is looked for in vain. */
static void open_stops(struct callchain *callchain, struct ring *ring, int cpu)
{
	int fd = callchain->stop_id ? open_event(callchain, callchain->stop_id, cpu) : -1;

	if (fd >= 0 && !ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, ring->fd) &&
	    !ioctl(fd, PERF_EVENT_IOC_SET_FILTER, callchain->stop_filter)) {
		ring->stop_fd = fd;
		return;
	}
	if (fd >= 0)
		close(fd);
	callchain->stop_id = 0;
}

static struct error *open_cpu(struct callchain *callchain, int cpu)
{
	int fd = open_event(callchain, callchain->id, cpu);

	if (fd < 0)
		return errno == ENODEV ? NULL /* went offline just now */ : open_error(errno);

	struct error *error = map_ring(callchain, fd);

	if (error)
		close(fd);
	else
		open_stops(callchain, &callchain->rings.items[callchain->rings.count - 1], cpu);
	return error;
}

/* Opens the CPUs of a list as sysfs has it: "0-3,6". */
static struct error *open_cpus(struct callchain *callchain, const char *list)
{
	while (*list >= '0' && *list <= '9') {
		char *end;
		long first = strtol(list, &end, 10);
		long last = *end == '-' ? strtol(end + 1, &end, 10) : first;

		for (long cpu = first; cpu <= last; cpu++) {
			struct error *error = open_cpu(callchain, (int)cpu);

			if (error)
				return error;
		}
		list = *end == ',' ? end + 1 : end;
	}
	if (callchain->rings.count == 0)
		return error_create(ERROR_SYSTEM, 0, NULL, "no CPU is listed in /sys/devices/system/cpu/online");
	return NULL;
}

static struct error *open_online(struct callchain *callchain)
{
	static const char path[] = "/sys/devices/system/cpu/online";
	_cleanup_(buffer_deinit) struct buffer list = {0};
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct error *error = fd < 0 ? error_system(errno, path, "opening %s failed", path) : buffer_read_fd(&list, fd);

	return error ? error : open_cpus(callchain, list.data ? list.data : "");
}

struct error *callchain_create(struct callchain **callchain)
{
	struct callchain *created = memory_alloc(sizeof(*created));
	struct error *error;

	created->page_size = (size_t)sysconf(_SC_PAGESIZE);
	error = find_tracepoints(created);
	if (!error)
		error = open_online(created);
	if (error) {
		callchain_destroy(created);
		created = NULL;
	}
	*callchain = created;
	return error;
}

/* Closing a tracepoint's last event makes the kernel wait until nobody is in the tracepoint any more: 25 to 55 ms
 * (kernel/trace/trace_event_perf.c, perf_trace_event_unreg). Nobody needs to wait for that. Sent over a socket that is
 * then closed with the descriptor still in its queue, along with a descriptor of the socket itself, the event belongs
 * to a cycle that no process can reach: the kernel's garbage collection closes it, from 6.10 on in a worker of its own
 * (net/unix/garbage.c). On older kernels, and where the message cannot be sent, it takes as long as a plain close. */
static void close_later(int fd)
{
	int pair[2];
	char byte = 0;
	struct iovec data = {.iov_base = &byte, .iov_len = sizeof(byte)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct msghdr message = {
	    .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};

	if (!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair)) {
		const int sent[2] = {fd, pair[1]};

		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(sent));
		memcpy(CMSG_DATA(&control.header), sent, sizeof(sent));
		sendmsg(pair[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
		close(pair[1]);
		close(pair[0]); /* last: its release starts the collection */
		return;
	}
	close(fd);
}

void callchain_destroy(struct callchain *callchain)
{
	if (!callchain)
		return;
	for (size_t i = 0; i < callchain->rings.count; i++) {
		munmap(callchain->rings.items[i].control, callchain->rings.items[i].mapped);
		if (callchain->rings.items[i].stop_fd >= 0)
			close_later(callchain->rings.items[i].stop_fd);
		close_later(callchain->rings.items[i].fd);
	}
	vector_deinit(&callchain->rings);
	free(callchain);
}

static void notify(int fd)
{
	struct f_owner_ex owner = {.type = F_OWNER_TID, .pid = gettid()};

	if (!fcntl(fd, F_SETOWN_EX, &owner))
		fcntl(fd, F_SETFL, O_ASYNC);
}

void callchain_notify(const struct callchain *callchain)
{
	for (size_t i = 0; i < callchain->rings.count; i++) {
		notify(callchain->rings.items[i].fd);
		if (callchain->rings.items[i].stop_fd >= 0)
			notify(callchain->rings.items[i].stop_fd);
	}
}

bool callchain_has_stops(const struct callchain *callchain)
{
	return callchain->stop_id != 0;
}

const char *callchain_tracepoint(const struct callchain *callchain)
{
	return callchain->tracepoint->name;
}

uint64_t callchain_lost(const struct callchain *callchain)
{
	return callchain->lost;
}

/* A tracepoint's own record begins with its number (struct trace_entry, linux/trace_events.h). */
static bool is_stop(const struct callchain *callchain, const struct perf_sample *sample)
{
	uint16_t id;

	if (!callchain->stop_id || sample->raw_size < sizeof(id))
		return false;
	memcpy(&id, sample->raw, sizeof(id));
	return id == callchain->stop_id;
}

static void take_record(struct callchain *callchain, const struct perf_record *record,
			const struct callchain_sink *sink)
{
	struct callchain_sample *sample = &callchain->sample;
	struct perf_sample parsed;

	callchain->lost += perf_record_lost(record);
	if (!perf_sample_parse(record, SAMPLE_TYPE, &parsed))
		return;
	sample->kind = is_stop(callchain, &parsed) ? CALLCHAIN_STOP : CALLCHAIN_FORK;
	if (!sink->wants(sink->context, sample->kind, parsed.tid))
		return;

	size_t found = perf_sample_kernel_chain(&parsed, sample->addresses, CALLCHAIN_MAX_FRAMES);

	sample->tid = parsed.tid;
	sample->time_ns = parsed.time_ns;
	sample->truncated = found > CALLCHAIN_MAX_FRAMES;
	sample->count = sample->truncated ? CALLCHAIN_MAX_FRAMES : found;
	sample->have_comm =
	    sample->kind == CALLCHAIN_FORK && callchain->have_comm &&
	    tracepoint_field_text(&callchain->comm, parsed.raw, parsed.raw_size, sample->comm, sizeof(sample->comm));
	sink->take(sink->context, sample);
}

/* data_head is read before the data and data_tail written after it: perf_event_open(2), "data_head". */
static void drain_ring(struct callchain *callchain, const struct ring *ring, const struct callchain_sink *sink)
{
	struct perf_event_mmap_page *control = ring->control;
	struct perf_ring readable = {
	    .data = (const unsigned char *)control + callchain->page_size,
	    .size = ring->mapped - callchain->page_size,
	    .tail = control->data_tail,
	    .head = __atomic_load_n(&control->data_head, __ATOMIC_ACQUIRE),
	};
	struct perf_record record;

	if (readable.tail == readable.head)
		return;
	while (perf_ring_next(&readable, callchain->scratch, &record))
		take_record(callchain, &record, sink);
	__atomic_store_n(&control->data_tail, readable.tail, __ATOMIC_RELEASE);
}

void callchain_drain(struct callchain *callchain, const struct callchain_sink *sink)
{
	for (size_t i = 0; i < callchain->rings.count; i++)
		drain_ring(callchain, &callchain->rings.items[i], sink);
}
