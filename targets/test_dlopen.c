/* A library is loaded, forks, and is unloaded; another comes, likely to the same address, and forks. */
#include <dlfcn.h>

#include "expect.h"

typedef pid_t plugin_function(struct seen *seen);

static KEEP_FRAME pid_t call_plugin(plugin_function *function, struct seen *seen)
{
	pid_t pid = function(seen);
	return pid;
}

/* Returns the address at which the library's function was. */
static KEEP_FRAME void *run_plugin(const char *file, const char *symbol, const char *stack)
{
	void *library = dlopen(path_beside(file), RTLD_NOW);
	if (!CHECK(library != NULL))
		return NULL;
	void *function = dlsym(library, symbol);
	if (CHECK(function != NULL)) {
		struct seen *seen = seen_new(1);
		pid_t pid = call_plugin((plugin_function *)function, seen);
		expect_libc_fork(pid, seen, stack);
		expect_reap(pid);
	}
	CHECK(dlclose(library) == 0);
	return function;
}

int main(void)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	expect_begin();
	void *first =
	    run_plugin("libtest_plugin.so", "plugin_fork_first", "plugin_fork_first,call_plugin,run_plugin,main");
	void *second = run_plugin("libtest_plugin2.so", "plugin_fork_second",
				  "fork_deeper,plugin_fork_second,call_plugin,run_plugin,main");
	expect_line("note same_page=%d", (uintptr_t)first / page == (uintptr_t)second / page);
	return expect_end();
}
