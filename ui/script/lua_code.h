/* The Lua half of expectations and scripts, in forktrace's read-only data (lua_code.S). */
#ifndef FORKTRACE_UI_SCRIPT_LUA_CODE_H
#define FORKTRACE_UI_SCRIPT_LUA_CODE_H

extern const char lua_code_helpers[], lua_code_helpers_end[];
extern const char lua_code_script[], lua_code_script_end[];

#endif
