/* kernel/qmp.c, over a socket whose other end says what QEMU would. */
#include "kernel/qmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 10000 };

#define GREETING                                                                                                       \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": \"Debian\"}, "   \
	"\"capabilities\": []}}\r\n"
#define ANSWER        "{\"return\": {}}\r\n"
#define EVENT(status) "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"" status "\"}}\r\n"

static struct patience patience;

/* The answers lie there before they are asked for. */
static void connect_to(struct qmp *qmp, int *peer, const char *first)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*peer = pair[1];
	patience = patience_for(WAIT_MS, NULL, NULL);
	assert_int_equal(send(*peer, first, strlen(first), 0), strlen(first));
	assert_null(qmp_init(qmp, pair[0], &patience));
}

static void disconnect(struct qmp *qmp, int peer)
{
	close(qmp->fd);
	close(peer);
	qmp_deinit(qmp);
}

static void learns_the_version(void **state)
{
	struct qmp qmp;
	int peer;

	(void)state;
	connect_to(&qmp, &peer, GREETING ANSWER);
	assert_string_equal(qmp.version, "7.2.22 (Debian)");
	disconnect(&qmp, peer);
}

/* A busy machine: all that QEMU had to say came at once. */
static void sees_an_end_that_came_with_the_answer(void **state)
{
	struct qmp qmp;
	int peer;

	(void)state;
	connect_to(&qmp, &peer, GREETING ANSWER ANSWER EVENT("setup") EVENT("active") EVENT("completed"));
	assert_null(qmp_execute(&qmp, "migrate-incoming", NULL, -1, &patience, NULL));
	assert_null(qmp_wait_migration(&qmp, &patience));
	assert_string_equal(qmp.migration, "completed");
	disconnect(&qmp, peer);
}

static void waits_for_the_end(void **state)
{
	static const char later[] = "tive\"}}\r\n" EVENT("failed");
	struct qmp qmp;
	int peer;
	pid_t child;

	(void)state;
	connect_to(&qmp, &peer, GREETING ANSWER ANSWER "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"ac");
	assert_null(qmp_execute(&qmp, "migrate-incoming", NULL, -1, &patience, NULL));
	child = fork();
	if (child == 0)
		_exit(send(peer, later, strlen(later), 0) != (ssize_t)strlen(later));
	assert_null(qmp_wait_migration(&qmp, &patience));
	assert_string_equal(qmp.migration, "failed");
	assert_int_equal(waitpid(child, NULL, 0), child);
	disconnect(&qmp, peer);
}

/* The end of a migration is told before the machine's state says so. */
static void waits_for_a_state(void **state)
{
	static const char status[] = "{\"return\": {\"running\": false, \"singlestep\": false, \"status\": \"";
	char first[512];
	struct qmp qmp;
	int peer;

	(void)state;
	snprintf(first, sizeof(first), GREETING ANSWER "%sfinish-migrate\"}}\r\n%spostmigrate\"}}\r\n" ANSWER, status,
		 status);
	connect_to(&qmp, &peer, first);
	assert_null(qmp_wait_status(&qmp, "postmigrate", &patience));
	/* No more was asked. */
	assert_null(qmp_execute(&qmp, "stop", NULL, -1, &patience, NULL));
	close(peer);

	struct error *error = qmp_wait_status(&qmp, "postmigrate", &patience);

	assert_non_null(error);
	error_destroy(error);
	disconnect(&qmp, -1);
}

static void tells_of_a_refusal(void **state)
{
	struct qmp qmp;
	int peer;

	(void)state;
	connect_to(&qmp, &peer,
		   GREETING ANSWER "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such\"}}\r\n");

	struct error *error = qmp_execute(&qmp, "getfd", NULL, -1, &patience, NULL);

	assert_string_equal(error->message, "QEMU refused getfd: no such");
	error_destroy(error);
	close(peer);
	error = qmp_wait_migration(&qmp, &patience);
	assert_non_null(error);
	error_destroy(error);
	disconnect(&qmp, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(learns_the_version), cmocka_unit_test(sees_an_end_that_came_with_the_answer),
	    cmocka_unit_test(waits_for_the_end),  cmocka_unit_test(waits_for_a_state),
	    cmocka_unit_test(tells_of_a_refusal),
	};

	return cmocka_run_group_tests_name("qmp", tests, NULL, NULL);
}
