/*
 * Tables of short hashes.  See hash_map.h.
 */
#include "repo/check/hash_map.h"

#include <errno.h>
#include <stdlib.h>

#define CAP_MIN 1024

/* The slot of ${key}, or the free one where it would be.  There is always a free one. */
static size_t find(const struct hash_map *m, uint64_t key)
{
	size_t i = key & (m->cap - 1);

	while (m->keys[i] != 0 && m->keys[i] != key)
		i = (i + 1) & (m->cap - 1);
	return i;
}

/* 0 marks a free slot. */
static uint64_t usable(uint64_t key)
{
	return key != 0 ? key : 1;
}

static int grow(struct hash_map *m)
{
	struct hash_map new = { .cap = m->cap ? m->cap * 2 : CAP_MIN };
	size_t at;

	new.keys = calloc(new.cap, sizeof(*new.keys));
	if (new.keys != NULL && m->with_values)
		new.values = malloc(new.cap * sizeof(*new.values));
	if (new.keys == NULL || (m->with_values && new.values == NULL)) {
		hash_map_free(&new);
		return -ENOMEM;
	}
	for (size_t i = 0; i < m->cap; i++) {
		if (m->keys[i] == 0)
			continue;
		at = find(&new, m->keys[i]);
		new.keys[at] = m->keys[i];
		if (m->with_values)
			new.values[at] = m->values[i];
	}
	free(m->keys);
	free(m->values);
	m->keys = new.keys;
	m->values = new.values;
	m->cap = new.cap;
	return 0;
}

int hash_map_add(struct hash_map *m, uint64_t key, uint64_t value)
{
	size_t at;
	int rc;

	key = usable(key);
	if (m->n + 1 > m->cap - m->cap / 4) {
		rc = grow(m);
		if (rc < 0)
			return rc;
	}
	at = find(m, key);
	if (m->keys[at] == key)
		return 0;
	m->keys[at] = key;
	if (m->with_values)
		m->values[at] = value;
	m->n++;
	return 1;
}

bool hash_map_get(const struct hash_map *m, uint64_t key, uint64_t *value)
{
	size_t at;

	if (m->n == 0)
		return false;
	key = usable(key);
	at = find(m, key);
	if (m->keys[at] != key)
		return false;
	if (value != NULL && m->with_values)
		*value = m->values[at];
	return true;
}

void hash_map_free(struct hash_map *m)
{
	free(m->keys);
	free(m->values);
	*m = (struct hash_map){ .with_values = m->with_values };
}

uint64_t hash_bytes(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return hash_mix(0, h);
}
