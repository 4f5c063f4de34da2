/* The inside of tasks.h. Internal to ui/script/. */
#ifndef FORKTRACE_UI_SCRIPT_TASKS_INTERNAL_H
#define FORKTRACE_UI_SCRIPT_TASKS_INTERNAL_H

#include <lua.h>

#include "base/vector.h"
#include "forktrace_control.h"
#include "ui/script/tasks.h"

enum wait {
	WAIT_NONE,
	WAIT_STEP,   /* one of the steps: whatever holds the task, it is over */
	WAIT_FINISH, /* until the frame at `depth` has returned */
};

typedef VECTOR(int) function_vector;

/* A callback under way. */
struct visit {
	struct visit *outer; /* the one that it came in between */
	lua_State *coroutine;
	int reference;             /* of the coroutine, in the registry */
	function_vector functions; /* still to be called at this stop, first first; references, owned */
	enum wait wait;
	bool asked;             /* the engine, for that; not while other functions are called at the same stop */
	enum control_step step; /* WAIT_STEP */
	unsigned depth;         /* frames from the outermost on, this one included */
	const char *lost;       /* why what it waits for cannot happen any more; NULL: it can */
	int born;               /* the function for children that are created meanwhile; LUA_NOREF: none */
};

/* What is known of a task besides the control's own. */
struct known_task {
	unsigned program;     /* the tasks of one number have the same code at the same places */
	unsigned generation;  /* of the points that are set in its memory */
	bool stale;           /* a library may have come */
	bool at_start;        /* what stands at the program's start is still to be called */
	bool asked;           /* to stop, so that points can be set */
	unsigned long stops;  /* control_task.stops, as far as dealt with */
	function_vector born; /* what is to be called once it is held as a child: references, owned */
	struct visit *visit;  /* the innermost */
};

/* at(): a place and what is to be called there. */
struct point {
	char *what;
	int function; /* in the registry */
	bool found;   /* in some process */
};

/* Where a point is in a program. */
struct site {
	unsigned program;
	uint64_t address;
	size_t point; /* POINT_LOADER: where the loader tells of libraries */
};

enum { POINT_LOADER = SIZE_MAX };

struct tasks {
	lua_State *lua;
	struct control *control; /* NULL: not yet, or never */
	bool begun;
	VECTOR(struct known_task) known; /* item n is of the task n + 1 */
	VECTOR(struct point) points;
	VECTOR(struct site) sites;
	VECTOR(unsigned) changed; /* ids, as they come */
	unsigned programs;        /* so many have been numbered */
	unsigned generation;      /* grows with each point */
	struct error *failure;
};

/* --- points.c --- */
/* Sets in the task's memory what is missing there. The task is held. */
struct error *points_settle(struct tasks *tasks, unsigned id);
/* Adds the functions of the points at `address` in the task to the visit's; *loader: the loader is there. */
void points_at(struct tasks *tasks, unsigned id, uint64_t address, struct visit *visit, bool *loader);
/* Asks running tasks that miss a point to stop. */
void points_spread(struct tasks *tasks);
/* at(place, function) */
int points_add(lua_State *lua);

/* --- visits.c --- */
struct visit *visit_create(struct tasks *tasks, unsigned id);
/* One more function to be called: that of the reference, which stays the caller's. */
void visit_add(struct tasks *tasks, struct visit *visit, int function);
void visit_destroy(struct tasks *tasks, struct visit *visit);
/* Calls the next function with the task; what follows is all done. */
void visit_begin(struct tasks *tasks, unsigned id);
/* Calls what stands at the task's instruction; false: nothing does. *loader: the loader's hook is there. */
bool visit_here(struct tasks *tasks, unsigned id, bool *loader);
/* What it waited for has happened. */
void visit_resume(struct tasks *tasks, unsigned id);
/* It never will: `reason`. */
void visit_resume_in_vain(struct tasks *tasks, unsigned id, const char *reason);
/* The task is held for nothing that concerns it: it goes on with what it was about. */
void visit_go_on(struct tasks *tasks, unsigned id);
/* Physical frames of the task's stack, 0 where there is none. */
unsigned task_depth(struct tasks *tasks, unsigned id);
/* The value of a function that has just returned, as C's int. */
struct error *task_result(struct tasks *tasks, unsigned id, int64_t *value);

/* --- task_methods.c --- */
void task_methods_create(struct tasks *tasks);
/* Pushes the table-like value that a callback gets. */
void task_push(lua_State *lua, struct tasks *tasks, unsigned id);
/* Raises the error in Lua, and frees it. */
int script_raise(lua_State *lua, struct error *error);

#endif
