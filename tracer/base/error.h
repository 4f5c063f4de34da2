/* Errors are values: a code, an errno, the object it is about and one sentence. */
#ifndef FORKTRACE_BASE_ERROR_H
#define FORKTRACE_BASE_ERROR_H

enum error_code {
	ERROR_SYSTEM,      /* a system call failed; sys_errno says why */
	ERROR_GONE,        /* the tracee has died (ESRCH): an ordinary event for callers that expect it */
	ERROR_FAULT,       /* memory of a tracee that is not readable */
	ERROR_DENIED,      /* not permitted; the message names the knob */
	ERROR_UNSUPPORTED, /* this kernel, build or ABI cannot do it */
	ERROR_NOT_FOUND,   /* no such program, interpreter, process, file or symbol */
	ERROR_NOT_EXEC,    /* found, and cannot be executed (ENOEXEC, EACCES, wrong machine) */
	ERROR_INPUT,       /* malformed input or a wrong argument */
};

struct error {
	enum error_code code;
	int sys_errno; /* 0 where no system call was involved */
	char *object;  /* pid, path or address that the error is about; may be NULL */
	char *message; /* one sentence without a final full stop or newline: what, where, what to do */
};

/* "not-found" */
const char *error_code_name(enum error_code code);

/* Two that are met on hot paths and never allocated. error_destroy ignores them. */
extern struct error error_gone;
extern struct error error_fault;

/* Returns a heap-allocated error, owned by the caller. `object` may be NULL and is copied. `format` is printf's. */
__attribute__((returns_nonnull, format(printf, 4, 5))) struct error *
error_create(enum error_code code, int sys_errno, const char *object, const char *format, ...);

/* An error of a system call: ESRCH gives error_gone, EFAULT gives error_fault, EPERM and EACCES give
 * ERROR_DENIED, the rest ERROR_SYSTEM; strerror's text is appended to the message. */
__attribute__((returns_nonnull, format(printf, 3, 4))) struct error *error_system(int sys_errno, const char *object,
										  const char *format, ...);

/* Frees; NULL and the static errors are accepted. */
void error_destroy(struct error *error);

static inline void error_cleanup(struct error **error)
{
	error_destroy(*error);
}

#endif
