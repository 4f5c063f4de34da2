/* A fork's record as text: header, both user stacks, the border, both kernel stacks, notes. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ui/report/columns.h"
#include "ui/report/text.h"

enum {
	WRAP_INDENT = 4,
	LABEL_SIZE = 64,
	HEAD_GAP = 2, /* between the parts of a side's head */
};

static const char *const sides[2] = {"parent", "child"};

void task_draw(struct canvas *canvas, const struct task_name *task)
{
	char text[LABEL_SIZE];

	canvas_item(canvas, ROLE_PLAIN, WRAP_INDENT, task->comm);
	if (task->tid != task->pid && task->tid != 0)
		snprintf(text, sizeof(text), " %d/%d", task->pid, task->tid);
	else
		snprintf(text, sizeof(text), " %d", task->pid);
	canvas_wrap(canvas, ROLE_PID, WRAP_INDENT, text);
}

static void header_draw(struct canvas *canvas, const struct event *event, unsigned long number)
{
	const struct fork_record *fork = event->fork;
	_cleanup_(buffer_deinit) struct buffer text = {0};

	canvas_printf(canvas, ROLE_HEADER, "%s %lu", fork->thread ? "thread" : fork_kind_name(fork->kind), number);
	task_draw(canvas, &fork->parent.task);
	buffer_printf(&text, " -> %s%d", fork->thread ? "thread " : "", fork->child.task.tid);
	canvas_wrap(canvas, ROLE_PID, WRAP_INDENT, text.data);
	canvas_item(canvas, ROLE_PLAIN, WRAP_INDENT, abi_name(fork->call.abi));
	buffer_clear(&text);
	buffer_printf(&text, "at %s", duration_text(event->time_ns));
	canvas_item(canvas, ROLE_DIM, WRAP_INDENT, text.data);
	canvas_newline(canvas);

	buffer_clear(&text);
	fork_call_text(&text, &fork->call);
	canvas_move(canvas, NOTE_INDENT);
	canvas_wrap(canvas, ROLE_PLAIN, WRAP_INDENT, text.data);
	buffer_clear(&text);
	buffer_append_text(&text, "via ");
	entry_text(&text, fork->entry, fork->entry_certain);
	canvas_item(canvas, ROLE_PLAIN, WRAP_INDENT, text.data);
	canvas_newline(canvas);
	canvas_newline(canvas);
}

/* What stands above a side's stack: "parent 4711", "returned 4712", "+48 us". */
struct half_head {
	char who[LABEL_SIZE], verdict[LABEL_SIZE], after[LABEL_SIZE];
};

static struct half_head half_head_make(const struct fork_half *half, const char *side)
{
	struct half_head head = {.verdict = "no return value"};

	snprintf(head.who, sizeof(head.who), "%s %d", side, half->task.tid);
	if (half->ret_known) {
		snprintf(head.verdict, sizeof(head.verdict), "returned %" PRId64, half->ret);
		snprintf(head.after, sizeof(head.after), "+%s", duration_text(half->ret_ns));
	}
	return head;
}

static size_t half_head_width(const struct half_head *head)
{
	return strlen(head->who) + HEAD_GAP + strlen(head->verdict) + HEAD_GAP + strlen(head->after);
}

/* Puts `text` where the line stands, but not beyond column `end`. */
static void clip_put(struct canvas *canvas, enum role role, const char *text, unsigned end)
{
	canvas_fit(canvas, role, text, canvas->column < end ? end - canvas->column : 0, KEEP_HEAD);
	canvas_move(canvas, canvas->column + HEAD_GAP);
}

static void half_head_draw(struct canvas *canvas, const struct half_head *head, unsigned start, unsigned end,
			   bool with_after)
{
	canvas_move(canvas, start);
	clip_put(canvas, ROLE_HEADER, head->who, end);
	clip_put(canvas, *head->after ? ROLE_RETURN : ROLE_WARNING, head->verdict, end);
	if (with_after)
		clip_put(canvas, ROLE_DIM, head->after, end);
}

