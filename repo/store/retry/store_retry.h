/*
 * Retry: a store around one that may go away.  What failed for a cause that may pass (-EAGAIN, store_impl.h) is tried
 * again, with the patience of patience.h; anything else is passed on as it is.
 *
 * All operations are tried again: names are immutable and puts are whole or not at all, so that to do one twice does no
 * harm.  A listing starts anew and leaves out what its function has been told already, so that names that come or go
 * meanwhile may or may not be seen, as in any listing.  A put is sent again by the store below, which has kept its
 * bytes.  Where a second try of a STORE_EXCL put finds the name taken, the object is read: if it has the bytes that
 * were put (at most RETRY_EXCL_MAX of them), it was the first try that succeeded, and the put did.  store_info() is
 * asked once only: nobody should wait for its figures.
 *
 * At the deadline -ETIMEDOUT, after one message: operation, object, last cause, how often and how long it was tried.
 * Before that, after five seconds, one warning says that it is being waited for, and another that it answers again.
 * While the store counts as down the same at once, of which only the first is told.
 */
#ifndef VARVE_STORE_STORE_RETRY_H
#define VARVE_STORE_STORE_RETRY_H

#include "repo/store/store.h"

#define RETRY_EXCL_MAX (64u * 1024)

/**
 * store_retry_open(opts, lower, out):
 * Put retries around ${lower}, which it takes over on success.  Of ${opts}, ${deadline_ms} (0: the default), ${cancel}
 * and ${log} are heeded.  Return 0 or -ENOMEM (logged).
 */
int store_retry_open(const struct store_options *opts, struct store *lower, struct store **out);

#endif
