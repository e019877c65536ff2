/*
 * Worker: reads small files, cuts and names their contents and those of large files' pieces, gathers and compresses
 * what is new.
 *
 * A worker never waits for anything but its sources (and other workers, links.h): so the queue always moves.
 */
#ifndef VARVE_BACKUP_WORKER_H
#define VARVE_BACKUP_WORKER_H

#include "repo/backup/session.h"

/* A thread's main: works until the queue has ended or failed.  ${session} is a struct session.  Returns NULL. */
void *worker_run(void *session);

#endif
