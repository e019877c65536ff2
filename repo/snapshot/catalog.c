/*
 * The catalog: a sorted array of what a listing of the store yields.
 */
#include "repo/snapshot/witness/seen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct catalog {
	struct catalog_options opts;
	struct snapshot *snaps; /* by time, then id */
	size_t n, cap;
	struct withheld *withheld;
	size_t nwithheld;
};

static int take_name(void *arg, const char *name, uint64_t size)
{
	struct catalog *c = arg;
	struct snapshot *s;
	struct id id;

	(void)size;
	if (snapshot_object_parse(name, &id) < 0) {
		(c->opts.again ? log_debug : log_warn)(c->opts.log, "%s: not the name of a snapshot, ignored", name);
		return 0;
	}
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 64;

		s = realloc(c->snaps, cap * sizeof(*s));
		if (s == NULL)
			return -ENOMEM;
		c->snaps = s;
		c->cap = cap;
	}
	s = &c->snaps[c->n++];
	s->id = id;
	s->time_ns = snapshot_id_time(c->opts.secrets, &id);
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct snapshot *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return id_compare(&x->id, &y->id);
}

/* A store may name an object twice while others are put and deleted. */
static void drop_doubles(struct catalog *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (kept == 0 || compare(&c->snaps[kept - 1], &c->snaps[i]) != 0)
			c->snaps[kept++] = c->snaps[i];
	}
	c->n = kept;
}

int catalog_load(const struct catalog_options *opts, struct catalog **out)
{
	struct catalog *c = calloc(1, sizeof(*c));
	int64_t begun_ns = when_now_ns();
	int rc = -ENOMEM;

	if (c == NULL)
		goto out;
	c->opts = *opts;
	rc = store_list_names(opts->store, "snapshots/", take_name, c);
	if (rc < 0)
		goto out;
	if (c->n > 1)
		qsort(c->snaps, c->n, sizeof(*c->snaps), compare);
	drop_doubles(c);
	rc = opts->revocations != NULL ? revocations_refresh(opts->revocations) : 0;
	if (rc == 0 && opts->witness != NULL)
		rc = seen_compare(c, opts, begun_ns, &c->withheld, &c->nwithheld);
	if (rc < 0)
		goto out;
	*out = c;
	c = NULL;
out:
	catalog_free(c);
	return rc;
}

void catalog_free(struct catalog *c)
{
	if (c == NULL)
		return;
	free(c->snaps);
	free(c->withheld);
	free(c);
}

const struct withheld *catalog_withheld(const struct catalog *c, size_t *n)
{
	*n = c->nwithheld;
	return c->withheld;
}

size_t catalog_count(const struct catalog *c)
{
	return c->n;
}

const struct snapshot *catalog_at(const struct catalog *c, size_t i)
{
	return &c->snaps[i];
}

ssize_t catalog_find(const struct catalog *c, const struct id *id)
{
	struct snapshot key = { .id = *id, .time_ns = snapshot_id_time(c->opts.secrets, id) };
	const struct snapshot *s;

	s = c->n > 0 ? bsearch(&key, c->snaps, c->n, sizeof(*c->snaps), compare) : NULL;
	return s != NULL ? s - c->snaps : -1;
}

/* The manifest is genuine: has its key been revoked, or was it made when that was no longer good? */
static int judge(const struct catalog_options *o, const struct id *id, const char *name, const struct manifest *m)
{
	char when[WHEN_SIZE], writer[CERT_NAME_MAX * 4 + 1];
	int64_t revoked_ns;

	quote_name(m->writer, (unsigned)strlen(m->writer), writer, sizeof(writer));
	if (o->revocations != NULL && revocations_forbid(o->revocations, &m->writer_key, id, &revoked_ns)) {
		log_error(o->log, "%s: signed with the key of \"%s\", which was revoked on %s without it", name, writer,
		    when_format(revoked_ns, WHEN_HUMAN, false, when));
		return -EKEYREJECTED;
	}
	if (o->witness != NULL && witness_made_late(o->witness, id, m->writer_expires_ns)) {
		log_error(o->log, "%s: is not as old as it says: it was not there yet when the key of \"%s\" had "
		    "expired, on %s", name, writer, when_format(m->writer_expires_ns, WHEN_HUMAN, false, when));
		return -EKEYREJECTED;
	}
	if (o->witness != NULL)
		witness_saw(o->witness, m->host, id, m->time_ns);
	return 0;
}

