/* A QEMU guest: see guest.h. This file starts it, from a snapshot where one fits. */
#include "kernel/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "kernel/guest_protocol.h"
#include "kernel/guest_snapshot.h"
#include "kernel/guest_state.h"
#include "kernel/initramfs.h"
#include "parse/bzimage.h"

/* Some of it is known to a few kernels alone; the others pass over what they do not know. What the arguments leave out
 * is what an emulated processor is slow at, or what a machine without devices has no use for: half of the time to
 * PID 1. lpj is only for delays, which no device here needs. panic=-1 has the machine restart at once, which ends QEMU.
 */
static const char default_append[] =
    "quiet console=ttyS0 rdinit=/init panic=-1 cryptomgr.notests acpi=off pci=off noapic nolapic nosmp mitigations=off "
    "lpj=8000000 tsc=reliable initcall_blacklist=load_system_certificate_list,isapnp_init,crypto_kdf108_init";

static const char default_cpu[] = "qemu32";
enum { DEFAULT_MEMORY_MIB = 128 };

void guest_facts_deinit(struct guest_facts *facts)
{
	buffer_deinit(&facts->kallsyms);
	free(facts->release);
	*facts = (struct guest_facts){0};
}

struct error *guest_connect(struct guest *guest, const struct patience *patience)
{
	struct error *error = qmp_init(&guest->qmp, guest->qemu.qmp, patience);

	return error ? error
		     : qmp_execute(&guest->qmp, "migrate-set-capabilities",
				   json_pack("{s:[{s:s, s:b}]}", "capabilities", "capability", "events", "state", 1),
				   -1, patience, NULL);
}

void guest_drop(struct guest *guest)
{
	qmp_deinit(&guest->qmp);
	qemu_deinit(&guest->qemu);
	guest->qmp = (struct qmp){.fd = -1};
	guest_frames_deinit(&guest->frames);
	guest_facts_deinit(&guest->facts);
	kernel_symbols_destroy(guest->symbols);
	guest->symbols = NULL;
	guest->frames = (struct guest_frames){.limit = GUEST_FRAME_MAX};
	guest->console = (struct guest_console){0};
}

/* Nothing wrong with the snapshot: whoever waits has had enough. */
static bool gave_up(const struct error *error)
{
	return error->code == ERROR_GONE || error->sys_errno == ETIMEDOUT;
}

static void read_symbols(struct guest *guest)
{
	size_t size;
	const char *text = guest_kallsyms(guest, &size);

	guest->symbols = kernel_symbols_create(text, size);
	kernel_symbols_index(guest->symbols);
}

/* While QEMU starts, the snapshot and the symbols are read here, on another processor. */
static struct error *restore(struct guest *guest, struct qemu_request request, const struct snapshot *snapshot,
			     const struct patience *patience)
{
	request.incoming = true;

	struct error *error = qemu_start(&request, &guest->qemu);

	if (!error && !snapshot_load(snapshot, &guest->facts))
		error = error_create(ERROR_INPUT, 0, snapshot->path, "the checksum is wrong");
	if (!error)
		read_symbols(guest);
	error = error ? error : guest_connect(guest, patience);
	if (!error && strcmp(guest->qmp.version, snapshot->qemu) != 0)
		error = error_create(ERROR_INPUT, 0, snapshot->path, "it was made by QEMU %s, this is %s",
				     snapshot->qemu, guest->qmp.version);
	error = error ? error
		      : qmp_execute(&guest->qmp, "getfd", json_pack("{s:s}", "fdname", "snapshot"), snapshot->fd,
				    patience, NULL);
	error = error ? error
		      : qmp_execute(&guest->qmp, "migrate-incoming", json_pack("{s:s}", "uri", "fd:snapshot"), -1,
				    patience, NULL);
	error = error ? error : qmp_wait_migration(&guest->qmp, patience);
	if (!error && strcmp(guest->qmp.migration, "completed") != 0)
		error = error_create(ERROR_INPUT, 0, snapshot->path, "QEMU did not take it");
	guest->restored = !error;
	return error;
}

