/* The guest's process 1: the payload, read from QEMU's fw_cfg device (docs/specs/fw_cfg.txt of QEMU) and unpacked. */
#include "guest_init.h"

enum { WINDOW_PAGES = 16, WINDOW = WINDOW_PAGES * PAGE, PATH_SIZE = 4096 };

static int same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static struct {
	u8 window[WINDOW]; /* page-aligned: the device writes to it by physical address */
	struct {
		u32 control, length, address_high, address_low; /* big endian */
	} request;
} __attribute__((aligned(PAGE))) dma;
static u64 dma_physical[WINDOW_PAGES + 1]; /* of the window's pages, and of the request's; all 0: no DMA */
static u32 window_at, window_end;
static u32 payload_left;  /* bytes that are not yet in the window */
static u32 payload_taken; /* bytes that were taken out of it */

static void out32(u32 value, u16 port)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "d"(port) : "memory");
}

static u32 swapped(u32 value)
{
	return __builtin_bswap32(value);
}

static void fw_cfg_select(u16 key)
{
	__asm__ volatile("outw %0, %1" : : "a"(key), "d"((u16)GUEST_PORT_FW_CFG) : "memory");
}

static void fw_cfg_read(void *bytes, u32 size)
{
	__asm__ volatile("rep insb" : "+D"(bytes), "+c"(size) : "d"(GUEST_PORT_FW_CFG + 1) : "memory");
}

/* Physical addresses from /proc/self/pagemap (Documentation/admin-guide/mm/pagemap.rst): 64 bits a page, 0 to 54 the
 * page frame, 63 present. Reading by DMA is fifty times faster than by `rep insb`. */
