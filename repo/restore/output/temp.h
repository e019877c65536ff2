/*
 * Temporary names, under which what takes an existing entry's place is made: ".varve-restore-" and 16 random digits.
 * What a killed restore left is removed when the directory is opened the next time; a file that another restore is
 * writing is locked, and left alone.
 */
#ifndef VARVE_RESTORE_TEMP_H
#define VARVE_RESTORE_TEMP_H

#define TEMP_NAME_SIZE 32

void temp_name(char out[TEMP_NAME_SIZE]);

/* Mark the open file as being written; it ends with the descriptor. */
void temp_lock(int fd);

/* Remove what is left in the directory ${dirfd}. */
void temp_clean(int dirfd);

#endif
