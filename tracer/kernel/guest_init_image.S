/* The guest's PID 1, as a file in forktrace's own memory: see initramfs.h. */
	.section .rodata
	.global guest_init_image
	.global guest_init_image_end
	.balign 16
guest_init_image:
	.incbin GUEST_INIT
guest_init_image_end:
	.section .note.GNU-stack, "", @progbits
