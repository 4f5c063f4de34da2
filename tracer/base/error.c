/* Errors are values: see error.h. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct error error_gone = {
    .code = ERROR_GONE, .sys_errno = ESRCH, .object = NULL, .message = (char *)"the process is gone"};
struct error error_fault = {
    .code = ERROR_FAULT, .sys_errno = EFAULT, .object = NULL, .message = (char *)"the memory is not readable"};

static struct error *create(enum error_code code, int sys_errno, const char *object, char *message)
{
	struct error *error = memory_alloc(sizeof(*error));

	error->code = code;
	error->sys_errno = sys_errno;
	error->object = object ? memory_strdup(object) : NULL;
	error->message = message;
	return error;
}

struct error *error_create(enum error_code code, int sys_errno, const char *object, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	char *message = memory_vprintf(format, arguments);
	va_end(arguments);
	return create(code, sys_errno, object, message);
}

struct error *error_system(int sys_errno, const char *object, const char *format, ...)
{
	if (sys_errno == ESRCH)
		return &error_gone;
	if (sys_errno == EFAULT)
		return &error_fault;

	va_list arguments;

	va_start(arguments, format);
	char *text = memory_vprintf(format, arguments);
	va_end(arguments);

	char *message = memory_printf("%s: %s", text, strerror(sys_errno));

	free(text);

	bool denied = sys_errno == EPERM || sys_errno == EACCES;

	return create(denied ? ERROR_DENIED : ERROR_SYSTEM, sys_errno, object, message);
}

void error_destroy(struct error *error)
{
	if (!error || error == &error_gone || error == &error_fault)
		return;
	free(error->object);
	free(error->message);
	free(error);
}

const char *error_code_name(enum error_code code)
{
	static const char *const names[] = {
	    [ERROR_SYSTEM] = "system",
	    [ERROR_GONE] = "gone",
	    [ERROR_FAULT] = "fault",
	    [ERROR_DENIED] = "denied",
	    [ERROR_UNSUPPORTED] = "unsupported",
	    [ERROR_NOT_FOUND] = "not-found",
	    [ERROR_NOT_EXEC] = "not-exec",
	    [ERROR_INPUT] = "input",
	};

	return names[code];
}
