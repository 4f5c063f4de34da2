/* The text of /proc/TID/stack: see proc_stack.h. */
#include "parse/proc_stack.h"

#include <string.h>

static int hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* "0x1a/0x30": offset and size of the function; true where all up to `end` is that. */
static bool parse_place(const char *at, const char *end, uint64_t *offset)
{
	enum { MAX_DIGITS = 16 };
	const char *digits = at + 2;

	if (end - at < 3 || at[0] != '0' || at[1] != 'x')
		return false;
	*offset = 0;
	for (at = digits; at < end && at - digits < MAX_DIGITS && hex_digit(*at) >= 0; at++)
		*offset = *offset << 4 | (unsigned)hex_digit(*at);
	return at > digits && at < end && *at == '/';
}

/* "[module]", and "[module buildid]" with CONFIG_STACKTRACE_BUILD_ID. */
static void parse_module(const char *at, const char *end, struct proc_stack_frame *frame)
{
	if (end - at < 3 || at[0] != '[' || end[-1] != ']')
		return;

	const char *blank = memchr(at, ' ', (size_t)(end - at));

	frame->module = at + 1;
	frame->module_length = (size_t)((blank ? blank : end - 1) - frame->module);
}

static bool parse_line(const char *at, const char *end, struct proc_stack_frame *frame)
{
	const char *symbol = memchr(at, ' ', (size_t)(end - at));

	if (at == end || *at != '[' || !symbol || symbol[-1] != ']')
		return false;
	symbol++;

	const char *symbol_end = memchr(symbol, '+', (size_t)(end - symbol));

	if (!symbol_end || symbol_end == symbol)
		return false;

	const char *place_end = memchr(symbol_end, ' ', (size_t)(end - symbol_end));

	*frame = (struct proc_stack_frame){.symbol = symbol, .symbol_length = (size_t)(symbol_end - symbol)};
	if (place_end)
		parse_module(place_end + 1, end, frame);
	return parse_place(symbol_end + 1, place_end ? place_end : end, &frame->offset);
}

bool proc_stack_next(const char **at, const char *end, struct proc_stack_frame *frame)
{
	const char *newline;

	while (*at < end && (newline = memchr(*at, '\n', (size_t)(end - *at)))) {
		const char *line = *at;

		*at = newline + 1;
		if (parse_line(line, newline, frame))
			return true;
	}
	return false;
}

bool kernel_function_is_stop(const char *symbol, size_t length)
{
	static const char *const names[] = {
	    "__schedule",     "schedule",           "__send_signal",         "__send_signal_locked",
	    "send_signal",    "send_signal_locked", "__group_send_sig_info", "do_notify_parent_cldstop",
	    "ptrace_stop",    "ptrace_do_notify",   "ptrace_event",          "ptrace_notify",
	    "do_jobctl_trap", "get_signal",
	};
	/* gcc's parts and clones: ptrace_stop.part.0, get_signal.isra.0. */
	const char *dot = memchr(symbol, '.', length);

	if (dot)
		length = (size_t)(dot - symbol);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) == length && !memcmp(names[i], symbol, length))
			return true;
	}
	return false;
}
