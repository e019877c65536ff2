/*
 * Copies: other stores of the repository, or directories of packs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/mend/mend.h"

#define PIECE_LEN (1024u * 1024)

void mend_tell(const struct mend *m, const struct repair_event *e)
{
	m->o->told(m->o->arg, e);
}

void mend_leave(struct mend *m, const char *object, const char *why)
{
	struct repair_event e = { .action = REPAIR_LEFT, .object = object, .why = why };

	m->out->left++;
	mend_tell(m, &e);
}

/* --- One object --------------------------------------------------------------------------------------------------- */

struct fetching {
	struct mend *m;
	struct store *from;
	const char *theirs; /* its name there */
	const uint8_t *hash;
	size_t hash_len;
	uint64_t size;
	uint8_t *piece;
	struct store_put *put; /* NULL: a dry run */
};

/* Read all of it and append it to the put.  Return 0; -EBADMSG if it is not what its name says; others. */
static int transfer(struct fetching *f, int *target_rc)
{
	struct hasher h;
	struct id found;
	size_t n;
	int rc;

	hasher_init(&h);
	for (uint64_t at = 0; at < f->size; at += n) {
		if (mend_cancelled(f->m))
			return -EINTR;
		n = f->size - at < PIECE_LEN ? (size_t)(f->size - at) : PIECE_LEN;
		rc = store_get(f->from, f->theirs, at, n, f->piece);
		if (rc < 0)
			return rc;
		hasher_update(&h, f->piece, n);
		*target_rc = f->put != NULL ? store_put_append(f->put, f->piece, n) : 0;
		if (*target_rc < 0)
			return *target_rc;
	}
	hasher_final(&h, &found);
	return memcmp(found.b, f->hash, f->hash_len) == 0 ? 0 : -EBADMSG;
}

/* Fetch it under that name.  Return 0; the source's error; or the target's, then in ${*target_rc} as well. */
static int fetch_as(struct fetching *f, const char *name, int *target_rc)
{
	int rc = store_stat(f->from, f->theirs, &f->size);

	if (rc < 0)
		return rc;
	if (f->size > UINT32_MAX)
		return -EBADMSG;
	if (!f->m->o->dry_run)
		*target_rc = store_put_begin(f->m->store, &f->put);
	if (*target_rc < 0)
		return *target_rc;
	rc = transfer(f, target_rc);
	if (rc == 0 && f->put != NULL) {
		rc = *target_rc = store_put_commit(f->put, name, STORE_REPLACE);
		f->put = NULL;
	}
	store_put_abort(f->put);
	f->put = NULL;
	return rc;
}

/* How else it may be called in a directory of packs: without the folders before the last one, or two. */
static const char *shorter(const char *name)
{
	const char *slash = strchr(name, '/');

	return slash != NULL ? slash + 1 : NULL;
}

/* As fetch_as(), under any of its names. */
static int fetch_from(struct fetching *f, const char *name, int *target_rc)
{
	int rc = -ENOENT;

	for (f->theirs = name; rc == -ENOENT && f->theirs != NULL; f->theirs = shorter(f->theirs))
		rc = fetch_as(f, name, target_rc);
	return rc;
}

static void fetched(struct mend *m, const struct fetching *f, const char *name)
{
	struct repair_event e = { .action = REPAIR_FETCHED, .object = name, .from = store_url(f->from) };

	m->out->fetched++;
	m->out->fetched_bytes += f->size;
	mend_tell(m, &e);
}

int mend_fetch(struct mend *m, const char *name, const uint8_t *hash, size_t len)
{
	struct fetching f = { .m = m, .hash = hash, .hash_len = len, .piece = malloc(PIECE_LEN) };
	int rc = f.piece != NULL ? 0 : -ENOMEM, target_rc = 0;

	for (unsigned i = 0; i < m->o->nfrom && rc == 0 && target_rc == 0; i++) {
		f.from = m->o->from[i];
		rc = fetch_from(&f, name, &target_rc);
		if (rc == 0) {
			fetched(m, &f, name);
			rc = 1;
		} else if (rc == -EBADMSG) {
			log_warn(m->log, "%s/%s: damaged there, too", store_url(f.from), name);
			rc = 0;
		} else if (target_rc == 0 && rc != -EINTR && rc != -ECANCELED && rc != -ENOMEM) {
			m->unasked = m->unasked || rc != -ENOENT;
			rc = 0;
		}
	}
	free(f.piece);
	return target_rc < 0 ? target_rc : rc == -ECANCELED ? -EINTR : rc;
}

int mend_fetch_pack(struct mend *m, enum pack_kind kind, const struct id *id)
{
	char name[PACK_NAME_SIZE];

	return mend_fetch(m, pack_name(kind, id, name), id->b, ID_LEN);
}

/* --- Of the same repository? -------------------------------------------------------------------------------------- */

/* A copy's config: 0 with its bytes; -ENOENT if it has none that is good. */
static int read_config(struct store *s, struct buf *out)
{
	struct config config;

	buf_clear(out);
	if (store_get_all(s, "config", CONFIG_MAX, out) < 0 || config_decode(out->data, out->len, &config) < 0)
		return -ENOENT;
	return 0;
}

int mend_same_repository(struct mend *m, const struct buf *own)
{
	struct buf theirs = BUF_INIT;
	int rc = 0;

	for (unsigned i = 0; i < m->o->nfrom && rc == 0 && own->len > 0; i++) {
		if (read_config(m->o->from[i], &theirs) < 0)
			continue;
		if (theirs.len == own->len && memcmp(theirs.data, own->data, own->len) == 0)
			continue;
		log_error(m->log, "%s: another repository than %s; nothing is taken from it",
		    store_url(m->o->from[i]), store_url(m->store));
		rc = -EXDEV;
	}
	buf_free(&theirs);
	return rc;
}

/* 1: an object of that name is in our store, too. */
static int is_common(void *arg, const char *name, uint64_t size)
{
	struct mend *m = arg;

	(void)size;
	return store_stat(m->store, name, &size) == 0;
}

int mend_find_config(struct mend *m, struct buf *out)
{
	for (unsigned i = 0; i < m->o->nfrom; i++) {
		struct store *s = m->o->from[i];

		if (read_config(s, out) < 0)
			continue;
		if (store_list_names(s, "keys/", is_common, m) == 1 ||
		    store_list_names(s, "snapshots/", is_common, m) == 1)
			return (int)i;
		log_warn(m->log, "%s: has neither a keyslot nor a snapshot in common with %s; its config is not taken",
		    store_url(s), store_url(m->store));
	}
	return -1;
}
