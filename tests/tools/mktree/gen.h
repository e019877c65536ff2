/*
 * mktree's parts: the sections of a generated tree, and changes to a tree that exists.
 *
 * Everything comes from the seed: names, contents, times, modes.  What the filesystem, or a user who is not root,
 * cannot have is left out and told on stderr.
 */
#ifndef VARVE_TEST_GEN_H
#define VARVE_TEST_GEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/tools/lib/tool.h"

struct gen {
	struct rng rng;
	uint64_t chunk_min, chunk_avg, chunk_max, segment; /* bytes: sizes at which a program under test may err */

	uint64_t huge;    /* size of the large sparse file, bytes; 0 for none */
	uint64_t wide;    /* entries of the large directory; 0 for none */
	uint64_t tall;    /* levels of the deep tree; 0 for none */
	uint64_t skipped; /* items left out */
};

enum content {
	CONTENT_RANDOM, /* does not compress */
	CONTENT_TEXT,   /* words: compresses to about a third */
	CONTENT_ZERO,   /* written zeros, no hole */
	CONTENT_PERIOD, /* the same 4 KiB again and again */
};

/* --- gen_make.c: one item each.  All end the program if they fail, unless they say otherwise. --- */

/* Make a directory and return it open.  gen_done() is due when its entries are there. */
int gen_dir(int dir, const char *name);

/* Give the directory ${fd} its mode and a time, and close it. */
void gen_done(struct gen *g, int fd, mode_t mode);

/* Make a file and return it open for writing. */
int gen_create(int dir, const char *name);

/* Write ${len} bytes at ${at}, the same for the same ${seed}. */
void gen_write(int fd, enum content what, uint64_t seed, off_t at, uint64_t len);

/* Make a file of ${len} such bytes and give it a time. */
void gen_file(struct gen *g, int dir, const char *name, enum content what, uint64_t len);

/* Give ${name} in ${dir} a time from the generator, between 1990 and 2030. */
void gen_stamp(struct gen *g, int dir, const char *name);

/* Set an xattr of ${name} in ${dir}, not following symlinks; told if it is not possible. */
void gen_xattr(struct gen *g, int dir, const char *name, const char *attr, const void *value, size_t len);

/* The same, but return whether it was possible, with errno set. */
bool gen_try_xattr(int dir, const char *name, const char *attr, const void *value, size_t len);

/* Tell that an item was left out, because of errno. */
void gen_skip(struct gen *g, const char *name);

/* --- gen_meta.c, gen_data.c, gen_names.c: the sections; each fills the open, empty directory ${dir}. --- */

void gen_types(struct gen *g, int dir);
void gen_links(struct gen *g, int dir);
void gen_modes(struct gen *g, int dir);
void gen_owners(struct gen *g, int dir);
void gen_times(struct gen *g, int dir);
void gen_xattrs(struct gen *g, int dir);
void gen_acls(struct gen *g, int dir);
void gen_unreadable(struct gen *g, int dir);

void gen_sizes(struct gen *g, int dir);
void gen_contents(struct gen *g, int dir);
void gen_sparse(struct gen *g, int dir);
void gen_comb(struct gen *g, int dir);
void gen_reserved(struct gen *g, int dir);
void gen_huge(struct gen *g, int dir);

void gen_names(struct gen *g, int dir);
void gen_order(struct gen *g, int dir);
void gen_long(struct gen *g, int dir);
void gen_wide(struct gen *g, int dir);
void gen_tall(struct gen *g, int dir);

/* --- mutate.c --- */

struct mutate_options {
	uint64_t seed;
	uint64_t rounds; /* how often each kind of change is made */
	bool sneaky;     /* change nothing but contents in place, with size and mtime as they were */
};

/* Change the tree at ${root}, printing each change as one line.  Return how many were made. */
uint64_t mutate_tree(int root, const struct mutate_options *opt);

#endif
