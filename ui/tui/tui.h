/* The state of the stepper's face. Internal to ui/tui/. */
#ifndef FORKTRACE_UI_TUI_TUI_H
#define FORKTRACE_UI_TUI_TUI_H

#include "forktrace_control.h"
#include "session/session.h"
#include "ui/options.h"
#include "ui/tui/events.h"
#include "ui/tui/layout.h"
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
	PROMPT_MEMORY,
	PROMPT_INPUT,
	PROMPT_QUIT,
	PROMPT_QUIT_GUEST
};

struct prompt {
	enum prompt_kind kind;
	char text[200]; /* in the locale's encoding, as it was typed */
	size_t size;
};

/* The registers of a task as they were held last and before, to tell what changed. */
struct register_memory {
	unsigned id;
	unsigned long stops;
	struct registers now, before;
	bool compared;
};

/* What is shown instead of the panes. */
enum sheet { SHEET_NONE, SHEET_HELP, SHEET_RETURNS };

/* Where the code pane stands: at the frame's place, or where the user has moved to. */
struct code_cursor {
	bool moved;
	uint64_t address; /* of the instruction */
	int line;         /* of the source; 0: at an instruction */
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
	VECTOR(struct fork_note) forks; /* the last EVENT_NOTES_MAX */
	unsigned long forks_dropped;
	VECTOR(struct register_memory) registers;
	VECTOR(char *) displays; /* addresses or registers, as they were asked for */
	char memory[64];         /* what the memory pane shows, as it was asked for; "": the top of the stack */
	unsigned selected;       /* id; 0: none yet */
	unsigned frame;          /* of the selected task's user stack */
	struct code_cursor cursor;
	enum code_mode mode;
	enum control_syntax syntax;
	enum pane focus;
	int scroll[PANE_COUNT]; /* lines; what they count from is the pane's to say */
	int sheet_scroll;
	enum sheet sheet;
	struct layout_choice choice;
	struct layout layout; /* as it was drawn last */
	struct prompt prompt;
	char search[64];
	char message[240]; /* the last answer, shown until the next key */
	bool message_bad;
	bool changed; /* something is to be drawn anew */
	bool asked_to_quit, killed;
	bool over; /* leave the loop */
};

/* --- tui.c --- */
bool tui_is_guest(const struct tui *tui);
const struct control_task *tui_task(const struct tui *tui); /* the selected one; NULL: none */
void tui_select(struct tui *tui, unsigned id);
/* Another one is selected where the selected one has ended, or none is. */
void tui_select_any(struct tui *tui);
__attribute__((format(printf, 2, 3))) void tui_say(struct tui *tui, const char *format, ...);
/* Shows an error and frees it; NULL clears the message. */
void tui_fail(struct tui *tui, struct error *error);
/* The stack of a held task, or NULL; and its selected frame. */
const struct stack *tui_stack(struct tui *tui, unsigned id);
/* The frame in the stack that is selected (inlined frames count). NULL: the task is not held, or has none. */
const struct frame *tui_frame(struct tui *tui);
/* The last fork that this task was in; NULL: none. `child`: on which side. */
const struct fork_note *tui_fork_of(const struct tui *tui, pid_t tid, bool *child);
/* Keeps a fork, taking references of its own. */
void tui_keep_fork(struct tui *tui, const struct fork_note *note);
/* The registers of the selected task; false: it is not held. */
bool tui_registers(struct tui *tui, const struct register_memory **registers);
/* What a user calls an address: as control_find, and "rsp", "$rsp", "rsp+8" of the selected task. */
struct error *tui_find(struct tui *tui, const char *what, struct control_place *place);

/* --- describe.c --- */
/* Why it stands, one line: "fork returned 4712"; and in a word or two: "forked". */
void tui_describe(const struct control_task *task, char *text, size_t size);
void tui_describe_briefly(const struct control_task *task, char *text, size_t size);
/* Is it a thread beside its process's first? */
bool tui_is_thread(const struct control_task *task);
/* The last component of a path. */
const char *tui_base_name(const char *path);

/* --- views: a file each draws itself into an area, whose first row is its title --- */
struct view {
	const char *name;
	int min_rows, min_columns; /* of an area that it is of use in */
	void (*draw)(struct tui *tui, const struct area *area);
	/* One of the keys that move: arrows, PgUp, PgDn, Home, End. NULL: nothing moves in it. */
	void (*move_in)(struct tui *tui, const struct area *area, int key);
	/* Goes to the next place that has the text in it. False: there is none, and frames are searched. NULL: the
	 * same.  */
	bool (*search)(struct tui *tui, const char *text);
};
extern const struct view view_code, view_registers, view_memory, view_stacks, view_processes, view_events, view_output;
extern const struct view view_help, view_returns; /* sheets */

/* --- views.c: where the views are, and what is around them --- */
extern const struct view *const tui_views[PANE_COUNT];
void tui_draw(struct tui *tui);
/* The pane gets the arrows; one that a smaller screen hides is shown in the place that it shares. */
void tui_focus(struct tui *tui, enum pane pane);
void tui_move(struct tui *tui, int key);
bool tui_search(struct tui *tui);
/* A pane's title, marked where the pane has the arrows. */
void tui_title(const struct tui *tui, enum pane pane, const struct area *area, const char *title);

/* --- view_log.c: for lists that are longer than their pane --- */
/* What a key that moves makes of `scroll`, lines from the begin (or back from the end) of `count`, of which `rows` are
 * seen. */
int scroll_moved(int scroll, int key, int count, int rows, bool from_end);

/* --- commands.c --- */
enum {
	KEY_NONE = 0,
	KEY_ESCAPE = 27,
	KEY_WIDE = 1 << 24, /* a character that is not ASCII: the wchar_t is in the lower bits */
};
#define KEY_CONTROL(letter) ((letter)&0x1f)

/* When a key is of use. */
enum {
	WHEN_HELD = 1,
	WHEN_RUNNING = 2,
	WHEN_OVER = 4,
	WHEN_TRACED = WHEN_HELD | WHEN_RUNNING,
	WHEN_ALWAYS = WHEN_TRACED | WHEN_OVER,
	WHEN_WIDE = 8,     /* there is no room for it on a narrow terminal */
	WHEN_OUTSIDE = 16, /* in a guest alone, and outside of its kernel */
};

struct command {
	const char *word;  /* as after ':' */
	const char *brief; /* beside the key in the line at the bottom; NULL: it is not there */
	const char *help;
	void (*run)(struct tui *tui, const char *argument);
	int key;       /* of getch; KEY_NONE: none */
	unsigned when; /* it is in the line at the bottom */
};
extern const struct command tui_commands[]; /* ended by a NULL word */
void tui_key(struct tui *tui, int key);
/* A line as after ':'. False: there is no such command, and it was said. */
bool tui_command(struct tui *tui, const char *line);
/* "s", "Tab", "Ctrl-L" */
void key_label(int key, char name[16]);

/* --- prompt.c --- */
void prompt_begin(struct tui *tui, enum prompt_kind kind);
bool prompt_key(struct tui *tui, int key); /* true: it was the prompt's */
const char *prompt_label(enum prompt_kind kind);

#endif
