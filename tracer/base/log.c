/* Messages to a callback: see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void log_write(const struct log *log, enum log_level level, const char *format, ...)
{
	char message[512];
	va_list arguments;

	if (!log || !log->write)
		return;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	log->write(log->context, level, message);
}
