/* The words for the enumerations of forktrace.h. */
#include "forktrace.h"

const char *event_kind_name(enum event_kind kind)
{
	static const char *const names[] = {
	    [EVENT_START] = "start",   [EVENT_FORK] = "fork",     [EVENT_FORK_FAILED] = "fork-failed",
	    [EVENT_EXEC] = "exec",     [EVENT_EXIT] = "exit",     [EVENT_SIGNAL] = "signal",
	    [EVENT_ATTACH] = "attach", [EVENT_DETACH] = "detach", [EVENT_ERROR] = "error",
	    [EVENT_END] = "end",
	};

	return names[kind];
}

const char *fork_kind_name(enum fork_kind kind)
{
	static const char *const names[] = {
	    [FORK_KIND_FORK] = "fork", [FORK_KIND_VFORK] = "vfork", [FORK_KIND_CLONE] = "clone"};

	return names[kind];
}

const char *entry_kind_name(enum entry_kind entry)
{
	static const char *const names[] = {[ENTRY_UNKNOWN] = "unknown",
					    [ENTRY_SYSENTER] = "sysenter",
					    [ENTRY_INT80] = "int80",
					    [ENTRY_SYSCALL] = "syscall"};

	return names[entry];
}

const char *ret_source_name(enum ret_source source)
{
	static const char *const names[] = {[RET_FROM_SYSCALL_EXIT] = "syscall-exit",
					    [RET_FROM_FIRST_STOP] = "first-stop",
					    [RET_FROM_USER_RETURN] = "user-return"};

	return names[source];
}

const char *stop_order_name(enum stop_order order)
{
	return order == ORDER_CHILD_FIRST ? "child-first" : "parent-first";
}

const char *kernel_source_name(enum kernel_source source)
{
	static const char *const names[] = {
	    [KERNEL_SOURCE_NONE] = "none", [KERNEL_SOURCE_LIVE] = "live", [KERNEL_SOURCE_GUEST] = "guest"};

	return names[source];
}
