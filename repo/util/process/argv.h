/*
 * Arguments of a program, which everybody on the machine can read in /proc/PID/cmdline.
 */
#ifndef VARVE_UTIL_ARGV_H
#define VARVE_UTIL_ARGV_H

/**
 * argv_private(argc, argv):
 * A copy of the arguments (malloc, the caller's: array and strings, NULL at the end), after which passwords of URLs
 * ("scheme://user:password@host") are overwritten with asterisks in ${argv} itself.  To be called first of all; others
 * can see them until then.  NULL if there is no memory.
 */
char **argv_private(int argc, char **argv);
void argv_free(char **copy);

#endif
