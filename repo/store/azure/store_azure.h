/*
 * Store in a container of Azure Blob Storage (or Azurite): "azure://CONTAINER/PREFIX?account=NAME".  Where account and
 * credentials come from: azure_account.h.  Other options of the URL:
 *
 *   endpoint=URL              of the blob service, where it is not https://NAME.blob.core.windows.net
 *   tier=cool|cold|archive    access tier of data packs; all else stays in the account's own: mounts can browse
 *   rehydrate=standard|high   how urgent store_thaw() is
 *
 * An object is a block blob.  An upload is complete or not there; Content-MD5 goes with each, which the service
 * compares with what has reached it before it acknowledges.  STORE_EXCL is atomic (If-None-Match: *).
 */
#ifndef VARVE_STORE_STORE_AZURE_H
#define VARVE_STORE_STORE_AZURE_H

#include "repo/store/store_impl.h"

/* Opener of "azure://" (store_impl.h).  Nothing is asked of the service yet; the container must exist. */
int store_azure_open(const struct store_options *opts, struct store **out);

#endif