/* From the local cache; what is bad there is forgotten, and says nothing about the store. */
static int from_index(const struct catalog_options *o, const struct id *id, const char *name, struct manifest *out)
{
	struct buf bytes = BUF_INIT;
	int rc;

	rc = index_kept(o->index, name, &bytes);
	if (rc == 0) {
		rc = manifest_open(bytes.data, bytes.len, id, o->secrets, o->metadata, out);
		if (rc == -EBADMSG)
			index_drop(o->index, name);
	}
	buf_free(&bytes);
	return rc;
}

/* Where another copy may be good, ask once more for what does not open. */
static int open_fetched(const struct catalog_options *o, const struct id *id, const char *name, struct buf *bytes,
    struct manifest *out)
{
	int rc = manifest_open(bytes->data, bytes->len, id, o->secrets, o->metadata, out);

	if (rc != -EBADMSG || store_distrust(o->store, name, 0, bytes->len) != 0)
		return rc;
	buf_clear(bytes);
	if (store_get_all(o->store, name, MANIFEST_MAX, bytes) < 0)
		return rc;
	return manifest_open(bytes->data, bytes->len, id, o->secrets, o->metadata, out);
}

static int from_store(const struct catalog_options *o, const struct id *id, const char *name, struct manifest *out)
{
	struct buf bytes = BUF_INIT;
	int rc;

	rc = store_get_all(o->store, name, MANIFEST_MAX, &bytes);
	if (rc == 0) {
		rc = open_fetched(o, id, name, &bytes, out);
		if (rc == 0)
			index_keep(o->index, name, bytes.data, bytes.len);
		else if (rc == -EKEYREJECTED)
			log_error(o->log, "%s: made by a writer who was not entitled to", name);
		else
			log_error(o->log, "%s: %s", name, ERR(rc));
	}
	buf_free(&bytes);
	return rc;
}

int catalog_read_manifest(const struct catalog_options *o, const struct id *id, struct manifest *out)
{
	char name[SNAPSHOT_NAME_SIZE];
	struct manifest m;
	int rc;

	snapshot_object_name(id, name);
	rc = from_index(o, id, name, &m);
	if (rc != 0)
		rc = from_store(o, id, name, &m);
	if (rc != 0)
		return rc;
	rc = judge(o, id, name, &m);
	if (rc == 0)
		*out = m;
	else
		manifest_destroy(&m);
	return rc;
}

void catalog_enter(struct index *index, const struct manifest *m)
{
	struct rd r = rd_init(m->root_place.data, m->root_place.len);
	struct pack_info pack = { .kind = PACK_TREE, .size = m->root_pack_size };
	const uint8_t *p;

	if (!(m->root.flags & ENTRY_HAS_CHILD) || rd_take(&r, ID_LEN + CRYPT_WRAPPED_LEN, &p) < 0)
		return;
	memcpy(pack.id.b, p, ID_LEN);
	memcpy(pack.wrapped, p + ID_LEN, CRYPT_WRAPPED_LEN);
	index_learn(index, &m->root.child, &pack, r.p, r.len);
}

int catalog_manifest(const struct catalog *c, size_t i, struct manifest *out)
{
	char name[SNAPSHOT_NAME_SIZE];
	int rc;

	rc = catalog_read_manifest(&c->opts, &c->snaps[i].id, out);
	if (rc == -ENOENT) {
		log_error(c->opts.log, "%s: is gone from the store", snapshot_object_name(&c->snaps[i].id, name));
		rc = -EBADMSG;
	}
	return rc;
}
