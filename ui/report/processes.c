/* Who is who, for reports that write as the events come: see processes.h. */
#include "ui/report/processes.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void process_destroy(struct process *process)
{
	if (!process)
		return;
	free(process->program);
	free(process->label);
	free(process);
}

void processes_deinit(struct processes *processes)
{
	struct process *process;

	for (size_t i = 0; (process = map_next(&processes->alive, &i));)
		process_destroy(process);
	for (size_t i = 0; i < PROCESSES_ENDED; i++)
		process_destroy(processes->ended[i]);
	map_deinit(&processes->alive);
	free(processes->generations);
}

static unsigned generation_next(struct processes *processes, pid_t pid)
{
	size_t index = (size_t)pid;

	if (index >= processes->generation_count) {
		size_t count = index + index / 2 + 1;

		processes->generations = memory_resize(processes->generations, count, 1);
		memset(processes->generations + processes->generation_count, 0, count - processes->generation_count);
		processes->generation_count = count;
	}
	/* Beyond this they are not told apart by it any more. */
	return processes->generations[index] < UINT8_MAX ? processes->generations[index]++ : UINT8_MAX;
}

static void name_take(struct process *process, const struct task_name *task)
{
	if (!task->comm[0])
		return;
	memcpy(process->comm, task->comm, sizeof(process->comm));
	process->comm[sizeof(process->comm) - 1] = '\0';
}

static struct process *process_add(struct processes *processes, const struct task_name *task, uint64_t met)
{
	struct process *process = memory_alloc(sizeof(*process));

	process->pid = task->pid;
	process->number = ++processes->last_number;
	process->met = met;
	process->generation = generation_next(processes, task->pid);
	name_take(process, task);
	map_put(&processes->alive, (uint64_t)task->pid, process);
	return process;
}

struct process *processes_of(struct processes *processes, const struct task_name *task, uint64_t seq)
{
	struct process *process = map_get(&processes->alive, (uint64_t)task->pid);

	if (!process)
		return process_add(processes, task, seq);
	name_take(process, task);
	return process;
}

static struct process *ended_find(const struct processes *processes, pid_t pid, uint64_t seq)
{
	for (size_t i = 0; i < PROCESSES_ENDED; i++) {
		struct process *process = processes->ended[i];

		if (process && process->pid == pid && process->met <= seq && process->ended > seq)
			return process;
	}
	return NULL;
}

struct process *processes_parent(struct processes *processes, const struct task_name *task, uint64_t seq)
{
	struct process *alive = map_get(&processes->alive, (uint64_t)task->pid);
	struct process *ended = alive && alive->met <= seq ? NULL : ended_find(processes, task->pid, seq);

	return ended ? ended : processes_of(processes, task, seq);
}

/* The first one that was met behind the fork, and is nobody's child yet. */
static struct process *orphan_find(const struct processes *processes, pid_t pid, uint64_t seq)
{
	struct process *first = map_get(&processes->alive, (uint64_t)pid);

	if (first && (first->placed || first->met <= seq))
		first = NULL;
	for (size_t i = 0; i < PROCESSES_ENDED; i++) {
		struct process *process = processes->ended[i];

		if (process && process->pid == pid && !process->placed && process->met > seq &&
		    (!first || process->met < first->met))
			first = process;
	}
	return first;
}

struct process *processes_child(struct processes *processes, const struct task_name *task, uint64_t seq,
				const struct process *parent)
{
	struct process *child = orphan_find(processes, task->pid, seq);

	if (!child) {
		struct process *stale = map_get(&processes->alive, (uint64_t)task->pid);

		/* Its end was not told: another one has its id now. */
		if (stale && stale != parent)
			processes_end(processes, stale, seq);
		child = process_add(processes, task, seq);
		if (parent->program)
			child->program = memory_strdup(parent->program);
	}
	child->met = seq;
	child->placed = true;
	return child;
}

void process_exec(struct process *process, const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *base = slash && slash[1] ? slash + 1 : path;

	free(process->program);
	process->program = base ? memory_strdup(base) : NULL;
}

void processes_end(struct processes *processes, struct process *process, uint64_t seq)
{
	struct process **slot = &processes->ended[processes->next_ended++ % PROCESSES_ENDED];

	process->ended = seq;
	map_remove(&processes->alive, (uint64_t)process->pid);
	process_destroy(*slot);
	*slot = process;
}

void process_name(struct buffer *text, const struct process *process)
{
	const char *program = process->program;
	size_t size = strlen(process->comm);

	buffer_append_text(text, "");
	/* The kernel cuts a name at 15 bytes; the path has it whole. */
	if (program && size == COMM_SIZE - 1 && !strncmp(program, process->comm, size)) {
		buffer_append_text(text, program);
		return;
	}
	buffer_append_text(text, process->comm);
	if (program && strcmp(program, process->comm) != 0)
		buffer_printf(text, " [%s]", program);
}
