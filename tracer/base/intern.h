/* A pool of strings, each kept once: records hold plain pointers into it, valid as long as the pool. Any thread may
 * intern. */
#ifndef FORKTRACE_BASE_INTERN_H
#define FORKTRACE_BASE_INTERN_H

struct string_pool;

struct string_pool *string_pool_create(void);
void string_pool_destroy(struct string_pool *pool); /* accepts NULL */

/* Returns the pool's copy of `text`, owned by the pool; NULL for NULL. */
const char *string_intern(struct string_pool *pool, const char *text);

#endif
