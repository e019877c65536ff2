/*
 * Sockets: which connection a transfer goes by, and how much of what was sent there has arrived.
 *
 * Of handshakes curl tells nothing, which take many round trips of some seconds each where another upload fills a slow
 * line; nor of an upload by sftp while a whole buffer goes out; and which socket a transfer uses only at its end
 * (https://github.com/curl/curl/issues/5299).  So they are noted as they are opened, and found again by their port; the
 * kernel knows the rest.
 *
 * Belongs to one thread.
 */
#ifndef VARVE_STORE_SOCKETS_H
#define VARVE_STORE_SOCKETS_H

#include <stdint.h>

#define SOCKETS_MAX 128 /* more than a handle has connections; what is beyond is not found */

struct sockets {
	int fd[SOCKETS_MAX];
	unsigned n;
};

void sockets_add(struct sockets *s, int fd);
void sockets_remove(struct sockets *s, int fd);

/* The socket with this local port, or -1. */
int sockets_find(const struct sockets *s, int local_port);

/* Bytes that the other side has acknowledged (TCP) since the connection was made; 0 if that is not known. */
uint64_t socket_acked(int fd);

/* The same, and those that have come from it. */
uint64_t socket_moved(int fd);

#endif
