/* The kernel half on this machine: see live.h. */
#include "kernel/live.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/vector.h"
#include "kernel/callchain.h"
#include "kernel/kallsyms_reader.h"
#include "kernel/stack_file.h"
#include "kernel/stack_memo.h"
#include "parse/proc_stack.h"

/* A task and its newest sample: of its fork, if it is traced; of its stop. A child stops before anybody has told that
 * it is traced.
 *
 * One is enough, and the newest is the right one: a task that is at its fork event stop makes no further call, so that
 * its newest sample is this call's. An older one that nobody took belongs to a call without an event stop
 * (CLONE_UNTRACED, or before the attach): kept in a queue, it would pair every later fork with its predecessor. */
struct watched {
	pid_t tid;
	bool traced;
	bool have_sample;
	enum callchain_kind kind;
	bool have_comm;
	bool truncated;
	char comm[CALLCHAIN_COMM_SIZE];
	uint64_t time_ns;
	VECTOR(uint64_t) addresses;
};

enum { MAX_STRANGERS = 1024 };

struct live_kernel {
	struct string_pool *pool;
	const struct log *log;
	struct callchain *callchain; /* NULL: not permitted */
	struct kallsyms_reader *kallsyms;
	struct stack_file *stack_file;
	struct stack_memo chains; /* stacks by raw call chain */
	struct map watched;       /* tid to struct watched */
	size_t strangers;         /* how many of them are not traced */
	bool defer_names;
	const char *perf_reason;     /* why callchain is NULL */
	const char *kallsyms_reason; /* why call chains have no names */
	const char *child_reason;    /* why stack_file gives nothing */
};

/* Turns an error into a reason (string pool); NULL for none. */
static const char *reason_take(struct live_kernel *live, struct error *error)
{
	const char *reason = error ? string_intern(live->pool, error->message) : NULL;

	error_destroy(error);
	return reason;
}

struct live_kernel *live_kernel_create(struct string_pool *pool, const struct log *log, const char *cache)
{
	struct live_kernel *live = memory_alloc(sizeof(*live));

	live->pool = pool;
	live->log = log;
	live->kallsyms = kallsyms_reader_create(cache);
	live->kallsyms_reason = string_intern(pool, kallsyms_reader_reason(live->kallsyms));
	live->perf_reason = reason_take(live, callchain_create(&live->callchain));
	live->stack_file = stack_file_create(pool);
	live->child_reason = reason_take(live, stack_file_probe());
	if (live->callchain)
		log_write(log, LOG_LEVEL_DEBUG, "kernel stacks from the tracepoint %s",
			  callchain_tracepoint(live->callchain));
	else
		log_write(log, LOG_LEVEL_DEBUG, "no kernel call chains: %s", live->perf_reason);
	if (live->kallsyms_reason)
		log_write(log, LOG_LEVEL_DEBUG, "no kernel symbols: %s", live->kallsyms_reason);
	return live;
}

static void watched_destroy(struct watched *watched)
{
	if (!watched)
		return;
	vector_deinit(&watched->addresses);
	free(watched);
}

void live_kernel_destroy(struct live_kernel *live)
{
	struct watched *watched;

	if (!live)
		return;
	callchain_destroy(live->callchain);
	kallsyms_reader_destroy(live->kallsyms);
	stack_file_destroy(live->stack_file);
	stack_memo_deinit(&live->chains);
	for (size_t i = 0; (watched = map_next(&live->watched, &i));)
		watched_destroy(watched);
	map_deinit(&live->watched);
	free(live);
}

const char *live_kernel_parent_reason(const struct live_kernel *live)
{
	if (!live->child_reason) /* /proc/TID/stack serves the parent too */
		return NULL;
	return live->perf_reason ? live->perf_reason : live->kallsyms_reason;
}

const char *live_kernel_child_reason(const struct live_kernel *live)
{
	return live->child_reason;
}

uint64_t live_kernel_lost(const struct live_kernel *live)
{
	return live->callchain ? callchain_lost(live->callchain) : 0;
}

static struct watched *add_watched(struct live_kernel *live, pid_t tid)
{
	struct watched *watched = memory_alloc(sizeof(*watched));

	watched->tid = tid;
	map_put(&live->watched, (uint64_t)tid, watched);
	return watched;
}

