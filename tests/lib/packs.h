/*
 * What the tests of packs, runs and the index share: sealing domains, and made-up objects, each fully determined by its
 * number, in packs and runs.
 *
 * What fails in here fails the running cmocka test.
 */
#ifndef VARVE_TEST_PACKS_H
#define VARVE_TEST_PACKS_H

#include "repo/index/run/run.h"

#define PACKS_SEGMENT_SIZE (256u * 1024)

struct packs_keys {
	uint8_t repo_id[16];
	struct seal_domain data, metadata;
};

/* Fresh keys of one repository, in the cipher of the default. */
void packs_keys_make(struct packs_keys *k);

/* As cmocka's setup and teardown: a store in memory, and keys. */
struct packs_world {
	struct store *store;
	struct packs_keys k;
};
int packs_setup(void **state);
int packs_teardown(void **state);

/* Object ${n}: its id (in no order), and its place, in a made-up pack of the caller's number ${pack}. */
void packs_id(uint64_t n, struct id *out);
void packs_place(uint64_t n, uint32_t pack, struct place *out);

/* Made-up pack ${n}, as a run names it. */
void packs_info(uint64_t n, struct pack_info *out);

bool packs_same_place(const struct place *a, const struct place *b);
bool packs_same_info(const struct pack_info *a, const struct pack_info *b);

/*
 * A run that is to be written: objects [${first}, ${first} + ${count}), object n in made-up pack ${pack0} + n %
 * ${npacks}.
 */
struct packs_run {
	uint64_t first, count;
	uint64_t pack0;
	uint32_t npacks;
	const struct id *replaced; /* ${nreplaced} runs that it replaces */
	size_t nreplaced;
};

/* Write it.  Return its id. */
struct id packs_put_run(struct store *store, const struct seal_domain *metadata, const struct packs_run *run);

/* Put two runs in place of run ${id}, of which each has every other object. */
void packs_split_run(struct store *store, const struct seal_domain *metadata, uint32_t segment_size,
    const struct id *id, struct id out[2]);

/*
 * A real pack with ${count} small objects from number ${first} on, sharing one segment each eight.  Return what it is.
 */
struct pack_info packs_put_pack(struct store *store, const struct packs_keys *k, enum pack_kind kind, uint64_t first,
    unsigned count);

/* Remove a directory tree. */
void packs_remove_tree(const char *path);

#endif
