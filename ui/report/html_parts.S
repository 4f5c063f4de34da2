/* The parts of the HTML report's page, in forktrace's own memory: see html.c. */
	.section .rodata
	.macro part name
	.global html_\name, html_\name\()_end
html_\name:
	.endm
	part page
	.incbin "ui/report/html/page.html"
html_page_end:
	part style
	.incbin "ui/report/html/style.css"
html_style_end:
	part script
	.incbin "ui/report/html/model.js"
	.incbin "ui/report/html/timeline.js"
	.incbin "ui/report/html/list.js"
	.incbin "ui/report/html/details.js"
	.incbin "ui/report/html/main.js"
html_script_end:
	.section .note.GNU-stack, "", @progbits
