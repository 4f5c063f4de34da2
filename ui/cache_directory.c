/* Where forktrace keeps what it can make again: see cache_directory.h. */
#include "ui/cache_directory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

char *cache_directory(void)
{
	const char *cache = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	char *base, *directory;
	struct stat status;

	/* The XDG base directory specification: a relative path is to be ignored. */
	if (cache && *cache == '/')
		base = memory_strdup(cache);
	else if (home && *home == '/')
		base = memory_printf("%s/.cache", home);
	else
		return NULL;
	directory = memory_printf("%s/forktrace", base);
	/* Under sudo the home may be another user's: nothing of root's belongs there. */
	if ((mkdir(base, S_IRWXU) && errno != EEXIST) || stat(base, &status) || status.st_uid != geteuid() ||
	    (mkdir(directory, S_IRWXU) && errno != EEXIST)) {
		free(directory);
		directory = NULL;
	}
	free(base);
	return directory;
}
