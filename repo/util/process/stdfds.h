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

/**
 * stdfds_finish():
 * Write out what is left in stdout.  Return 0 if all that was printed has been taken, or if its reader has gone, who
 * has had enough; else a negative errno (-EIO if it is not known any more).
 */
int stdfds_finish(void);

#endif
