/*
 * Inside of the view: shared by view.c (the list, names, lookup) and view_group.c (hosts and tags).
 */
#ifndef VARVE_FS_VIEW_IMPL_H
#define VARVE_FS_VIEW_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "fs/vfs/view/view.h"

#define NO_GROUP UINT32_MAX

/* Names that only grow, so that a number once given always means the same. */
struct name_list {
	char **names;
	size_t n, cap;
};

struct view_groups {
	pthread_mutex_t lock;
	struct name_list kind[2];
};

/* In which groups a snapshot is. */
struct membership {
	bool known;
	uint32_t host;
	uint32_t *tags;
	uint32_t ntags;
};

struct view {
	atomic_uint refs;
	const struct view_options *opts;
	struct view_snapshot *snaps;
	size_t n;
	uint32_t *by_name; /* open addressing: index + 1; mask is its size - 1 */
	size_t mask;
	struct view_snapshot **by_slot; /* ascending */
	uint64_t *gone; /* hashes of names that forgotten snapshots had: the kernel may still know them */
	size_t ngone;
	pthread_mutex_t lock;           /* over what follows */
	struct membership *members;
	bool grouped;
};

#endif
