/* Where forktrace keeps what it can make again. */
#ifndef FORKTRACE_UI_CACHE_DIRECTORY_H
#define FORKTRACE_UI_CACHE_DIRECTORY_H

/* $XDG_CACHE_HOME/forktrace, else ~/.cache/forktrace, made where it is missing (mode 0700); NULL: none to be had, or
 * it would be below another user's directory. The caller frees. */
char *cache_directory(void);

#endif
