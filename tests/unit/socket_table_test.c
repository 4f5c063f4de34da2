/* parse/socket_table.c: tables as kernels write them, and what is cut or none. */
#include "parse/socket_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char unix_table[] = "Num       RefCount Protocol Flags    Type St Inode Path\n"
				 "00000000a0b1c2d3: 00000002 00000000 00010000 0001 01 29001 /run/listens\n"
				 "00000000a0b1c2d4: 00000003 00000000 00000000 0001 03 29002 /run/accepted one\n"
				 "00000000a0b1c2d5: 00000003 00000000 00000000 0001 03 29003\n"
				 "00000000a0b1c2d6: 00000003 00000000 00000000 0001 03 29004 @abstract\n"
				 "00000000a0b1c2d7: 00000002 00000000 00000000 0001 02     0 /run/waits\n"
				 "00000000a0b1c2d8: 00000002 00000000 0000";

static void finds_accepted_sockets(void **state)
{
	const char *at = unix_table;
	size_t left = strlen(unix_table);
	char path[SOCKET_PATH_MAX];

	(void)state;
	assert_true(socket_table_next_accepted(&at, &left, path));
	assert_string_equal(path, "/run/accepted one");
	assert_true(socket_table_next_accepted(&at, &left, path));
	assert_string_equal(path, "/run/waits");
	assert_false(socket_table_next_accepted(&at, &left, path));
	assert_int_equal(left, 0);
}

static void passes_over_a_path_that_is_too_long(void **state)
{
	char line[400] = "00000000a0b1c2d4: 00000003 00000000 00000000 0001 03 29002 /";
	const char *at = line;
	size_t left = sizeof(line);
	char path[SOCKET_PATH_MAX];

	(void)state;
	memset(line + strlen(line), 'x', sizeof(line) - strlen(line));
	assert_false(socket_table_next_accepted(&at, &left, path));
}

static void finds_a_tcp_connection(void **state)
{
	static const char table[] =
	    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	    "   0: 0100007F:04D2 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n"
	    "   1: 0100007F:A1B2 0100007F:04D2 01 00000000:00000000 00:00000000 00000000     0        0 2 1\n";
	static const char taken[] =
	    "   2: 0100007F:04D2 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000     0        0 3 1\n"
	    "   3: 0100";
	static const char six[] =
	    "   0: 00000000000000000000000001000000:04D2 00000000000000000000000001000000:A1B2 01 0\n";
	static const uint8_t loopback[] = {127, 0, 0, 1}, loopback6[16] = {[15] = 1};

	(void)state;
	assert_false(socket_table_has_tcp(table, strlen(table), loopback, sizeof(loopback), 1234));
	assert_true(socket_table_has_tcp(taken, strlen(taken), loopback, sizeof(loopback), 1234));
	assert_false(socket_table_has_tcp(taken, strlen(taken), loopback, sizeof(loopback), 1235));
	assert_true(socket_table_has_tcp(six, strlen(six), loopback6, sizeof(loopback6), 1234));
	assert_false(socket_table_has_tcp(six, strlen(six), loopback, sizeof(loopback), 1234));
	assert_false(socket_table_has_tcp(NULL, 0, loopback, sizeof(loopback), 1234));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_accepted_sockets),
	    cmocka_unit_test(passes_over_a_path_that_is_too_long),
	    cmocka_unit_test(finds_a_tcp_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
