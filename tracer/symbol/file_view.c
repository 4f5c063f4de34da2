/* One file in a Dwfl of its own: see file_view.h. */
#include "symbol/file_view.h"

/* Any address that leaves room for a file below 4 GiB. */
static const uint64_t view_base = UINT64_C(0x10000000);

void file_view_init(struct file_view *view, struct module_file *file, enum elf_user user)
{
	*view = (struct file_view){.dwfl = elf_file_dwfl_create(user), .start = view_base + file->alignment_gap};
	if (file->memory_size)
		view->module = elf_file_report(view->dwfl, file, view->start, view->start + file->memory_size);
	dwfl_report_end(view->dwfl, NULL, NULL);
}

void file_view_deinit(struct file_view *view)
{
	dwfl_end(view->dwfl);
}