/* Both heads in a line; where they are too long for that, the times stand in a second one. */
static void heads_draw(struct canvas *canvas, const struct fork_record *fork)
{
	const struct half_head heads[2] = {half_head_make(&fork->parent, sides[0]),
					   half_head_make(&fork->child, sides[1])};
	unsigned width = column_width(canvas);
	bool fit = half_head_width(&heads[0]) <= width && half_head_width(&heads[1]) <= width;

	for (int side = 0; side < 2; side++) {
		unsigned start = column_start(canvas, side);

		half_head_draw(canvas, &heads[side], start, start + width, fit);
	}
	canvas_newline(canvas);
	if (fit)
		return;
	for (int side = 0; side < 2; side++) {
		canvas_move(canvas, column_start(canvas, side));
		clip_put(canvas, ROLE_DIM, heads[side].after, column_start(canvas, side) + width);
	}
	canvas_newline(canvas);
}

__attribute__((format(printf, 3, 4))) static void note_draw(struct canvas *canvas, enum role role, const char *format,
							    ...)
{
	va_list arguments;

	va_start(arguments, format);
	_cleanup_free_ char *text = memory_vprintf(format, arguments);
	va_end(arguments);
	canvas_move(canvas, NOTE_INDENT);
	canvas_wrap(canvas, role, WRAP_INDENT, text);
	canvas_newline(canvas);
}

/* Both user stacks one below the other, a frame a line, each under its head. */
static void heads_and_frames_draw(struct canvas *canvas, const struct fork_record *fork)
{
	const struct fork_half *const halves[2] = {&fork->parent, &fork->child};

	for (int side = 0; side < 2; side++) {
		struct half_head head = half_head_make(halves[side], sides[side]);

		half_head_draw(canvas, &head, COLUMNS_INDENT, canvas->width, true);
		canvas_newline(canvas);
		if (side == 1 && halves[1]->frames && halves[1]->frames == halves[0]->frames)
			note_draw(canvas, ROLE_DIM, "(the parent's frames, all of them)");
		else if (halves[side]->frames)
			stack_draw_detailed(canvas, halves[side]->frames);
	}
}

/* Both user stacks side by side, below their heads. */
static void stacks_draw(struct canvas *canvas, const struct fork_record *fork, int verbosity)
{
	const struct stack *const stacks[2] = {fork->parent.frames, fork->child.frames};
	struct column columns[2];

	if (verbosity >= VERBOSE_FRAMES)
		return;
	for (int side = 0; side < 2; side++)
		columns[side] = (struct column){
		    .stack = stacks[side],
		    .absent = "(stack not read)",
		    .visible = stack_visible(stacks[side], verbosity >= VERBOSE_EVENTS),
		    .origin = side == 1 && fork->call.child_stack ? "(on a stack of its own)" : NULL,
		};
	columns_draw(canvas, columns, ALIGN_BOTTOM);
}

/* The line between user and kernel, named after the instruction that crosses it. */
static void border_draw(struct canvas *canvas, const struct fork_record *fork)
{
	unsigned width = column_start(canvas, 1) + column_width(canvas) - COLUMNS_INDENT;
	_cleanup_(buffer_deinit) struct buffer text = {0};

	buffer_append_text(&text, " user / kernel: ");
	entry_text(&text, fork->entry, fork->entry_certain);
	buffer_append_text(&text, " ");

	unsigned rule = width > text.size ? (width - (unsigned)text.size) / 2 : 0;

	canvas_move(canvas, COLUMNS_INDENT);
	canvas_rule(canvas, ROLE_BORDER, rule);
	canvas_put(canvas, ROLE_BORDER, text.data);
	canvas_rule(canvas, ROLE_BORDER, width - rule - (unsigned)text.size);
	canvas_newline(canvas);
}

