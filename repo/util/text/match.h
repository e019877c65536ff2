/*
 * Path patterns for excludes, includes and find.
 *
 * A pattern without '/' (but for a trailing one) matches the last name of a path; one that begins with '/' matches
 * the whole path from the root; any other matches at any depth.  '*', '?', [sets] do not match '/'; "**" between
 * slashes matches any number of directories.  A trailing '/' restricts it to directories.  "." between slashes says
 * nothing, nor does "./" in front.  In a list the last pattern that matches decides, and a leading '!' takes back; a
 * directory that is excluded is not entered.  As in gitignore(5).
 */
#ifndef VARVE_UTIL_MATCH_H
#define VARVE_UTIL_MATCH_H

#include <stdbool.h>
#include <stddef.h>

struct match_list;

/* An empty list, or NULL without memory. */
struct match_list *match_new(void);
void match_free(struct match_list *m);

/* Add one pattern (copied).  Return 0, -EINVAL if it is empty or malformed, -ENOMEM. */
int match_add(struct match_list *m, const char *pattern);

/* Add the patterns of a file: one a line, '#' comments, blank lines skipped.  Return 0 or a negative errno. */
int match_add_file(struct match_list *m, const char *path);

size_t match_count(const struct match_list *m);

/**
 * match_path(m, path, is_dir):
 * Does the list match ${path} (absolute within the source or snapshot, with a leading '/')?  Thread-safe.  An unlimited
 * length of path is fine; time is bounded by the product of the lengths of pattern and path.
 */
bool match_path(const struct match_list *m, const char *path, bool is_dir);

/**
 * match_paths(m, path, other, is_dir):
 * As match_path(), for a file with two names: patterns that begin with '/' are also tried on ${other}, an absolute path
 * too (NULL: it has none).  Has the list patterns that begin so?
 */
bool match_paths(const struct match_list *m, const char *path, const char *other, bool is_dir);
bool match_anchored(const struct match_list *m);

/**
 * match_unused(m, i):
 * The next pattern from number ${*i} on that has not matched anything yet, as it was written; NULL behind the last.
 * Those of files (match_add_file()) are never told.  ${*i} is then behind it.  Borrowed as long as the list.
 */
const char *match_unused(const struct match_list *m, size_t *i);

/* Could anything below directory ${path} match (for includes: must it be entered)? */
bool match_may_below(const struct match_list *m, const char *path);

#endif
