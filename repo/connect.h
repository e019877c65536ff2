/*
 * Connect: from a URL to the store of a repository, with a cache around it if it is a remote one.
 *
 * The cache of a repository is "<cache dir>/sealed/<repository id, 32 digits>/" (store/cache/store_cache.h), whatever
 * URL it is reached by.  Which repository a URL leads to is kept for when it cannot be asked: its config, in the file
 * "<cache dir>/urls/<first 32 digits of the BLAKE2b-256 of the URL without secrets>".
 */
#ifndef VARVE_CONNECT_H
#define VARVE_CONNECT_H

#include "repo/crypt/config.h"
#include "repo/store/store.h"

struct connect_options {
	const struct store_options *store; /* what its fields point to is borrowed until the store is closed */
	const char *cache_dir;  /* NULL: no cache */
	uint64_t cache_bytes;   /* 0: default */
	bool offline;           /* a remote store is not asked */
	bool exact;             /* listings and config are the store's of now, or an error */
	bool uncached;          /* a remote store is asked about everything */
	const struct log *log;  /* borrowed until the store is closed */
};

/**
 * connect_store(opts, config, out):
 * Open the store of a repository and read its config.  ${*out} is the caller's (store_close).  Return 0; -ENOENT,
 * -ENOTDIR if there is no repository; -EBADMSG if its config is damaged, and those of its replicas; -EPROTONOSUPPORT
 * if it is of a newer version; -ENETDOWN offline, if it was never seen; -ENOTSUP if this machine cannot do its cipher;
 * what the store returns.  Every failure has been logged.
 */
int connect_store(const struct connect_options *opts, struct config *config, struct store **out);

#endif
