/* Reads /proc/kallsyms on a thread: see kallsyms_reader.h. */
#include "kernel/kallsyms_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "kernel/kallsyms_cache.h"

enum { READ_SIZE = 64 * 1024 };

struct kallsyms_reader {
	int fd;
	char *reason;
	char *cache;        /* directory, or NULL */
	struct buffer text; /* the thread's alone while it runs */
	struct kernel_symbols *symbols;
	pthread_t thread;
	bool running;
	atomic_bool stop;
};

/* Reads once; false at the end of the file or on an error. */
static bool read_some(struct kallsyms_reader *reader)
{
	ssize_t got;

	do
		got = read(reader->fd, buffer_reserve(&reader->text, READ_SIZE), READ_SIZE);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		reader->text.size += (size_t)got;
	return got > 0;
}

static void read_all(struct kallsyms_reader *reader)
{
	bool copied = kallsyms_cache_load(reader->cache, &reader->text);

	while (!copied && !atomic_load(&reader->stop) && read_some(reader))
		;
	if (atomic_load(&reader->stop))
		buffer_clear(&reader->text);
	reader->symbols = kernel_symbols_create(reader->text.data, reader->text.size);
	if (!copied && reader->text.size)
		kallsyms_cache_store(reader->cache, &reader->text);
	buffer_deinit(&reader->text);
}

static void *run(void *reader)
{
	read_all(reader);
	return NULL;
}

/* The first functions' addresses tell whether they are hidden, before the rest is read. */
static void check_hidden(struct kallsyms_reader *reader)
{
	read_some(reader);

	struct kernel_symbols *first = kernel_symbols_create(reader->text.data, reader->text.size);

	if (kernel_symbols_hidden(first))
		reader->reason = memory_strdup("the addresses in /proc/kallsyms are hidden: kernel.kptr_restrict, or "
					       "CAP_SYSLOG is missing");
	kernel_symbols_destroy(first);
}

static void start_thread(struct kallsyms_reader *reader)
{
	sigset_t all, old;

	/* A signal for the process is for the thread that made the session. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	reader->running = pthread_create(&reader->thread, NULL, run, reader) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

struct kallsyms_reader *kallsyms_reader_create(const char *cache)
{
	struct kallsyms_reader *reader = memory_alloc(sizeof(*reader));

	reader->cache = cache ? memory_strdup(cache) : NULL;

	reader->fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	if (reader->fd >= 0)
		check_hidden(reader);
	else
		reader->reason =
		    memory_printf("/proc/kallsyms cannot be opened (CONFIG_KALLSYMS): %s", strerror(errno));
	if (!reader->reason)
		start_thread(reader);
	return reader;
}

static void join(struct kallsyms_reader *reader)
{
	if (reader->running)
		pthread_join(reader->thread, NULL);
	reader->running = false;
}

void kallsyms_reader_destroy(struct kallsyms_reader *reader)
{
	if (!reader)
		return;
	atomic_store(&reader->stop, true);
	join(reader);
	kernel_symbols_destroy(reader->symbols);
	buffer_deinit(&reader->text);
	cleanup_fd_(&reader->fd);
	free(reader->reason);
	free(reader->cache);
	free(reader);
}

const char *kallsyms_reader_reason(const struct kallsyms_reader *reader)
{
	return reader->reason;
}

const struct kernel_symbols *kallsyms_reader_symbols(struct kallsyms_reader *reader)
{
	join(reader);
	if (!reader->symbols && !reader->reason) /* no thread could be had */
		read_all(reader);
	return reader->symbols;
}
