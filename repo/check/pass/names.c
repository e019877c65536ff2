/*
 * Manifests and index runs against their names, for who has no key.  (Packs are read by data.c, many at a time.)
 */
#include "repo/check/pass/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/check_impl.h"
#include "repo/check/pass/runs.h"

#define PIECE_LEN (1024u * 1024)

static int hash_object(struct store *store, const char *name, uint8_t *piece, uint64_t *size, struct id *out)
{
	struct hasher h;
	size_t n;
	int rc;

	hasher_init(&h);
	rc = store_stat(store, name, size);
	for (uint64_t at = 0; at < *size && rc == 0; at += n) {
		n = *size - at < PIECE_LEN ? (size_t)(*size - at) : PIECE_LEN;
		rc = store_get(store, name, at, n, piece);
		if (rc == 0)
			hasher_update(&h, piece, n);
	}
	hasher_final(&h, out);
	return rc;
}

int name_verify(struct store *store, const char *name, const uint8_t *hash, size_t len)
{
	uint8_t *piece = malloc(PIECE_LEN);
	uint64_t size = 0;
	struct id found;
	int rc = -ENOMEM;

	for (int tries = 0; piece != NULL && tries < 2; tries++) {
		size = 0;
		rc = hash_object(store, name, piece, &size, &found);
		if (rc == 0 && memcmp(found.b, hash, len) != 0)
			rc = -EBADMSG;
		if (rc != -EBADMSG || store_distrust(store, name, 0, size) != 0)
			break;
	}
	free(piece);
	return rc;
}

struct naming {
	struct check *c;
	enum check_kind kind;
};

static int look_at(void *arg, const char *name, uint64_t size)
{
	struct naming *n = arg;
	struct check *c = n->c;
	bool is_run = n->kind == CHECK_RUN;
	struct id id;
	int rc;

	(void)size;
	if (cancelled(c))
		return -EINTR;
	if (is_run ? id_parse(name + strlen("index/"), &id) < 0 : snapshot_object_parse(name, &id) < 0)
		return 0;
	rc = name_verify(c->store, name, id.b, is_run ? ID_LEN : SNAPSHOT_HASH_LEN);
	if (rc == -ENOENT) /* gone since it was listed */
		return 0;
	c->out->runs += is_run;
	c->out->snapshots += !is_run;
	if (rc == -EBADMSG)
		rc = object_fails(c, n->kind, name, rc, "its bytes do not hash to its name");
	else if (rc != 0)
		rc = object_fails(c, n->kind, name, rc, ERR(rc));
	if (rc == 1 && !is_run)
		tell_snapshot(c, n->kind, name, &id);
	return rc < 0 ? rc : 0;
}

int check_names(struct check *c)
{
	struct naming n = { .c = c, .kind = CHECK_SNAPSHOT };
	int rc = store_list_names(c->store, "snapshots/", look_at, &n);

	n.kind = CHECK_RUN;
	return rc == 0 ? store_list_names(c->store, "index/", look_at, &n) : rc;
}
