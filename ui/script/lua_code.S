/* The Lua half of expectations and scripts, as files in forktrace's own memory: see lua_code.h. */
	.section .rodata
	.global lua_code_helpers
	.global lua_code_helpers_end
lua_code_helpers:
	.incbin "ui/script/helpers.lua"
lua_code_helpers_end:
	.global lua_code_script
	.global lua_code_script_end
lua_code_script:
	.incbin "ui/script/script.lua"
lua_code_script_end:
	.section .note.GNU-stack, "", @progbits
