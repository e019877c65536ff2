/*
 * Store on a WebDAV server (RFC 4918): webdav+https://, and webdav+http:// where site.h allows it.
 *
 * An object is uploaded to tmp/<random> and then moved to its name, so that it is there whole or not at all.  With
 * STORE_EXCL the move has "Overwrite: F", which servers answer with 412 if the name is taken; they are not asked for
 * If-None-Match, which many ignore.  Collections that are missing are made; with ${create} the repository's own as well
 * (one level).  That what was moved survives a power cut is the server's matter.
 *
 * What killed writers left in tmp/ is removed by a later one, once in the life of an open store, if the server's own
 * clock says that it is a day older than what has just been uploaded.
 *
 * That an object or a collection is missing is believed only while the server shows the repository's "config"
 * (store_absent() in store_impl.h, site_absent() in web/site.h), and no collection is made without.
 *
 * Listings ask for one level at a time, as servers refuse "Depth: infinity".  store_info() answers where the server has
 * the quota properties of RFC 4331, else -ENOSYS.
 */
#ifndef VARVE_STORE_STORE_WEBDAV_H
#define VARVE_STORE_STORE_WEBDAV_H

#include "repo/store/store_impl.h"

/* User and password: the URL's, else $VARVE_WEBDAV_USER and $VARVE_WEBDAV_PASSWORD. */
int store_webdav_open(const struct store_options *opts, struct store **out);

#endif
