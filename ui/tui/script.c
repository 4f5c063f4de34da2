/* A script of keys: see script.h. */
#include "ui/tui/script.h"

#include <errno.h>
#include <fcntl.h>
#include <ncursesw/curses.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "ui/tui/tui.h"

enum { TIMEOUT_S = 60 };

static const struct {
	const char *name;
	int key;
} names[] = {{"Tab", '\t'},      {"Enter", '\r'},     {"Esc", 27},          {"Up", KEY_UP},
	     {"Down", KEY_DOWN}, {"PgUp", KEY_PPAGE}, {"lt", '<'},          {"PgDn", KEY_NPAGE},
	     {"Home", KEY_HOME}, {"End", KEY_END},    {"BS", KEY_BACKSPACE}};

/* A character of its own. */
static int plain_key(const char **text)
{
	mbstate_t state = {0};
	wchar_t character;
	size_t length = mbrtowc(&character, *text, MB_CUR_MAX, &state);

	if (length == (size_t)-1 || length == (size_t)-2 || !length)
		return -1;
	*text += length;
	return character < 0x80 ? (int)character : (int)character | KEY_WIDE;
}

int script_key(const char **text)
{
	const char *at = *text, *end = *at == '<' ? strchr(at, '>') : NULL;
	size_t length = end ? (size_t)(end - at - 1) : 0;

	if (!end)
		return plain_key(text);
	*text = end + 1;
	if (length == 3 && (at[1] == 'C' || at[1] == 'c') && at[2] == '-')
		return at[3] & 0x1f;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].name) == length && !strncasecmp(names[i].name, at + 1, length))
			return names[i].key;
	}
	return -1;
}

static struct error *check(const struct script *script, size_t index)
{
	for (const char *at = script->lines[index]; *at && *at != ':' && *at != '#';) {
		const char *key = at;

		if (script_key(&at) >= 0)
			continue;
		if (at == key)
			return error_create(ERROR_INPUT, 0, script->path, "%s:%zu: this is no text in this locale",
					    script->path, index + 1);
		return error_create(ERROR_INPUT, 0, script->path, "%s:%zu: there is no key called %.*s", script->path,
				    index + 1, (int)(at - key), key);
	}
	return NULL;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

struct error *script_read(struct script *script, const char *path)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	VECTOR(char *) lines = {0};
	struct error *error = fd < 0 ? error_system(errno, path, "the script of keys %s cannot be read", path)
				     : buffer_read_fd(&text, fd);

	/* Until the first process stands: before, hardly a key can be obeyed. */
	*script = (struct script){.path = path,
				  .timeout_s = TIMEOUT_S,
				  .wait = SCRIPT_WAIT_STOP,
				  .deadline_ns = now_ns() + TIMEOUT_S * UINT64_C(1000000000)};
	if (error)
		return error;
	buffer_append_text(&text, "");
	for (char *at = text.data, *line; (line = strsep(&at, "\n"));)
		vector_push(&lines, memory_strdup(line));
	script->lines = lines.items;
	script->count = lines.count;
	for (size_t i = 0; i < script->count && !error; i++)
		error = check(script, i);
	return error;
}

void script_deinit(struct script *script)
{
	for (size_t i = 0; i < script->count; i++)
		free(script->lines[i]);
	free(script->lines);
	*script = (struct script){0};
}

/* --- waiting --- */

static bool is_held(const struct control_task *task)
{
	return task && task->state != CONTROL_RUNNING;
}

static bool is_printed(const struct tui *tui, const char *wanted)
{
	const struct text_ring *ring = &tui->terminal.text;

	for (size_t i = 0; i < text_ring_count(ring); i++) {
		if (strstr(text_ring_at(ring, i), wanted))
			return true;
	}
	return false;
}

static bool has_come(const struct script *script, const struct tui *tui)
{
	switch (script->wait) {
	case SCRIPT_WAIT_STOP:
		return is_held(tui_task(tui));
	case SCRIPT_WAIT_TASK:
		return is_held(control_task(tui->control, script->wait_number));
	case SCRIPT_WAIT_FORK:
		return tui->forks.count >= script->wait_number;
	case SCRIPT_WAIT_END:
		return session_done(tui->session);
	case SCRIPT_WAIT_OUTPUT:
		return is_printed(tui, script->wait_text);
	default:
		return true;
	}
}

static struct error *wrong(const struct script *script, const char *what)
{
	return error_create(ERROR_INPUT, 0, script->path, "%s:%zu: %s", script->path, script->next, what);
}

/* "stop", "task 2", "fork 1" (so many records), "output TEXT", "end" */
static struct error *begin_wait(struct script *script, const char *what)
{
	static const struct {
		const char *word;
		enum wait_kind_of_script kind;
	} kinds[] = {{"stop", SCRIPT_WAIT_STOP},
		     {"end", SCRIPT_WAIT_END},
		     {"task ", SCRIPT_WAIT_TASK},
		     {"fork ", SCRIPT_WAIT_FORK},
		     {"output ", SCRIPT_WAIT_OUTPUT}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t length = strlen(kinds[i].word);

		if (strncmp(what, kinds[i].word, length) != 0)
			continue;
		script->wait = kinds[i].kind;
		script->wait_text = what + length;
		script->wait_number = (unsigned)strtoul(what + length, NULL, 10);
		script->deadline_ns = now_ns() + script->timeout_s * UINT64_C(1000000000);
		return NULL;
	}
	return wrong(script, "one waits for: stop, task NUMBER, fork NUMBER, output TEXT, end");
}

static struct error *type_line(struct script *script, struct tui *tui, const char *line)
{
	if (*line == '#')
		return NULL;
	if (!strncmp(line, ":wait ", 6))
		return begin_wait(script, line + 6);
	if (!strncmp(line, ":timeout ", 9)) {
		script->timeout_s = (unsigned)strtoul(line + 9, NULL, 10);
		return script->timeout_s ? NULL : wrong(script, "a timeout has at least one second");
	}
	if (*line == ':')
		return tui_command(tui, line + 1) ? NULL : wrong(script, "there is no such command");
	while (*line && !tui->over)
		tui_key(tui, script_key(&line));
	return NULL;
}

bool script_go_on(struct script *script, struct tui *tui, struct error **error)
{
	*error = NULL;
	while (!tui->over && !*error) {
		if (script->wait != SCRIPT_READY && !has_come(script, tui)) {
			if (now_ns() > script->deadline_ns)
				*error = wrong(script, "what it waits for has not come in time");
			return true;
		}
		script->wait = SCRIPT_READY;
		if (script->next >= script->count)
			return false;
		script->next++;
		*error = type_line(script, tui, script->lines[script->next - 1]);
	}
	return true;
}
