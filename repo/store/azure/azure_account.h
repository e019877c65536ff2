/*
 * Which account, where, and by what right: from the URL's options and the variables that Azure's own tools know.
 */
#ifndef VARVE_STORE_AZURE_ACCOUNT_H
#define VARVE_STORE_AZURE_ACCOUNT_H

#include "repo/store/http/url.h"

/* All owned. */
struct azure_account {
	char *name;
	char *endpoint;      /* "https://NAME.blob.core.windows.net", or another one, with ${base} at its end */
	const char *base;    /* the path in ${endpoint}: "", or "/NAME" where hosts do not name accounts.  Borrowed */
	uint8_t *key;        /* shared key, decoded; NULL: there is ${sas} */
	size_t keylen;
	char *sas;           /* "sv=...&sig=...": shared access signature; goes before the key */
};

/**
 * azure_account_find(u, log, out):
 * For the container and options of ${u}: ?account=, ?endpoint=, $AZURE_STORAGE_CONNECTION_STRING,
 * $AZURE_STORAGE_ACCOUNT, $AZURE_STORAGE_SERVICE_ENDPOINT, $AZURE_STORAGE_SAS_TOKEN, $AZURE_STORAGE_KEY; what the URL
 * says goes before the variables, and single variables before the connection string.  Return 0 with ${out} to be freed
 * by azure_account_free(); -EINVAL (nothing, or nothing usable; logged without secrets); -ENOMEM.
 */
int azure_account_find(const struct url *u, const struct log *log, struct azure_account *out);
void azure_account_free(struct azure_account *a); /* wipes the secrets */

#endif
