/* What the engine has to say besides its events goes to a callback of the caller's: the engine never prints. */
#ifndef FORKTRACE_BASE_LOG_H
#define FORKTRACE_BASE_LOG_H

enum log_level {
	LOG_LEVEL_WARNING, /* the user should know, the run goes on */
	LOG_LEVEL_DEBUG,   /* for -v */
};

struct log {
	/* `message` is one sentence, valid during the call alone. NULL: messages are dropped. */
	void (*write)(void *context, enum log_level level, const char *message);
	void *context;
};

__attribute__((format(printf, 3, 4))) void log_write(const struct log *log, enum log_level level, const char *format,
						     ...);

#endif