static void dma_prepare(void)
{
	enum { FW_CFG_ID = 1, HAS_DMA = 2 };
	const u64 FRAME = 0x7fffffffffffff;
	u64 entries[WINDOW_PAGES + 1];
	u32 features = 0;
	long map = CALL3(SYS_open, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
	u32 first = (u32)&dma / PAGE * sizeof(u64);

	fw_cfg_select(FW_CFG_ID);
	fw_cfg_read(&features, sizeof(features));
	if (map < 0)
		return;
	memset(&dma, 0, sizeof(dma));
	if (features & HAS_DMA && CALL2(SYS_mlock, &dma, sizeof(dma)) == 0 &&
	    CALL5(SYS_pread64, map, entries, sizeof(entries), first, 0) == sizeof(entries)) {
		int good = 1;

		for (u32 page = 0; page <= WINDOW_PAGES; page++)
			good &= (int)(entries[page] >> 63) && (entries[page] & FRAME);
		for (u32 page = 0; good && page <= WINDOW_PAGES; page++)
			dma_physical[page] = (entries[page] & FRAME) * PAGE;
	}
	CALL1(SYS_close, map);
}

static void dma_read_page(u32 page, u32 size)
{
	enum { READ = 2, ERROR = 1 };
	u64 request = dma_physical[WINDOW_PAGES];

	dma.request.control = swapped(READ);
	dma.request.length = swapped(size);
	dma.request.address_high = swapped((u32)(dma_physical[page] >> 32));
	dma.request.address_low = swapped((u32)dma_physical[page]);
	out32(swapped((u32)(request >> 32)), GUEST_PORT_FW_CFG + 4);
	out32(swapped((u32)request), GUEST_PORT_FW_CFG + 8);
	while (swapped(*(volatile u32 *)&dma.request.control) & ~ERROR)
		;
	if (dma.request.control)
		fail("the payload cannot be read by DMA", "", 0);
}

void payload_open(void)
{
	enum { FW_CFG_DIRECTORY = 0x19 };
	struct {
		u32 size;
		u16 key, reserved;
		char name[56];
	} entry;
	u32 count;

	dma_prepare();
	fw_cfg_select(FW_CFG_DIRECTORY);
	fw_cfg_read(&count, sizeof(count));
	for (count = swapped(count); count; count--) {
		fw_cfg_read(&entry, sizeof(entry));
		entry.name[sizeof(entry.name) - 1] = '\0';
		if (!same(entry.name, GUEST_PAYLOAD_NAME))
			continue;
		payload_left = swapped(entry.size);
		fw_cfg_select((u16)(entry.key >> 8 | entry.key << 8));
		return;
	}
	fail("fw_cfg has no ", GUEST_PAYLOAD_NAME, 0);
}

/* At least one byte in the window, and how many there are. */
static u32 payload_fill(void)
{
	if (window_at < window_end)
		return window_end - window_at;
	if (!payload_left)
		fail("the payload ends too early", "", 0);
	window_at = 0;
	window_end = payload_left < WINDOW ? payload_left : WINDOW;
	payload_left -= window_end;
	if (!dma_physical[0])
		fw_cfg_read(dma.window, window_end);
	for (u32 at = 0; dma_physical[0] && at < window_end; at += PAGE)
		dma_read_page(at / PAGE, window_end - at < PAGE ? window_end - at : PAGE);
	return window_end;
}

/* The next part of it, at most `size` bytes, where it lies. */
static const u8 *payload_part(u32 size, u32 *got)
{
	u32 there = payload_fill();
	const u8 *part = dma.window + window_at;

	*got = there < size ? there : size;
	window_at += *got;
	payload_taken += *got;
	return part;
}

void payload_take(void *bytes, u32 size)
{
	for (u32 at = 0, got; at < size; at += got) {
		const u8 *part = payload_part(size - at, &got);

		if (bytes)
			memcpy((u8 *)bytes + at, part, got);
	}
}

static void payload_align(void)
{
	payload_take(0, -payload_taken & 3);
}

/* --- the archive ----------------------------------------------------------------------------------------------------
 */

/* The head of a file in a "newc" archive: 13 numbers of 8 hexadecimal digits each. */
enum { CPIO_MODE = 1, CPIO_SIZE = 6, CPIO_NAME_SIZE = 11, CPIO_NUMBERS = 13 };
struct cpio_head {
	char magic[6];
	char numbers[CPIO_NUMBERS][8];
};

static u32 cpio_number(const char digits[8])
{
	u32 value = 0;

	for (u32 i = 0; i < 8; i++) {
		u32 digit = (u8)digits[i];

		value = value * 16 + (digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
	}
	return value;
}

static void make_parents(char *path)
{
	for (char *at = path + 1; *at; at++) {
		if (*at == '/') {
			*at = '\0';
			CALL2(SYS_mkdir, path, 0755);
			*at = '/';
		}
	}
}

static void unpack_file(const char *path, u32 mode, u32 size)
{
	long fd = CALL3(SYS_open, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode & 07777);

	if (fd < 0)
		fail("cannot make ", path, fd);
	for (u32 got; size; size -= got) {
		const u8 *part = payload_part(size, &got);

		for (u32 at = 0; at < got;) {
			long written = CALL3(SYS_write, fd, part + at, got - at);

			if (written <= 0)
				fail("cannot write ", path, written);
			at += (u32)written;
		}
	}
	CALL1(SYS_close, fd);
}

static void unpack_link(const char *path, u32 size)
{
	static char target[PATH_SIZE];

	if (size >= sizeof(target))
		fail("too long a link: ", path, 0);
	payload_take(target, size);
	target[size] = '\0';

	long result = CALL2(SYS_symlink, target, path);

	if (result < 0 && result != -EEXIST)
		fail("cannot make ", path, result);
}

void payload_unpack(void)
{
	static char path[PATH_SIZE] = "/";
	struct cpio_head head;

	for (;;) {
		payload_align();
		payload_take(&head, sizeof(head));

		u32 mode = cpio_number(head.numbers[CPIO_MODE]), size = cpio_number(head.numbers[CPIO_SIZE]);
		u32 name_size = cpio_number(head.numbers[CPIO_NAME_SIZE]);

		if (head.magic[0] != '0' || head.magic[1] != '7' || !name_size || name_size > sizeof(path) - 1)
			fail("the payload's archive is damaged after ", path, 0);
		payload_take(path + 1, name_size);
		path[name_size] = '\0';
		payload_align();
		if (same(path, "/TRAILER!!!"))
			return;
		make_parents(path);
		if ((mode & S_IFMT) == S_IFDIR)
			CALL2(SYS_mkdir, path, mode & 07777);
		else
			CALL1(SYS_unlink, path);
		if ((mode & S_IFMT) == S_IFREG) {
			unpack_file(path, mode, size);
		} else if ((mode & S_IFMT) == S_IFLNK) {
			unpack_link(path, size);
			continue;
		} else {
			payload_take(0, size);
		}
		CALL2(SYS_chmod, path, mode & 07777);
	}
}
