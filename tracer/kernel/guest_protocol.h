/* What the guest's PID 1 (targets/guest_init.c) and the engine say to each other. Constants alone: includes nothing.
 *
 * Out, guest to host: bytes written to the debug console's I/O port, as frames: one byte type, four bytes length
 * (little endian), that many bytes. In, host to guest: bytes at the second serial port, which the kernel's driver reads
 * where it has that port (PID 1 then sleeps until one comes), and PID 1 itself where it has not. The program and its
 * files come through the fw_cfg device. So the guest's kernel needs no driver but for its console.
 *
 * PID 1's way: HELLO, VERSION, NOTES, KALLSYMS, READY; then it waits for GUEST_GO (a snapshot is taken while it does).
 * It then reads and unpacks the payload and forks; the child sends STARTED and calls execve; CREDIT is given. From then
 * on PID 1 passes output on and reaps: EXIT when the program ends, behind all that it wrote (after NOEXEC too: status
 * 127), DONE when no process is left. Then it restarts the machine, which ends QEMU. */
#ifndef FORKTRACE_KERNEL_GUEST_PROTOCOL_H
#define FORKTRACE_KERNEL_GUEST_PROTOCOL_H

#define GUEST_PROTOCOL_VERSION 1

#define GUEST_PORT_OUT    0xe9  /* isa-debugcon */
#define GUEST_PORT_IN     0x2f8 /* isa-serial, 16550A: data at +0, line status at +5 (bit 0: a byte is there) */
#define GUEST_PORT_FW_CFG 0x510 /* selector; data at 0x511; DMA address at 0x514 */

#define GUEST_PAYLOAD_NAME "opt/forktrace/payload" /* in the fw_cfg directory */

/* Frame types, guest to host. Numbers are u32, little endian. */
#define GUEST_HELLO   'H' /* u32 GUEST_PROTOCOL_VERSION */
#define GUEST_VERSION 'V' /* the text of /proc/version */
#define GUEST_NOTES   'B' /* /sys/kernel/notes, the kernel's ELF notes; empty: there is none */
/* u32 address, u32 size of /proc/kallsyms' text in PID 1's memory, until GUEST_GO (size 0: there is none), u32 size of
 * the vDSO's image behind it (0: likewise). */
#define GUEST_KALLSYMS 'K'
#define GUEST_READY    'R' /* u32 address of the instruction (int $0x80) by which the program's execve is called */
#define GUEST_STARTED  'S' /* u32 pid of the program, before its execve */
#define GUEST_OUTPUT   'O' /* bytes that the program wrote to standard output */
#define GUEST_ERROR    'E' /* … to standard error */
#define GUEST_CREDIT   'C' /* u32 number of further bytes of standard input that may be sent now */
#define GUEST_NOEXEC   'N' /* u32 errno of the program's execve, which failed */
#define GUEST_EXIT     'X' /* u32 wait status of the program */
#define GUEST_DONE     'D' /* no process is left, all output was sent */
#define GUEST_FAILED   'F' /* text: why PID 1 cannot go on */

#define GUEST_FRAME_MAX 65536 /* bytes of a frame at most, without its head */

/* Bytes of credit at a time. With the heads of frames, one a byte, they fit the kernel's tty buffer of 4096. */
#define GUEST_INPUT_MAX 1024

/* Host to guest. After GUEST_GO come input frames: u16 length (little endian), that many bytes of standard input; never
 * more bytes than were credited. Length 0: end of the input. */
#define GUEST_GO 'G'

/* The payload: the magic; u32 number of arguments; u32 number of environment strings; the zero-terminated strings: the
 * path to execute, the working directory, the arguments, the environment; then, at the next multiple of 4, a cpio
 * archive ("newc", linux Documentation/driver-api/early-userspace/buffer-format.rst) that is unpacked at the root. */
#define GUEST_PAYLOAD_MAGIC      "FTGUEST1"
#define GUEST_PAYLOAD_MAGIC_SIZE 8

#endif
