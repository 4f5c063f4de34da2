/* What the commands' functions are called. Internal to ui/tui/: the table is in commands.c. */
#ifndef FORKTRACE_UI_TUI_COMMANDS_H
#define FORKTRACE_UI_TUI_COMMANDS_H

#include "ui/tui/tui.h"

/* A command; `argument` is what follows its word, "" where a key was typed. */
typedef void command_run(struct tui *tui, const char *argument);

/* --- commands_go.c --- */
command_run run_step, run_next, run_step_instruction, run_next_instruction, run_fork, run_kernel, run_finish,
    run_continue, run_continue_all, run_interrupt, run_until;

/* --- commands_look.c --- */
command_run run_up, run_down, run_goto, run_search, run_search_on, run_mode, run_syntax, run_returns, run_help,
    run_pane, run_pane_before, run_zoom, run_events, run_memory, run_memory_key, run_redraw, run_screen, run_suspend;

/* --- commands_do.c --- */
command_run run_break, run_break_key, run_watch, run_display, run_process, run_detach, run_input, run_input_key,
    run_quit;

#endif
