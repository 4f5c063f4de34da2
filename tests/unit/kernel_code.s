# A small i386 kernel, included by kernel_fixture.h. The shapes are gcc's in Debian's 6.1 and in 2.6.34 (names ending in
# _old: without frame pointers), and 4.8's tail call. The machine there takes branches as it likes, and all indirect
# calls go to one place.
	.pushsection .rodata
	.code32

	.macro function name
	.balign 16, 0xcc
k_\name:
	.endm

	.balign 4096
kernel_start:
	.skip 64, 0xcc

# --- with frame pointers ----------------------------------------------------------------------------------------------

	function __fentry__
	ret

	function entry_SYSENTER_32
	movl %esp, %eax
	call k_do_SYSENTER_32
1:	jmp 1b

	function do_SYSENTER_32
	push %ebp
	movl 20(%eax), %edx
	orl $0x200, 56(%eax)
	movl %edx, 60(%eax)
	movl %esp, %ebp
	call k_ia32_sys_call
	pop %ebp
	ret

	function ia32_sys_call
	call k___fentry__
	push %ebp
	movl %esp, %ebp
	cmpl $0xe7, %edx
	ja 2f
	call *%ecx
	pop %ebp
	ret
2:	pushl $7
	pushl $8
	call k_panic # the function's last instruction

	function sys_clone
	call k___fentry__
	push %ebp
	movl %esp, %ebp
	push %edi
	push %esi
	push %ebx
	subl $0x5c, %esp
	leal -0x44(%ebp), %edi
	movl $13, %ecx
	rep stosl
	call k_kernel_clone
	leal -12(%ebp), %esp
	pop %ebx
	pop %esi
	pop %edi
	pop %ebp
	ret

	function kernel_clone # realigned
	push %edi
	leal 8(%esp), %edi
	andl $-16, %esp
	pushl -4(%edi)
	push %ebp
	movl %esp, %ebp
	push %edi
	push %esi
	push %ebx
	subl $0x3c, %esp
	testl %eax, %eax
	je 3f
	pushl $5
	pushl -0x14(%ebp)
	call k_copy_process
	addl $8, %esp
3:	leal -12(%ebp), %esp
	pop %ebx
	pop %esi
	pop %edi
	pop %ebp
	leal -8(%edi), %esp
	pop %edi
k_kernel_clone_ret:
	ret

	function copy_process # has a way out before the prologue, and a cold part
	endbr32
	call k___fentry__
	testl %eax, %eax
	je 9f
	push %ebp
	movl %esp, %ebp
	push %ebx
	subl $8, %esp
	jne k_copy_process_cold
4:	call k___x86_indirect_thunk_eax
	subl %eax, %esp
	call k_leaf
	movl -4(%ebp), %ebx
	leave
	ret
9:	movl $-22, %eax
	ret

	function leaf
	xorl %eax, %eax
	ret

	function __x86_indirect_thunk_eax
	call 6f
5:	pause
	lfence
	jmp 5b
6:	movl %eax, (%esp)
k___x86_indirect_thunk_eax_ret:
	ret

	function panic
	push %ebp
	movl %esp, %ebp
7:	hlt
	jmp 7b

	function copy_process_cold
	pushl $1
	call k_leaf
	pop %edx
	jmp 4b

# --- 4.8: a system call that ends in a jump ---------------------------------------------------------------------------

	function sys_clone_tail
	push %ebp
	movl %esp, %ebp
	pushl 8(%ebp)
	call k_leaf
	leave
	jmp k__do_fork

	function _do_fork
	push %ebp
	movl %esp, %ebp
	push %esi
	call k_leaf
	pop %esi
	pop %ebp
	ret

# --- without frame pointers -------------------------------------------------------------------------------------------

	function sysenter_do_call
	call *%ecx
1:	jmp 1b

	function ptregs_clone
	leal 4(%esp), %eax
	pushl %eax
	pushl 8(%eax)
	movl 4(%eax), %edx
	call k_sys_clone_old
	addl $8, %esp
	ret

	function sys_clone_old
	push %ebx
	movl 8(%esp), %ebx
	pushl $0
	pushl $0
	pushl 16(%esp)
	call k_do_fork_old
	addl $12, %esp
	pop %ebx
	ret

	function do_fork_old
	push %ebp
	push %edi
	push %esi
	push %ebx
	subl $0x24, %esp
	movl 0x38(%esp), %ebp
	testl %eax, %eax
	jne 3f
2:	movl $-22, %eax
	jmp 4f
3:	movl %edx, %ebp
	pushl 0x40(%esp)
	pushl $0
	call k_copy_process_old
	popl %edx
	popl %ecx
	jne 2b
	pushfl
	call k_leaf
	popfl
	cmpl $-4096, %eax
	ja 2b
	jle 6f
4:	addl $0x24, %esp
	pop %ebx
	pop %esi
	pop %edi
	pop %ebp
k_do_fork_old_ret:
	ret
5:	pushl $1
	pushl $2
	pushl $3
	call k_panic # what follows is reached by a jump, at another depth
	leal 0(%esi), %esi
k_do_fork_old_6:
6:	call *%edx
	jne 5b
	js 4b
	addl $-0x80, %esp
	subl $-0x80, %esp
	jmp 2b

	function copy_process_old
	push %ebp
	movl %eax, %ebp
	push %edi
	push %ebx
	pushal
	call k_leaf
	popal
	jo 8f
	pushl $4
	call k_leaf
	addl $4, %esp
8:	pop %ebx
	pop %edi
	pop %ebp
k_copy_process_old_ret:
	ret

	function end
	.balign 4096, 0xcc
kernel_end:

	.purgem function
	.code64
	.popsection
