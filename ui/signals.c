/* Signals by a descriptor: see signals.h. */
#include "ui/signals.h"

#include <errno.h>
#include <unistd.h>

#include "session/session.h"

struct error *signals_watch(const int *wanted, int *fd, sigset_t *before)
{
	sigset_t mask;

	sigemptyset(&mask);
	for (; *wanted; wanted++)
		sigaddset(&mask, *wanted);
	*fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	sigprocmask(SIG_BLOCK, &mask, before);
	signals_of_writing();
	return *fd < 0 ? error_system(errno, NULL, "signalfd failed") : NULL;
}

void signals_of_writing(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGPIPE);
	sigaddset(&mask, SIGXFSZ);
	sigprocmask(SIG_BLOCK, &mask, NULL);
}

void signals_take(int fd, struct session *session, void (*other)(void *context, const struct signalfd_siginfo *info),
		  void *context)
{
	struct signalfd_siginfo infos[16];
	ssize_t got = read(fd, infos, sizeof(infos));

	for (ssize_t i = 0; i < got / (ssize_t)sizeof(infos[0]); i++) {
		if (infos[i].ssi_signo == SIGIO)
			session_drain(session);
		else if (infos[i].ssi_signo != SIGCHLD)
			other(context, &infos[i]);
	}
}
