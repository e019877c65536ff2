/*
 * Read-only store below an https:// URL, of any web server that hands out the files of a repository in a directory as
 * they are.
 *
 * Objects are read with ranges (a server that has none sends the whole object up to what is wanted, which is slow).
 * HTTP has no listing of a directory, so the server must be told to make one: nginx "autoindex on", Apache "Options
 * +Indexes", "python3 -m http.server" and the like, as an HTML page whose links are the names, or as JSON (nginx
 * "autoindex_format json", which has the sizes too, so that none has to be asked for).  Only links to valid names
 * directly below the page count.  That such pages are to be believed is known from the first, the repository's own
 * directory, where "config" must be; and that a directory is missing, from the page of the one above.  A server that
 * makes none is an error that says so, never an empty repository.  What is missing while "config" is too is no answer,
 * but a failure that may pass (store_absent() in store_impl.h).
 *
 * Puts and deletes fail with -EROFS.
 */
#ifndef VARVE_STORE_STORE_STATIC_H
#define VARVE_STORE_STORE_STATIC_H

#include "repo/store/store_impl.h"

/* The opener of https:// and http:// (site.h says when that is allowed). */
int store_static_open(const struct store_options *opts, struct store **out);

#endif
