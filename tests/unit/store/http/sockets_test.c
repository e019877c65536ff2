/*
 * Sockets are found by their port, and tell what has arrived.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/http/curl/sockets.h"

/* A connection on loopback: its two ends, and the first one's port. */
static int connect_pair(int ends[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(a);

	assert_int_equal(bind(listener, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(ends[0], (struct sockaddr *)&a, len), 0);
	ends[1] = accept(listener, NULL, NULL);
	assert_true(ends[1] >= 0);
	assert_int_equal(getsockname(ends[0], (struct sockaddr *)&a, &len), 0);
	close(listener);
	return ntohs(a.sin_port);
}

static void test_find(void **state)
{
	struct sockets s = { .n = 0 };
	int ends[3][2], port[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		port[i] = connect_pair(ends[i]);
		sockets_add(&s, ends[i][0]);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(sockets_find(&s, port[i]), ends[i][0]);
	assert_int_equal(sockets_find(&s, 0), -1);
	sockets_remove(&s, ends[0][0]);
	sockets_remove(&s, 12345);
	assert_int_equal(sockets_find(&s, port[0]), -1);
	assert_int_equal(sockets_find(&s, port[2]), ends[2][0]);
	for (int i = 0; i < 2 * SOCKETS_MAX; i++)
		sockets_add(&s, ends[1][0]);
	assert_int_equal(s.n, SOCKETS_MAX);
	sockets_remove(&s, ends[1][0]);
	assert_int_equal(s.n, 1);
	for (int i = 0; i < 3; i++) {
		close(ends[i][0]);
		close(ends[i][1]);
	}
}

static void test_acked(void **state)
{
	static char bytes[5000];
	const struct timespec moment = { .tv_nsec = 10 * 1000 * 1000 };
	uint64_t before;
	int ends[2], i;

	(void)state;
	connect_pair(ends);
	before = socket_acked(ends[0]);
	assert_int_equal(send(ends[0], bytes, sizeof(bytes), 0), sizeof(bytes));
	for (i = 0; i < 500 && socket_acked(ends[0]) < before + sizeof(bytes); i++)
		nanosleep(&moment, NULL);
	assert_int_equal(socket_acked(ends[0]), before + sizeof(bytes));
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(socket_acked(-1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_acked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
