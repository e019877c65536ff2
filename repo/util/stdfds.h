/*
 * Descriptors 0, 1 and 2.
 */
#ifndef VARVE_UTIL_STDFDS_H
#define VARVE_UTIL_STDFDS_H

/**
 * stdfds_open():
 * Open /dev/null on each of stdin, stdout, stderr that is closed.  Must be called before anything else is opened:
 * otherwise a file of the repository could get one of these numbers, and messages with it.
 */
void stdfds_open(void);

#endif
