/* The state of the stepper's face. Internal to ui/tui/. */
#ifndef FORKTRACE_UI_TUI_TUI_H
#define FORKTRACE_UI_TUI_TUI_H

#include "forktrace_control.h"
#include "session/session.h"
#include "ui/options.h"
#include "ui/tui/events.h"
#include "ui/tui/screen.h"
#include "ui/tui/source.h"
#include "ui/tui/terminal.h"

enum code_mode { CODE_MIXED, CODE_SOURCE, CODE_ASSEMBLY, CODE_MODES };

/* What the line at the bottom asks for. */
enum prompt_kind {
	PROMPT_NONE,
	PROMPT_COMMAND,
	PROMPT_BREAK,
	PROMPT_GOTO,
	PROMPT_SEARCH,
	PROMPT_WATCH,
	PROMPT_DISPLAY,
	PROMPT_INPUT,
	PROMPT_QUIT
};

struct prompt {
	enum prompt_kind kind;
	char text[200];
	size_t size;
};

/* The registers of a task as they were held last and before, to tell what changed. */
struct register_memory {
	unsigned id;
	unsigned long stops;
	struct registers now, before;
	bool compared;
};

struct tui {
	struct session *session;
	struct control *control;
	const struct options *options;
	const char *program; /* as it was called; NULL: attached */
	struct source_files *sources;
	struct terminal terminal;
	struct event_notes notes;
	struct text_ring log;
	VECTOR(struct fork_note) forks;
	VECTOR(struct register_memory) registers;
	VECTOR(char *) displays; /* addresses or registers, as they were asked for */
	unsigned selected;       /* id; 0: none yet */
	unsigned frame;          /* of the selected task's user stack */
	uint64_t looked_at;      /* an address that the code pane shows instead of the frame's; 0: none */
	enum code_mode mode;
	enum control_syntax syntax;
	bool show_help, show_returns;
	struct prompt prompt;
	char search[64];
	char message[240]; /* the last answer, shown until the next key */
	bool message_bad;
	int scroll;     /* of the log or output: lines back from the end */
	bool log_shown; /* instead of the program's output, where there is room for one alone */
	bool changed;   /* something is to be drawn anew */
	bool asked_to_quit, killed;
	bool over;        /* leave the loop */
	bool tasks_shown; /* a task was held once: what ends after that ends the wait of a script */
};

/* --- tui.c --- */
const struct control_task *tui_task(const struct tui *tui); /* the selected one; NULL: none */
void tui_select(struct tui *tui, unsigned id);
/* Another one is selected where the selected one has ended, or none is. */
void tui_select_any(struct tui *tui);
__attribute__((format(printf, 2, 3))) void tui_say(struct tui *tui, const char *format, ...);
/* Shows an error and frees it; NULL clears the message. */
void tui_fail(struct tui *tui, struct error *error);
/* The stack of a held task, or NULL; and its selected frame. */
const struct stack *tui_stack(struct tui *tui, unsigned id);
/* Index of the frame in the stack that is selected (inlined frames count). */
const struct frame *tui_frame(struct tui *tui);
/* The last fork that this task was in; NULL: none. `child`: on which side. */
const struct fork_note *tui_fork_of(const struct tui *tui, pid_t tid, bool *child);
/* The registers of the selected task; false: it is not held. */
bool tui_registers(struct tui *tui, const struct register_memory **registers);
/* Why it stands, one line. */
void tui_describe(const struct tui *tui, const struct control_task *task, char *text, size_t size);

/* --- views: each draws itself into an area, its first row being its title --- */
struct view {
	const char *name;
	void (*draw)(struct tui *tui, const struct area *area);
};
extern const struct view view_tree, view_code, view_registers, view_stacks, view_log, view_output, view_help,
    view_returns;

/* --- layout.c --- */
void tui_draw(struct tui *tui);

/* --- commands.c --- */
enum { KEY_NONE = 0 };
struct command {
	const char *word; /* as after ':' */
	int key;          /* of getch; KEY_NONE: none */
	const char *help;
	void (*run)(struct tui *tui, const char *argument);
};
extern const struct command tui_commands[]; /* ended by a NULL word */
void tui_key(struct tui *tui, int key);
/* A line as after ':'. False: there is no such command, and it was said. */
bool tui_command(struct tui *tui, const char *line);

/* --- prompt.c --- */
void prompt_begin(struct tui *tui, enum prompt_kind kind);
bool prompt_key(struct tui *tui, int key); /* true: it was the prompt's */
const char *prompt_label(enum prompt_kind kind);

#endif
