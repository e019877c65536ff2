/*
 * Listings of directories as web servers make them for people: an HTML page with a link for each file, or JSON.
 */
#ifndef VARVE_STORE_LISTING_H
#define VARVE_STORE_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LISTING_NAME_MAX 255
#define LISTING_NO_SIZE UINT64_MAX

struct listing_entry {
	char name[LISTING_NAME_MAX + 1]; /* one component of [a-z0-9] */
	bool directory;
	uint64_t size; /* LISTING_NO_SIZE: not told */
};

/* Called for each entry.  Non-zero ends the parse and is returned. */
typedef int listing_fn(void *arg, const struct listing_entry *entry);

/**
 * listing_html(text, len, path, fn, arg):
 * Find the links of an HTML page: href="NAME" or href="NAME/", perhaps with "./" or the page's own ${path} (ends at a
 * "/") before it.  All else in it is passed over, links to names that a store has not among it; one name may come more
 * than once.  Return 0 or what ${fn} returned.
 */
int listing_html(const char *text, size_t len, const char *path, listing_fn *fn, void *arg);

/**
 * listing_json(text, len, fn, arg):
 * Find the entries of an array of objects, of whose members "name", "type" ("directory" or another), "is_dir" and
 * "size" count, as nginx and Caddy write it.  Return 0; -EBADMSG if it is not such an array; what ${fn} returned.
 */
int listing_json(const char *text, size_t len, listing_fn *fn, void *arg);

#endif