static void kernel_draw(struct canvas *canvas, const struct fork_record *fork, int verbosity)
{
	const struct stack *stacks[2] = {fork->kernel.parent_frames, fork->kernel.child_frames};
	struct column columns[2];

	if (!stacks[0] && !stacks[1])
		return;
	border_draw(canvas, fork);
	if (verbosity >= VERBOSE_FRAMES) {
		for (int side = 0; side < 2; side++) {
			if (!stacks[side])
				continue;
			canvas_move(canvas, COLUMNS_INDENT);
			canvas_printf(canvas, ROLE_HEADER, "%s, kernel", sides[side]);
			canvas_newline(canvas);
			stack_draw_detailed(canvas, stacks[side]);
		}
		return;
	}
	for (int side = 0; side < 2; side++)
		columns[side] = (struct column){
		    .stack = stacks[side], .absent = "(not seen)", .visible = stack_visible(stacks[side], true)};
	columns_draw(canvas, columns, ALIGN_TOP);
}

/* How a kernel stack was had, for people. */
static const char *kernel_method_text(const struct stack *stack)
{
	switch (stack->count ? stack->frames[0].method : METHOD_PERF) {
	case METHOD_PERF:
		return "perf callchain";
	case METHOD_PROC_STACK:
		return "/proc/TID/stack";
	default:
		return frame_method_name(stack->frames[0].method);
	}
}

static void kernel_note_draw(struct canvas *canvas, const struct fork_kernel *kernel)
{
	const struct stack *parent = kernel->parent_frames;
	const struct stack *child = kernel->child_frames;
	_cleanup_(buffer_deinit) struct buffer text = {0};

	if (kernel->source != KERNEL_SOURCE_NONE) {
		buffer_printf(&text, "kernel: %s, Linux %s", kernel_source_name(kernel->source),
			      kernel->release ? kernel->release : "(unknown release)");
		if (kernel->source == KERNEL_SOURCE_GUEST)
			buffer_append_text(&text, " (stepped in QEMU)");
		else if (parent && child && !strcmp(kernel_method_text(parent), kernel_method_text(child)))
			buffer_printf(&text, " (%s)", kernel_method_text(parent));
		else if (parent && child)
			buffer_printf(&text, " (%s; child: %s)", kernel_method_text(parent), kernel_method_text(child));
		else if (parent || child)
			buffer_printf(&text, " (%s: %s)", parent ? "parent" : "child",
				      kernel_method_text(parent ? parent : child));
		note_draw(canvas, ROLE_DIM, "%s", text.data);
	}
	if (kernel->reason)
		note_draw(canvas, ROLE_WARNING, "kernel half%s: %s", parent || child ? "" : " missing", kernel->reason);
}

/* Appends the names of methods that guessed a frame of `stack`, each once. */
static void guesses_collect(struct buffer *text, const struct stack *stack, uint32_t *seen)
{
	for (size_t i = 0; stack && i < stack->count; i++) {
		const struct frame *frame = &stack->frames[i];

		if (frame->certain || *seen & 1U << frame->method)
			continue;
		buffer_printf(text, "%s%s", *seen ? ", " : "", frame_method_name(frame->method));
		*seen |= 1U << frame->method;
	}
}

void stack_notes_draw(struct canvas *canvas, const struct stack *const stacks[2], const char *const whose[2])
{
	bool same_end = stacks[0] && stacks[1] && stacks[0]->reason && stacks[1]->reason &&
			!strcmp(stacks[0]->reason, stacks[1]->reason);
	_cleanup_(buffer_deinit) struct buffer guesses = {0};
	uint32_t seen = 0;

	if (same_end)
		note_draw(canvas, ROLE_WARNING, "both stacks end early: %s", stacks[0]->reason);
	for (int side = 0; side < 2; side++) {
		if (!stacks[side])
			continue;
		if (stacks[side]->reason && !same_end)
			note_draw(canvas, ROLE_WARNING, "%s's stack ends early: %s", whose[side], stacks[side]->reason);
		if (stacks[side]->truncated)
			note_draw(canvas, ROLE_WARNING, "%s's stack is cut at %zu frames (--max-frames)", whose[side],
				  stacks[side]->count);
		guesses_collect(&guesses, stacks[side], &seen);
	}
	if (seen)
		note_draw(canvas, ROLE_WARNING, "? marks a frame that was guessed (by %s), not proven", guesses.data);
}

static bool has_own_namespace(const struct task_name *task)
{
	return task->ns_pid != 0 && task->ns_pid != task->tid;
}

