/*
 * Who and where this process is.
 */
#ifndef VARVE_TOOLS_IDENTITY_H
#define VARVE_TOOLS_IDENTITY_H

#include <stddef.h>

/* Host name, user name, "user@host", cut to ${size}.  Return ${out}. */
char *identity_host(char *out, size_t size);
char *identity_user(char *out, size_t size);
char *identity_user_at_host(char *out, size_t size);

#endif
