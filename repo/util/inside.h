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
 * names: other names of the same directory (symbolic links, bind mounts) are no way around it.  False also if ${dir} is
 * not there or the way up cannot be seen.  Thread-safe.
 */
bool path_inside(const char *path, const char *dir);

#endif