static const char *ret_source_text(const struct fork_half *half)
{
	return half->ret_known ? ret_source_name(half->ret_from) : "none";
}

static void call_notes_draw(struct canvas *canvas, const struct fork_record *fork, int verbosity)
{
	const struct fork_half *halves[2] = {&fork->parent, &fork->child};

	if (fork->restarts)
		note_draw(canvas, ROLE_PLAIN, "a signal restarted the call %u time%s", fork->restarts,
			  fork->restarts == 1 ? "" : "s");
	if (fork->injected)
		note_draw(canvas, ROLE_WARNING, "the call was held for %s at its entry (--inject)",
			  duration_text(fork->delay_ns));
	if (fork->untraced)
		note_draw(canvas, ROLE_WARNING, "CLONE_UNTRACED was asked for, and taken out to follow the child");
	for (int side = 0; side < 2; side++) {
		const struct task_name *task = &halves[side]->task;

		if (has_own_namespace(task))
			note_draw(canvas, ROLE_PLAIN, "%s %d is %d in its own pid namespace", sides[side], task->tid,
				  task->ns_pid);
	}
	if (verbosity >= VERBOSE_EVENTS)
		note_draw(canvas, ROLE_DIM, "%s; return values seen at: parent %s, child %s",
			  stop_order_name(fork->order), ret_source_text(&fork->parent), ret_source_text(&fork->child));
	for (int side = 0; side < 2; side++) {
		if (!halves[side]->ret_known && halves[side]->ret_reason)
			note_draw(canvas, ROLE_WARNING, "%s has no return value: %s", sides[side],
				  halves[side]->ret_reason);
	}
}

/* What depends on the stacks alone; the notes about them begin at *notes, counted from the first byte drawn. */
static void body_draw(struct canvas *canvas, const struct fork_record *fork, int verbosity, size_t *notes)
{
	size_t begin = canvas->text.size;

	stacks_draw(canvas, fork, verbosity);
	kernel_draw(canvas, fork, verbosity);
	*notes = canvas->text.size - begin;
	canvas_newline(canvas);
	kernel_note_draw(canvas, &fork->kernel);
}

/* The same, from the cache where it was drawn before. */
static void body_draw_cached(struct canvas *canvas, const struct fork_record *fork, int verbosity,
			     struct fork_cache *cache, size_t *notes)
{
	struct fork_cache_key key = fork_cache_key_of(fork);
	struct fork_cache_entry *entry = fork_cache_find(cache, &key);
	size_t begin = canvas->text.size;

	if (entry->text.size) {
		buffer_append(&canvas->text, entry->text.data, entry->text.size);
	} else {
		body_draw(canvas, fork, verbosity, &entry->notes);
		buffer_append(&entry->text, canvas->text.data + begin, canvas->text.size - begin);
	}
	*notes = entry->notes;
}

void fork_draw(struct canvas *canvas, const struct event *event, unsigned long number, int verbosity,
	       struct fork_cache *cache)
{
	const struct fork_record *fork = event->fork;
	const struct stack *user[2] = {fork->parent.frames, fork->child.frames};
	const struct stack *kernel[2] = {fork->kernel.parent_frames, fork->kernel.child_frames};
	static const char *const kernel_sides[2] = {"parent's kernel half: the parent",
						    "child's kernel half: the child"};
	size_t notes;

	header_draw(canvas, event, number);
	if (verbosity >= VERBOSE_FRAMES)
		heads_and_frames_draw(canvas, fork);
	else
		heads_draw(canvas, fork);

	size_t body = canvas->text.size;

	body_draw_cached(canvas, fork, verbosity, cache, &notes);
	call_notes_draw(canvas, fork, verbosity);
	stack_notes_draw(canvas, user, sides);
	stack_notes_draw(canvas, kernel, kernel_sides);
	if (canvas->text.size == body + notes + 1) { /* no notes: no blank line for them */
		canvas->text.size = body + notes;
		canvas->text.data[canvas->text.size] = '\0';
	}
	if (fork->kernel.walk)
		walk_draw(canvas, fork, number == 1 || verbosity >= VERBOSE_EVENTS, verbosity);
}