void live_kernel_watch(struct live_kernel *live, pid_t tid)
{
	struct watched *watched = live->callchain ? map_get(&live->watched, (uint64_t)tid) : NULL;

	if (!live->callchain || (watched && watched->traced))
		return;
	if (watched)
		live->strangers--;
	else
		watched = add_watched(live, tid);
	watched->traced = true;
}

static void drop_watched(struct live_kernel *live, struct watched *watched)
{
	live->strangers -= !watched->traced;
	map_remove(&live->watched, (uint64_t)watched->tid);
	watched_destroy(watched);
}

void live_kernel_forget(struct live_kernel *live, pid_t tid)
{
	struct watched *watched = map_get(&live->watched, (uint64_t)tid);

	if (watched)
		drop_watched(live, watched);
}

/* Where the filter cannot name forktrace, all tracers' children come by: they are not kept for ever. */
static void drop_strangers(struct live_kernel *live)
{
	VECTOR(struct watched *) strangers = {0};
	struct watched *watched;

	for (size_t i = 0; (watched = map_next(&live->watched, &i));) {
		if (!watched->traced)
			vector_push(&strangers, watched);
	}
	for (size_t i = 0; i < strangers.count; i++)
		drop_watched(live, strangers.items[i]);
	vector_deinit(&strangers);
}

static bool wants_sample(void *context, enum callchain_kind kind, pid_t tid)
{
	struct live_kernel *live = context;
	const struct watched *watched = map_get(&live->watched, (uint64_t)tid);

	if (kind == CALLCHAIN_FORK || tid == 0) /* 0: in another pid namespace */
		return watched && watched->traced;
	if (watched)
		return true;
	if (live->strangers >= MAX_STRANGERS)
		drop_strangers(live);
	add_watched(live, tid);
	live->strangers++;
	return true;
}

/* Keeps it where it is the task's newest: the task may have moved from a CPU whose ring is drained later. */
static void take_sample(void *context, const struct callchain_sample *sample)
{
	const struct live_kernel *live = context;
	struct watched *watched = map_get(&live->watched, (uint64_t)sample->tid);

	if (watched->have_sample && watched->time_ns > sample->time_ns)
		return;
	watched->have_sample = true;
	watched->kind = sample->kind;
	watched->have_comm = sample->have_comm;
	watched->truncated = sample->truncated;
	watched->time_ns = sample->time_ns;
	memcpy(watched->comm, sample->comm, sizeof(watched->comm));
	vector_reserve(&watched->addresses, sample->count);
	memcpy(watched->addresses.items, sample->addresses, sample->count * sizeof(sample->addresses[0]));
	watched->addresses.count = sample->count;
}

void live_kernel_drain(struct live_kernel *live)
{
	if (live->callchain)
		callchain_drain(live->callchain, &(struct callchain_sink){wants_sample, take_sample, live});
}

/* The tracepoint's own functions, which some kernels leave innermost on the chain: the first frame is to be the one
 * that the tracepoint stands in. */
static bool is_tracing(const char *symbol)
{
	static const char *const prefixes[] = {"perf_trace_", "perf_tp_", "trace_event_", "__traceiter_",
					       "__probestub_"};

	for (size_t i = 0; symbol && i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (!strncmp(symbol, prefixes[i], strlen(prefixes[i])))
			return true;
	}
	return false;
}

static void name_frame(struct live_kernel *live, const struct kernel_symbols *symbols, struct frame *frame)
{
	struct kernel_symbol symbol;

	if (!symbols || !kernel_symbols_find_caller(symbols, frame->pc, &symbol))
		return;
	frame->symbol = string_intern(live->pool, symbol.name);
	frame->module = string_intern(live->pool, symbol.module);
	frame->offset = symbol.offset;
}

/* All addresses of a chain are return addresses, the first one too: the tracepoint takes its caller's. */
static void name_stack(struct live_kernel *live, struct stack *stack)
{
	const struct kernel_symbols *symbols = kallsyms_reader_symbols(live->kallsyms);
	size_t inner = 0;

	for (size_t i = 0; i < stack->count; i++)
		name_frame(live, symbols, &stack->frames[i]);
	while (inner < stack->count && is_tracing(stack->frames[inner].symbol))
		inner++;
	while (inner < stack->count && stack->frames[inner].symbol &&
	       kernel_function_is_stop(stack->frames[inner].symbol, strlen(stack->frames[inner].symbol)))
		inner++;
	stack->count -= inner;
	memmove(stack->frames, stack->frames + inner, stack->count * sizeof(stack->frames[0]));
}

