/* /proc/PID/status: see proc_status.h. */
#include "parse/proc_status.h"

#include <limits.h>
#include <string.h>

/* What is left of the text, or of a line of it. */
struct span {
	const char *at, *end;
};

/* Takes the next line off `text`, without its newline. A last line without one was cut off and does not count: its
 * number may have lost digits. */
static bool take_line(struct span *text, struct span *line)
{
	const char *newline = text->at == text->end ? NULL : memchr(text->at, '\n', (size_t)(text->end - text->at));

	if (!newline)
		return false;
	*line = (struct span){.at = text->at, .end = newline};
	text->at = newline + 1;
	return true;
}

static void skip_blanks(struct span *line)
{
	while (line->at < line->end && (*line->at == '\t' || *line->at == ' '))
		line->at++;
}

/* Takes "key:" and the blanks behind it off `line`; false, and nothing taken, where it has another key. */
static bool take_key(struct span *line, const char *key)
{
	size_t length = strlen(key);

	if ((size_t)(line->end - line->at) <= length || memcmp(line->at, key, length) != 0 || line->at[length] != ':')
		return false;
	line->at += length + 1;
	skip_blanks(line);
	return true;
}

/* Takes a decimal number up to `limit` and the blanks behind it; false at anything else. */
static bool take_number(struct span *line, unsigned long limit, unsigned long *number)
{
	unsigned long value = 0;
	const char *at = line->at;

	for (; at < line->end && *at >= '0' && *at <= '9'; at++) {
		unsigned digit = (unsigned)(*at - '0');

		if (digit > limit || value > (limit - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (at == line->at || (at < line->end && *at != '\t' && *at != ' '))
		return false;
	line->at = at;
	skip_blanks(line);
	*number = value;
	return true;
}

/* The kernel separates a line's key and value with a tab, and a name may begin with blanks of its own (fs/proc/array.c,
 * task_state). */
static bool take_name(struct span *line)
{
	static const char key[] = "Name:\t";
	size_t length = sizeof(key) - 1;

	if ((size_t)(line->end - line->at) < length || memcmp(line->at, key, length) != 0)
		return false;
	line->at += length;
	return true;
}

/* fs/proc/array.c, proc_task_name: of the name's bytes only newline and backslash are written as escapes. */
static void read_name(struct span line, struct proc_status *status)
{
	size_t length = 0;

	memset(status->comm, '\0', sizeof(status->comm));
	for (; line.at < line.end && length + 1 < sizeof(status->comm); line.at++) {
		char byte = *line.at;

		if (byte == '\\' && line.at + 1 < line.end && (line.at[1] == 'n' || line.at[1] == '\\')) {
			line.at++;
			byte = *line.at == 'n' ? '\n' : '\\';
		}
		status->comm[length++] = byte;
	}
}

static bool read_pid(struct span line, pid_t *pid)
{
	unsigned long number;

	if (!take_number(&line, INT_MAX, &number))
		return false;
	*pid = (pid_t)number;
	return true;
}

/* From the outermost namespace, that of the /proc that was read, to the innermost. */
static void read_ns_pids(struct span line, struct proc_status *status)
{
	unsigned long number;

	while (take_number(&line, INT_MAX, &number)) {
		status->ns_pid = (pid_t)number;
		status->ns_depth++;
	}
}

static void read_uids(struct span line, struct proc_status *status)
{
	unsigned long number;

	for (size_t i = 0; i < sizeof(status->uid) / sizeof(status->uid[0]); i++) {
		if (!take_number(&line, UINT_MAX, &number))
			return;
		status->uid[i] = (uid_t)number;
	}
}

/* A set of signals: sixteen hexadecimal digits (fs/proc/array.c, render_sigset_t). */
static void read_signals(struct span line, uint64_t *signals)
{
	uint64_t value = 0;

	for (; line.at < line.end; line.at++) {
		char digit = *line.at;

		if (digit >= '0' && digit <= '9')
			value = value << 4 | (uint64_t)(digit - '0');
		else if (digit >= 'a' && digit <= 'f')
			value = value << 4 | (uint64_t)(digit - 'a' + 10);
		else if (digit != ' ' && digit != '\t')
			return;
	}
	*signals = value;
}

/* What the lines say that are no fields of struct proc_status. */
struct seen {
	bool pid;
	bool kthread, vm_size;
};

static void read_line(struct span line, struct proc_status *status, struct seen *seen)
{
	unsigned long number;

	if (take_name(&line)) {
		read_name(line, status);
	} else if (take_key(&line, "State")) {
		if (line.at < line.end)
			status->state = *line.at;
	} else if (take_key(&line, "Tgid")) {
		read_pid(line, &status->tgid);
	} else if (take_key(&line, "Pid")) {
		seen->pid = read_pid(line, &status->pid);
	} else if (take_key(&line, "PPid")) {
		read_pid(line, &status->ppid);
	} else if (take_key(&line, "TracerPid")) {
		read_pid(line, &status->tracer_pid);
	} else if (take_key(&line, "Uid")) {
		read_uids(line, status);
	} else if (take_key(&line, "NSpid")) {
		read_ns_pids(line, status);
	} else if (take_key(&line, "Kthread")) {
		seen->kthread = take_number(&line, 1, &number);
		status->kernel_thread = seen->kthread && number == 1;
	} else if (take_key(&line, "VmSize")) {
		seen->vm_size = true;
	} else if (take_key(&line, "SigIgn")) {
		read_signals(line, &status->ignored);
	} else if (take_key(&line, "SigCgt")) {
		read_signals(line, &status->caught);
	} else if (take_key(&line, "NoNewPrivs")) {
		status->no_new_privs = take_number(&line, 1, &number) && number == 1;
	} else if (take_key(&line, "Seccomp")) {
		if (take_number(&line, INT_MAX, &number))
			status->seccomp = (int)number;
	}
}

bool proc_status_parse(const char *text, size_t size, struct proc_status *status)
{
	struct span rest = {.at = text, .end = text + size};
	struct span line;
	struct seen seen = {0};

	*status = (struct proc_status){.seccomp = -1};
	while (take_line(&rest, &line))
		read_line(line, status, &seen);

	if (!seen.kthread)
		status->kernel_thread = !seen.vm_size && status->state != 'Z' && status->state != 'X';
	return seen.pid;
}
