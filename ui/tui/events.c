/* Events for the face: see events.h. */
#include "ui/tui/events.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "arch/abi.h"

static void tell(struct event_notes *notes)
{
	uint64_t one = 1;

	if (write(notes->wake, &one, sizeof(one)) < 0)
		return; /* full: the face knows already */
}

static void add_line(struct event_notes *notes, char *line)
{
	if (!line)
		abort();
	if (notes->lines.count == EVENT_NOTES_MAX) {
		free(notes->lines.items[0]);
		vector_remove(&notes->lines, 0);
	}
	vector_push(&notes->lines, line);
}

__attribute__((format(printf, 2, 3))) static void say_line(struct event_notes *notes, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add_line(notes, memory_vprintf(format, arguments));
	va_end(arguments);
}

static void describe_half(const struct fork_half *half, char *text, size_t size)
{
	if (half->ret_known)
		snprintf(text, size, "%lld", (long long)half->ret);
	else
		snprintf(text, size, "no return (%.60s)", half->ret_reason ? half->ret_reason : "unknown");
}

static void add_fork(struct event_notes *notes, const struct fork_record *record)
{
	struct fork_note note = {
	    .parent = record->parent.task.tid,
	    .child = record->child.task.tid,
	    .parent_known = record->parent.ret_known,
	    .child_known = record->child.ret_known,
	    .parent_ret = record->parent.ret,
	    .child_ret = record->child.ret,
	    .parent_kernel = stack_ref(record->kernel.parent_frames),
	    .child_kernel = stack_ref(record->kernel.child_frames),
	    .kernel_reason = record->kernel.reason,
	    .entry = record->entry,
	};
	char parent[96], child[96];

	describe_half(&record->parent, parent, sizeof(parent));
	describe_half(&record->child, child, sizeof(child));
	snprintf(note.text, sizeof(note.text), "%s %d -> %d  via %s  returned %s in %d, %s in %d",
		 fork_kind_name(record->kind), note.parent, note.child, entry_kind_name(record->entry), parent,
		 note.parent, child, note.child);
	if (notes->forks.count == EVENT_NOTES_MAX) {
		stack_unref(notes->forks.items[0].parent_kernel);
		stack_unref(notes->forks.items[0].child_kernel);
		vector_remove(&notes->forks, 0);
	}
	vector_push(&notes->forks, note);
	say_line(notes, "%s", note.text);
}

static void add_exit(struct event_notes *notes, const struct event *event)
{
	if (event->exit.signaled)
		say_line(notes, "%d %s  killed by SIG%s", event->task.tid, event->task.comm,
			 sigabbrev_np(event->exit.status) ? sigabbrev_np(event->exit.status) : "?");
	else
		say_line(notes, "%d %s  exited %d", event->task.tid, event->task.comm, event->exit.status);
}

static void add(struct event_notes *notes, const struct event *event)
{
	switch (event->kind) {
	case EVENT_FORK:
		add_fork(notes, event->fork);
		break;
	case EVENT_FORK_FAILED:
		say_line(notes, "%d  the fork failed: %s", event->task.tid, strerror(event->fork_failed->error_number));
		break;
	case EVENT_EXEC:
		say_line(notes, "%d  exec %s (%s)", event->task.tid, event->exec.path ? event->exec.path : "?",
			 abi_name(event->exec.new_abi));
		break;
	case EVENT_EXIT:
		add_exit(notes, event);
		break;
	case EVENT_SIGNAL:
		say_line(notes, "%d  SIG%s%s", event->task.tid,
			 sigabbrev_np(event->signal.number) ? sigabbrev_np(event->signal.number) : "RT",
			 event->signal.stop ? " (stopped)" : "");
		break;
	case EVENT_ATTACH:
		say_line(notes, "%d %s  attached", event->task.tid, event->task.comm);
		break;
	case EVENT_DETACH:
		say_line(notes, "%d %s  let go", event->task.tid, event->task.comm);
		break;
	case EVENT_ERROR:
		say_line(notes, "error: %s", event->error->message);
		break;
	case EVENT_START:
	case EVENT_END:
		break;
	}
}

static void on_event(void *context, const struct event *event)
{
	struct event_notes *notes = context;

	pthread_mutex_lock(&notes->lock);
	add(notes, event);
	pthread_mutex_unlock(&notes->lock);
	tell(notes);
	if (notes->also)
		notes->also->event(notes->also->context, event);
}

static void on_flush(void *context)
{
	struct event_notes *notes = context;

	if (notes->also && notes->also->flush)
		notes->also->flush(notes->also->context);
}

struct error *event_notes_init(struct event_notes *notes, const struct event_sink *also)
{
	*notes = (struct event_notes){.also = also};
	pthread_mutex_init(&notes->lock, NULL);
	notes->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return notes->wake < 0 ? error_system(errno, NULL, "eventfd failed") : NULL;
}

static void clear(struct event_notes *notes)
{
	for (size_t i = 0; i < notes->lines.count; i++)
		free(notes->lines.items[i]);
	for (size_t i = 0; i < notes->forks.count; i++) {
		stack_unref(notes->forks.items[i].parent_kernel);
		stack_unref(notes->forks.items[i].child_kernel);
	}
	vector_deinit(&notes->lines);
	vector_deinit(&notes->forks);
}

void event_notes_deinit(struct event_notes *notes)
{
	clear(notes);
	if (notes->wake >= 0)
		close(notes->wake);
	pthread_mutex_destroy(&notes->lock);
}

struct event_sink event_notes_sink(struct event_notes *notes)
{
	return (struct event_sink){.event = on_event, .flush = on_flush, .context = notes};
}

void event_notes_take(struct event_notes *notes, void (*line)(void *context, const char *line),
		      void (*fork)(void *context, const struct fork_note *note), void *context)
{
	struct event_notes taken = {0};
	uint64_t count;

	if (read(notes->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	pthread_mutex_lock(&notes->lock);
	taken.lines.items = notes->lines.items;
	taken.lines.count = notes->lines.count;
	taken.forks.items = notes->forks.items;
	taken.forks.count = notes->forks.count;
	memset(&notes->lines, 0, sizeof(notes->lines));
	memset(&notes->forks, 0, sizeof(notes->forks));
	pthread_mutex_unlock(&notes->lock);
	for (size_t i = 0; i < taken.lines.count; i++)
		line(context, taken.lines.items[i]);
	for (size_t i = 0; i < taken.forks.count; i++)
		fork(context, &taken.forks.items[i]);
	clear(&taken);
}
