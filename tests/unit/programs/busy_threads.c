/* Two threads that both come by one function all the time: for a test of breakpoints. */
#include <pthread.h>
#include <stdlib.h>

enum { ROUNDS = 300 };

static volatile int sum;

__attribute__((noinline)) void touched(int i)
{
	sum = i;
}

static void *work(void *unused)
{
	for (int i = 0; i < ROUNDS; i++)
		touched(i);
	return unused;
}

int main(void)
{
	pthread_t threads[2];

	for (int i = 0; i < 2; i++) {
		if (pthread_create(&threads[i], NULL, work, NULL))
			abort();
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
