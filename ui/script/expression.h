/* What can be told of a Lua expression by its text alone: the names in it, and where an error lies. */
#ifndef FORKTRACE_UI_SCRIPT_EXPRESSION_H
#define FORKTRACE_UI_SCRIPT_EXPRESSION_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* A name with what is taken out of it: "child.ret", "parent.frames[1].symbol". Indexes are literals. */
struct chain {
	const char *start;
	size_t size;
	bool called; /* a function's arguments follow */
};

/* Takes the next one off *text; strings, comments, numbers and Lua's own words are left out, and so is what is taken
 * out of anything but a name. False at the end. */
bool chain_next(const char **text, struct chain *chain);

/* Takes the next part off a chain, which begins at *at: "child", then "ret"; of an index, "[1]" whole, of ['ret'] ret.
 * Returns its size; 0 at the end. */
size_t chain_part(const struct chain *chain, const char **at, const char **part);

/* Can the expression have names of its own (locals, parameters)? */
bool expression_has_locals(const char *text);

/* Pushes the function that gives the expression's value. Else an error: one sentence with the position, in characters
 * from 1, of what cannot be understood. */
struct error *expression_compile(lua_State *lua, const char *text);

#endif