void live_kernel_name(struct live_kernel *live, struct stack *stack)
{
	if (!stack->unnamed)
		return;
	name_stack(live, stack);
	stack->unnamed = false;
}

static struct stack *chain_stack(struct live_kernel *live, const struct watched *watched)
{
	struct stack *stack = stack_create(watched->addresses.count);

	for (size_t i = 0; i < stack->count; i++)
		stack->frames[i] =
		    (struct frame){.pc = watched->addresses.items[i], .certain = true, .method = METHOD_PERF};
	stack->truncated = watched->truncated;
	if (stack->truncated)
		stack->reason = string_intern(live->pool, "the call chain is longer than kernel.perf_event_max_stack");
	stack->unnamed = true;
	if (!live->defer_names)
		live_kernel_name(live, stack);
	return stack;
}

/* The stack of the sample; NULL where its chain is empty. */
static struct stack *sample_stack(struct live_kernel *live, const struct watched *watched)
{
	size_t size = watched->addresses.count * sizeof(watched->addresses.items[0]);
	struct stack *stack;

	if (size == 0)
		return NULL;
	stack = stack_ref(stack_memo_find(&live->chains, watched->addresses.items, size));
	if (!stack) {
		stack = chain_stack(live, watched);
		stack_memo_add(&live->chains, watched->addresses.items, size, stack);
	}
	return stack;
}

void live_kernel_notify(struct live_kernel *live)
{
	if (live->callchain)
		callchain_notify(live->callchain);
}

void live_kernel_defer_names(struct live_kernel *live)
{
	live->defer_names = true;
}

/* Whether call chains are worth showing: without names they are the last resort. */
static bool chains_serve(const struct live_kernel *live)
{
	return !live->kallsyms_reason || live->child_reason;
}

/* The task, if a sample of this kind is its newest and was not taken yet. */
static struct watched *take_watched(struct live_kernel *live, pid_t tid, enum callchain_kind kind)
{
	struct watched *watched = map_get(&live->watched, (uint64_t)tid);

	if (!watched || !watched->have_sample || watched->kind != kind)
		return NULL;
	watched->have_sample = false;
	return watched;
}

static struct stack *read_stack_file(struct live_kernel *live, pid_t tid, const char **reason)
{
	struct stack *stack = NULL;

	*reason = live->child_reason;
	if (!live->child_reason)
		*reason = reason_take(live, stack_file_read(live->stack_file, tid, &stack));
	return stack;
}

void live_kernel_take_parent(struct live_kernel *live, pid_t tid, struct live_parent *parent)
{
	struct watched *watched;

	*parent = (struct live_parent){0};
	live_kernel_drain(live);
	watched = take_watched(live, tid, CALLCHAIN_FORK);
	if (watched) {
		parent->time_ns = watched->time_ns;
		parent->have_comm = watched->have_comm;
		memcpy(parent->comm, watched->comm, sizeof(parent->comm));
		parent->stack = chains_serve(live) ? sample_stack(live, watched) : NULL;
		parent->reason = parent->stack ? live->kallsyms_reason : NULL;
	}
	if (!parent->stack)
		parent->stack = read_stack_file(live, tid, &parent->reason);
	if (!parent->stack && live->perf_reason)
		parent->reason = live->perf_reason;
}

struct stack *live_kernel_take_child(struct live_kernel *live, pid_t tid, const char **reason)
{
	struct watched *watched;
	struct stack *stack = NULL;

	if (live->callchain && callchain_has_stops(live->callchain) && chains_serve(live)) {
		live_kernel_drain(live);
		watched = take_watched(live, tid, CALLCHAIN_STOP);
		stack = watched ? sample_stack(live, watched) : NULL;
	}
	*reason = stack ? live->kallsyms_reason : NULL;
	return stack ? stack : read_stack_file(live, tid, reason);
}
