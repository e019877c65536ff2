/*
 * Inventory: the objects of one kind that a store has, sorted by id.  Not thread-safe.
 */
#ifndef VARVE_SYNC_INVENTORY_H
#define VARVE_SYNC_INVENTORY_H

#include "repo/store/store.h"
#include "repo/util/bytes/id.h"

/* In the order in which they are made: each relies on those before it. */
enum sync_kind { SYNC_GENERATIONS, SYNC_PACKS, SYNC_TREES, SYNC_INDEX, SYNC_KEYS, SYNC_REVOKED, SYNC_SNAPSHOTS,
	SYNC_KINDS };

struct inventory_entry {
	struct id id;
	uint64_t size;
};

struct inventory {
	struct inventory_entry *entries;
	size_t n, cap;
};

#define SYNC_NAME_SIZE 80

/* The store name of an object.  Return ${out}. */
char *sync_name(enum sync_kind kind, const struct id *id, char out[SYNC_NAME_SIZE]);

/* How many bytes of an object's id are the hash of its bytes: see varve-format(5). */
unsigned sync_hash_len(enum sync_kind kind);

/**
 * inventory_load(s, kind, out):
 * List the objects of a kind, with their sizes; ${out} (all zero, or loaded before) is the caller's to free.  Other
 * names than theirs are passed over.  Return 0; -ENOMEM (logged); what the store returns.
 */
int inventory_load(struct store *s, enum sync_kind kind, struct inventory *out);
void inventory_free(struct inventory *v);

/**
 * inventory_difference(a, b, sizes, out):
 * Which of ${a} ${b} does not have; with ${sizes}, also those that it has with another size.  ${out} is the caller's to
 * free.  Return 0 or -ENOMEM.
 */
int inventory_difference(const struct inventory *a, const struct inventory *b, bool sizes, struct inventory *out);

/* Bytes of all its objects. */
uint64_t inventory_bytes(const struct inventory *v);

#endif