/* *guest is restored, or as it was: a snapshot that does not serve is removed. */
static struct error *try_snapshot(struct guest *guest, const struct guest_options *options,
				  const struct qemu_request *request, const struct snapshot_key *key,
				  const struct patience *patience)
{
	_cleanup_(snapshot_deinit) struct snapshot snapshot;

	if (!snapshot_open(options->cache, key, &snapshot))
		return NULL;

	struct error *error = restore(guest, *request, &snapshot, patience);

	if (!error || gave_up(error))
		return error;
	log_write(&guest->log, LOG_LEVEL_DEBUG, "the snapshot %s is not used: %s", snapshot.path, error->message);
	error_destroy(error);
	snapshot_discard(&snapshot);
	guest_drop(guest);
	return NULL;
}

static struct error *write_stream(struct guest *guest, int fd, const struct patience *patience)
{
	struct error *error = qmp_execute(&guest->qmp, "migrate-set-parameters",
					  json_pack("{s:I}", "max-bandwidth", (json_int_t)1 << 40), -1, patience, NULL);

	error = error ? error
		      : qmp_execute(&guest->qmp, "getfd", json_pack("{s:s}", "fdname", "snapshot"), fd, patience, NULL);
	error = error
		    ? error
		    : qmp_execute(&guest->qmp, "migrate", json_pack("{s:s}", "uri", "fd:snapshot"), -1, patience, NULL);
	error = error ? error : qmp_wait_migration(&guest->qmp, patience);
	if (!error && strcmp(guest->qmp.migration, "completed") != 0)
		error = error_create(ERROR_SYSTEM, 0, NULL, "QEMU could not write it");
	/* QEMU tells the end before it enters this state, and aborts where the machine runs by then (migration.c,
	 * migration_iteration_finish, 7.2). */
	return error ? error : qmp_wait_status(&guest->qmp, "postmigrate", patience);
}

/* A snapshot that cannot be made is no loss. */
static struct error *make_snapshot(struct guest *guest, const char *directory, const struct snapshot_key *key,
				   const struct patience *patience)
{
	_cleanup_(snapshot_deinit) struct snapshot snapshot;

	if (!snapshot_begin(directory, key, &guest->facts, guest->qmp.version, &snapshot)) {
		log_write(&guest->log, LOG_LEVEL_DEBUG, "no snapshot of the guest can be kept in %s", directory);
		return NULL;
	}

	struct error *error = write_stream(guest, snapshot.fd, patience);

	if (!error && !snapshot_commit(directory, key, &snapshot))
		log_write(&guest->log, LOG_LEVEL_DEBUG, "no snapshot of the guest could be kept in %s", directory);
	if (!error || gave_up(error))
		return error;
	log_write(&guest->log, LOG_LEVEL_DEBUG, "no snapshot of the guest was made: %s", error->message);
	error_destroy(error);
	return NULL;
}

static struct error *check_kernel(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char head[4096];
	ssize_t size = fd < 0 ? -1 : read(fd, head, sizeof(head));
	struct bzimage image;

	if (size < 0)
		return error_create(errno == ENOENT ? ERROR_NOT_FOUND : ERROR_SYSTEM, errno, path,
				    "the guest's kernel %s cannot be read: %s", path, strerror(errno));
	if (!bzimage_parse(head, (size_t)size, &image))
		return error_create(ERROR_INPUT, 0, path,
				    "%s is not a Linux kernel for x86 (bzImage), as the guest needs one", path);
	if (image.is64)
		return error_create(ERROR_INPUT, 0, path, "%s is a 64-bit kernel; the guest needs a 32-bit one (i386)",
				    path);
	return NULL;
}

static char *make_append(const char *further)
{
	struct buffer text = {0};

	buffer_printf(&text, "%s%s%s", default_append, further ? " " : "", further ? further : "");
	return text.data;
}

