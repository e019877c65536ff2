/*
 * Quarantine: damaged packs as they were found, under names that nobody reads.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/mend/mend.h"

#define PIECE_LEN (1024u * 1024)
#define FOLDER "quarantine/"

static const char *folder(enum pack_kind kind)
{
	return kind == PACK_TREE ? "trees" : "packs";
}

char *quarantine_name(enum pack_kind kind, const struct id *id, char out[QUARANTINE_NAME_SIZE])
{
	char hex[ID_HEX_SIZE];

	snprintf(out, QUARANTINE_NAME_SIZE, FOLDER "%s/%s", folder(kind), id_hex(id, hex));
	return out;
}

/* What cannot be read becomes zeros. */
static int copy(struct store *store, const char *name, uint64_t size, uint8_t *piece, struct store_put *p)
{
	size_t n;
	int rc = 0;

	for (uint64_t at = 0; at < size && rc == 0; at += n) {
		n = size - at < PIECE_LEN ? (size_t)(size - at) : PIECE_LEN;
		rc = store_get(store, name, at, n, piece);
		if (rc == -EIO || rc == -EBADMSG) {
			memset(piece, 0, n);
			rc = 0;
		}
		if (rc == 0)
			rc = store_put_append(p, piece, n);
	}
	return rc;
}

int quarantine_pack(struct store *store, enum pack_kind kind, const struct id *id)
{
	char name[PACK_NAME_SIZE], to[QUARANTINE_NAME_SIZE];
	struct store_put *p = NULL;
	uint8_t *piece = NULL;
	uint64_t size, there;
	int rc;

	quarantine_name(kind, id, to);
	rc = store_stat(store, pack_name(kind, id, name), &size);
	if (rc < 0 || (store_stat(store, to, &there) == 0 && there == size))
		return rc;
	piece = malloc(PIECE_LEN);
	rc = piece != NULL ? store_put_begin(store, &p) : -ENOMEM;
	if (rc == 0)
		rc = copy(store, name, size, piece, p);
	if (rc == 0) {
		rc = store_put_commit(p, to, STORE_REPLACE);
		p = NULL;
	}
	store_put_abort(p);
	free(piece);
	return rc;
}

int pack_names_add(struct pack_names *l, enum pack_kind kind, const struct id *id)
{
	struct journal_pack *grown;

	if ((l->n & (l->n - 1)) == 0) {
		grown = realloc(l->pack, (l->n > 0 ? 2 * l->n : 1) * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		l->pack = grown;
	}
	l->pack[l->n++] = (struct journal_pack){ .id = *id, .kind = kind };
	return 0;
}

static int take_name(void *arg, const char *name, uint64_t size)
{
	const size_t skip = strlen(FOLDER "packs/");
	char expected[QUARANTINE_NAME_SIZE];
	struct id id;

	(void)size;
	if (strlen(name) < skip || id_parse(name + skip, &id) < 0)
		return 0;
	for (enum pack_kind kind = PACK_DATA; kind <= PACK_TREE; kind++)
		if (strcmp(quarantine_name(kind, &id, expected), name) == 0)
			return pack_names_add(arg, kind, &id);
	return 0;
}

int quarantine_list(struct store *store, struct pack_names *out)
{
	return store_list_names(store, FOLDER, take_name, out);
}
