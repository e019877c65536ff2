/*
 * Manifests of new snapshots.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/backup/publish.h"
#include "repo/backup/retain.h"
#include "repo/util/text/when.h"

/* Set ${*to} to a copy of ${from}, which may be NULL. */
static int copy_string(char **to, const char *from)
{
	if (!from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : -ENOMEM;
}

static int set_strings(struct manifest *m, const struct backup_options *o, const struct publication *pub)
{
	size_t i;
	int err = copy_string(&m->host, o->host);

	if (err == 0)
		err = copy_string(&m->user, o->user);
	if (err == 0)
		err = copy_string(&m->profile, o->profile);
	if (err == 0)
		err = copy_string(&m->program, o->program);
	for (i = 0; i < pub->npaths && err == 0; i++)
		err = manifest_add_path(m, pub->paths[i]);
	for (i = 0; i < o->ntags && err == 0; i++)
		err = manifest_add_tag(m, o->tags[i]);
	return err;
}

static void set_counts(struct manifest *m, const struct backup_result *r)
{
	m->unreadable = r->errors;
	m->files = r->files;
	m->dirs = r->dirs;
	m->others = r->others;
	m->bytes = r->bytes;
	m->added = r->data_added + r->tree_added;
	m->stored = r->stored_bytes;
	m->duration_ns = r->duration_ns;
}

/*
 * Where the root page is, so that opening the snapshot does not need the index.  It is only a hint: without it
 * nothing is lost.
 */
static int set_root_place(struct session *s, struct manifest *m)
{
	struct pack_info pack;
	struct place place;
	int err;

	if (!(m->root.flags & ENTRY_HAS_CHILD) || index_lookup(s->repo->index, &m->root.child, &place) < 0 ||
	    index_pack(s->repo->index, place.pack, &pack) < 0)
		return 0;
	m->root_pack_size = pack.size;
	err = buf_append(&m->root_place, pack.id.b, sizeof(pack.id.b));
	if (err == 0)
		err = buf_append(&m->root_place, pack.wrapped, sizeof(pack.wrapped));
	return err == 0 ? place_encode(&place, &m->root_place) : err;
}

static int fill(struct session *s, const struct publication *pub, const struct backup_result *r, struct manifest *m)
{
	int err = set_strings(m, s->opts, pub);

	m->time_ns = pub->time_ns;
	m->zone_s = when_offset(pub->time_ns);
	m->has_parent = s->has_parent;
	m->parent = s->parent;
	m->has_previous = pub->has_previous;
	m->previous = pub->previous;
	set_counts(m, r);
	if (err == 0)
		err = manifest_set_root(m, pub->root);
	return err == 0 ? set_root_place(s, m) : err;
}

/*
 * Put it while all that it relies on is there for certain.  A put that took long (the machine slept, or the store did
 * not answer) may have come too late: then it must go again.
 */
static int put_manifest(const struct repo *r, const char *name, const struct buf *object, struct doom_watch *watch)
{
	int rc = doom_watch_look(watch), gone;

	if (rc == 0)
		rc = store_put(r->store, name, object->data, object->len, 0);
	if (rc != 0)
		return rc;
	rc = doom_watch_look_back(watch);
	if (rc == 0)
		return 0;
	gone = store_delete(r->store, name);
	if (gone < 0)
		log_error(r->log, "%s: was put too late, may lack data, and cannot be taken back: forget it", name);
	return rc;
}

int publish(struct session *s, const struct publication *pub, struct doom_watch *watch, struct backup_result *out)
{
	const struct repo *r = s->repo;
	char name[SNAPSHOT_NAME_SIZE];
	struct buf object = BUF_INIT;
	struct manifest m;
	struct id id;
	int err, retained;

	/* If that fails the snapshot is better than none. */
	retained = retain_relied(s);
	manifest_init(&m);
	err = fill(s, pub, out, &m);
	if (err == 0)
		err = manifest_seal(&m, r->secrets, r->metadata, &object, &id);
	if (err == 0)
		err = put_manifest(r, snapshot_object_name(&id, name), &object, watch);
	else
		log_error(r->log, "cannot make the snapshot's manifest: %s", ERR(err));
	if (err == 0) {
		/* The next backup looks at it. */
		index_keep(r->index, name, object.data, object.len);
		out->snapshot = id;
		out->stored_bytes += object.len;
	}
	if (err == 0 && retained != 0)
		log_error(r->log, "the snapshot is made, but what it relies on is not retained as long as it is");
	manifest_destroy(&m);
	buf_free(&object);
	return err != 0 ? err : retained;
}