static struct error *get_ready(struct guest *guest, const struct guest_options *options, struct qemu_request *request,
			       const struct patience *patience)
{
	_cleanup_free_ char *text = qemu_options_text(request);
	bool cached = options->cache && !options->cold;
	struct snapshot_key key = {0};
	struct error *error = cached ? snapshot_key_make(options->kernel, options->qemu, text, &key) : NULL;

	error = error || !cached ? error : try_snapshot(guest, options, request, &key, patience);
	if (error || guest->restored)
		return error;

	_cleanup_fd_ int initramfs = -1;

	error = initramfs_create(guest_init_image, (size_t)(guest_init_image_end - guest_init_image), &initramfs);
	request->initramfs = initramfs;
	error = error ? error : guest_boot(guest, request, patience);
	return error || !cached ? error : make_snapshot(guest, options->cache, &key, patience);
}

/* A connection's end is the news; the reason lies in QEMU's or the kernel's last words. */
static struct error *explain(struct guest *guest, struct error *error, const struct patience *patience)
{
	struct pollfd polled = {.fd = guest->qemu.pidfd, .events = POLLIN};

	if (error && error->sys_errno == ECONNRESET && polled.fd >= 0) {
		error_destroy(error);
		error = patience_poll(patience, &polled, 1);
		guest_listen(guest);
		error = error ? error : guest_trouble(guest, true);
	}
	return error;
}

/* A stop that nobody asked the stub for is told to whoever listens there, who has not shaken hands yet. */
static void drop_stub_news(const struct guest *guest)
{
	char bytes[256];

	while (recv(guest->qemu.stub, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

struct error *guest_start(const struct guest_options *options, int payload, int timeout_ms, bool (*interrupted)(void *),
			  void *context, const struct log *log, struct guest **guest)
{
	struct patience patience = patience_for(timeout_ms, interrupted, context);
	_cleanup_free_ char *append = make_append(options->append);
	struct qemu_request request = {
	    .path = options->qemu,
	    .cpu = options->cpu ? options->cpu : default_cpu,
	    .memory_mib = options->memory_mib ? options->memory_mib : DEFAULT_MEMORY_MIB,
	    .kernel = options->kernel,
	    .initramfs = -1,
	    .append = append,
	    .payload = payload,
	    .dump = -1,
	};
	struct error *error = check_kernel(options->kernel);

	*guest = NULL;
	if (error)
		return error;

	struct guest *started = memory_alloc(sizeof(*started));

	started->qemu = QEMU_NONE;
	started->frames.limit = GUEST_FRAME_MAX;
	started->log = log ? *log : (struct log){0};
	error = explain(started, get_ready(started, options, &request, &patience), &patience);
	if (error) {
		guest_log_console(started);
		guest_destroy(started);
		return error;
	}
	drop_stub_news(started);
	*guest = started;
	return NULL;
}

void guest_destroy(struct guest *guest)
{
	if (!guest)
		return;
	guest_drop(guest);
	free(guest);
}

const char *guest_kallsyms(const struct guest *guest, size_t *size)
{
	*size = guest->facts.kallsyms.size - guest->facts.vdso_size;
	return guest->facts.kallsyms.data;
}

struct kernel_symbols *guest_take_symbols(struct guest *guest)
{
	struct kernel_symbols *symbols;

	if (!guest->symbols)
		read_symbols(guest);
	symbols = guest->symbols;
	guest->symbols = NULL;
	return symbols;
}

const void *guest_vdso(const struct guest *guest, size_t *size)
{
	*size = guest->facts.vdso_size;
	return guest->facts.kallsyms.data + guest->facts.kallsyms.size - guest->facts.vdso_size;
}

const char *guest_release(const struct guest *guest)
{
	return guest->facts.release;
}

const uint8_t *guest_build_id(const struct guest *guest, size_t *size)
{
	*size = guest->facts.build_id_size;
	return guest->facts.build_id;
}

uint32_t guest_exec_address(const struct guest *guest)
{
	return guest->facts.exec_address;
}

bool guest_from_snapshot(const struct guest *guest)
{
	return guest->restored;
}

int guest_stub_fd(const struct guest *guest)
{
	return guest->qemu.stub;
}
