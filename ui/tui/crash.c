/* Fatal signals: see crash.h. */
#include "ui/tui/crash.h"

#include <signal.h>
#include <stddef.h>

#include "ui/tui/screen.h"

static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

/* The user gets a terminal that works, and then the core file. */
static void on_crash(int number)
{
	screen_abandon();
	signal(number, SIG_DFL);
	raise(number);
}

/* On a stack of its own: the ordinary one may be what is used up. */
void crash_watch(void)
{
	static char room[64 << 10];
	stack_t stack = {.ss_sp = room, .ss_size = sizeof(room)};
	struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK};

	sigaltstack(&stack, NULL);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &action, NULL);
}
