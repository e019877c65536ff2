/*
 * Does one place lie in another?
 */
#ifndef VARVE_UTIL_INSIDE_H
#define VARVE_UTIL_INSIDE_H

#include <stdbool.h>

/**
 * path_inside(path, dir):
 * Is ${path} the directory ${dir}, or in it, at any depth?  What ${path} names need not be there (yet): then it lies
 * where it would be made.  A symbolic link in it is followed.  Judged by the directories on the way up, not by their
 * names, and by the places of both in their filesystem as /proc/self/mountinfo tells them: so neither symbolic links
 * nor bind mounts, of ${dir} or of what is below it, are a way around it.  Not seen: a bind mount of what another
 * filesystem, mounted below ${dir}, holds; and where there is no /proc, one of a directory below ${dir}.  False also
 * if ${dir} is not there or the way up cannot be seen.  Thread-safe.
 */
bool path_inside(const char *path, const char *dir);

#endif
