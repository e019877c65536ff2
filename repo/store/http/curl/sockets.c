/*
 * Sockets.  See sockets.h.
 */
#include <linux/tcp.h> /* that of the C library ends before the counters */
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "repo/store/http/curl/sockets.h"

void sockets_add(struct sockets *s, int fd)
{
	if (s->n < SOCKETS_MAX)
		s->fd[s->n++] = fd;
}

void sockets_remove(struct sockets *s, int fd)
{
	for (unsigned i = 0; i < s->n; i++) {
		if (s->fd[i] == fd)
			s->fd[i--] = s->fd[--s->n];
	}
}

static int local_port_of(int fd)
{
	struct sockaddr_storage a;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	socklen_t len = sizeof(a);

	memset(&a, 0, sizeof(a));
	if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return -1;
	memcpy(&v4, &a, sizeof(v4));
	memcpy(&v6, &a, sizeof(v6));
	return a.ss_family == AF_INET ? ntohs(v4.sin_port) : a.ss_family == AF_INET6 ? ntohs(v6.sin6_port) : -1;
}

int sockets_find(const struct sockets *s, int local_port)
{
	for (unsigned i = 0; i < s->n; i++) {
		if (local_port_of(s->fd[i]) == local_port)
			return s->fd[i];
	}
	return -1;
}

/* All zero where the kernel does not know. */
static struct tcp_info info_of(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
	    len < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received))
		memset(&info, 0, sizeof(info));
	return info;
}

uint64_t socket_acked(int fd)
{
	return info_of(fd).tcpi_bytes_acked;
}

uint64_t socket_moved(int fd)
{
	struct tcp_info info = info_of(fd);

	return info.tcpi_bytes_acked + info.tcpi_bytes_received;
}
