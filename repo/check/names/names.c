/*
 * Objects against their names: records of doomed packs, which are opened, too, where there is a key; and manifests and
 * index runs for who has none.  (Packs are read by data.c, many at a time.)
 */
#include "repo/check/names/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/check_impl.h"
#include "repo/check/names/runs.h"
#include "repo/doomed/doomed.h"

#define PIECE_LEN (1024u * 1024)

static int hash_object(struct store *store, const char *name, uint8_t *piece, uint64_t *size, struct id *out)
{
	struct hasher h;
	size_t n;
	int rc;

	hasher_init(&h);
	rc = store_stat(store, name, size);
	if (rc == 0 && *size > UINT32_MAX) /* nothing has as much: whoever says so wants to be read for ever */
		rc = -EBADMSG;
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
	size_t prefix;   /* bytes of a name before the id */
	size_t hash_len; /* of an id */
};

/* Was it made by somebody with the secrets, and is it well-formed? */
static int open_doomed(struct check *c, const char *name, const struct id *id)
{
	const struct doomed_place at = { .store = c->store, .metadata = c->r->metadata,
		.repo_id = c->r->config.repo_id, .log = &c->log };
	struct doomed_record rec = { .ids = NULL };
	struct buf b = BUF_INIT;
	int rc = store_get_all(c->store, name, DOOMED_MAX, &b);

	if (rc == 0)
		rc = doomed_decode(&at, b.data, b.len, id, &rec);
	doomed_record_destroy(&rec);
	buf_free(&b);
	return rc;
}

static int look_at(void *arg, const char *name, uint64_t size)
{
	struct naming *n = arg;
	struct check *c = n->c;
	const char *what = NULL;
	struct id id;
	int rc;

	(void)size;
	if (cancelled(c))
		return -EINTR;
	if (id_parse(name + n->prefix, &id) < 0)
		return 0;
	rc = name_verify(c->store, name, id.b, n->hash_len);
	if (rc == -EBADMSG)
		what = "its bytes do not hash to its name";
	if (rc == 0 && n->kind == CHECK_DOOMED && c->r != NULL)
		rc = open_doomed(c, name, &id);
	if (rc == -ENOENT) /* gone since it was listed */
		return 0;
	c->out->runs += n->kind == CHECK_RUN;
	c->out->snapshots += n->kind == CHECK_SNAPSHOT;
	if (rc != 0)
		rc = object_fails(c, n->kind, name, rc, what != NULL ? what : ERR(rc));
	if (rc == 1 && n->kind == CHECK_SNAPSHOT)
		tell_snapshot(c, n->kind, name, &id);
	return rc < 0 ? rc : 0;
}

static int look_at_all(struct check *c, enum check_kind kind, const char *prefix, size_t hash_len)
{
	struct naming n = { .c = c, .kind = kind, .prefix = strlen(prefix), .hash_len = hash_len };

	return store_list_names(c->store, prefix, look_at, &n);
}

int check_doomed(struct check *c)
{
	return look_at_all(c, CHECK_DOOMED, "doomed/", ID_LEN);
}

int check_names(struct check *c)
{
	int rc = look_at_all(c, CHECK_SNAPSHOT, "snapshots/", SNAPSHOT_HASH_LEN);

	if (rc == 0)
		rc = look_at_all(c, CHECK_RUN, "index/", ID_LEN);
	return rc == 0 ? check_doomed(c) : rc;
}
