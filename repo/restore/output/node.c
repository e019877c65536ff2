/*
 * Symlinks, fifos, sockets and device nodes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "repo/restore/output/attrs.h"
#include "repo/restore/output/existing.h"
#include "repo/restore/output/temp.h"

#define TRIES 3

static void failed(struct worker *w, const struct batch_item *i, int err, const char *what)
{
	restore_failed(w->rs, i->dir, i->e.name, i->e.name_len, err, what);
}

static bool is_device(const struct tree_entry *e)
{
	return e->type == ENTRY_CHR || e->type == ENTRY_BLK;
}

static int create(struct worker *w, const struct batch_item *i, const char *name, struct attrs_now *now)
{
	mode_t mode = attrs_begin(w->rs, i->dir, &i->e, now);
	const struct tree_entry *e = &i->e;
	dev_t dev = is_device(e) ? makedev(e->rdev_major, e->rdev_minor) : 0;
	int rc;

	if (e->type == ENTRY_LNK)
		rc = symlinkat(e->target, i->dir->base.fd, name);
	else
		rc = mknodat(i->dir->base.fd, name, entry_ifmt(e->type) | mode, dev);
	return rc < 0 ? -errno : 0;
}

/* Is the open subject what has just been made, and not something that was put there in its place? */
static bool is_new(const struct subject *s, const struct tree_entry *e)
{
	struct stat st;

	return fstat(s->fd, &st) == 0 && entry_type_of(st.st_mode) == e->type && st.st_nlink == 1 &&
	       (!is_device(e) || st.st_rdev == makedev(e->rdev_major, e->rdev_minor));
}

static int set_attrs(struct worker *w, const struct batch_item *i, const char *name, struct attrs_now *now)
{
	struct subject s = { .fd = -1, .dirfd = i->dir->base.fd, .name = name };
	int rc = 0;

	if (attrs_needed(&i->e, now)) {
		rc = subject_open(&s, i->dir->base.fd, name, false);
		if (rc == 0 && !is_new(&s, &i->e))
			rc = -ESTALE;
	}
	if (rc == 0)
		attrs_set(w->rs, &s, i->dir, &i->e, now);
	else
		failed(w, i, rc, "cannot set its attributes");
	subject_close(&s);
	return rc;
}

/* Make it, under a temporary name if something is to give way.  1, 0 if there is nothing to be made, or -errno. */
static int make(struct worker *w, const struct batch_item *i, char temp[TEMP_NAME_SIZE], struct attrs_now *now,
    bool *kept)
{
	enum fate fate;
	struct stat st;
	int rc = -EEXIST;

	for (unsigned n = 0; n < TRIES && rc == -EEXIST; n++) {
		fate = existing_fate(w->rs, i, n > 0, &st);
		if (fate == FATE_LEAVE)
			restore_skipped(w->rs);
		*kept = fate == FATE_KEEP && existing_keep(w, i, &st);
		if (fate == FATE_LEAVE || fate == FATE_REFUSE || *kept)
			return 0;
		temp[0] = '\0';
		if (fate != FATE_NEW)
			temp_name(temp);
		rc = create(w, i, temp[0] != '\0' ? temp : i->e.name, now);
	}
	return rc == 0 ? 1 : rc;
}

bool node_restore(struct worker *w, const struct batch_item *i)
{
	char temp[TEMP_NAME_SIZE];
	struct attrs_now now;
	bool kept = false;
	int rc;

	rc = make(w, i, temp, &now, &kept);
	if (rc == 0)
		return kept;
	if (rc == -EPERM && is_device(&i->e)) {
		atomic_fetch_add(&w->rs->n.no_device, 1);
		return false;
	}
	if (rc < 0) {
		failed(w, i, rc, "cannot create");
		return false;
	}
	rc = set_attrs(w, i, temp[0] != '\0' ? temp : i->e.name, &now);
	if (temp[0] != '\0') {
		if (rc == 0 && (rc = existing_replace(i, temp)) < 0)
			failed(w, i, rc, "cannot rename it to its name");
		if (rc < 0)
			unlinkat(i->dir->base.fd, temp, 0);
	}
	if (rc == 0)
		restore_done(w->rs, i->dir, i->e.name, i->e.name_len, i->e.type);
	return rc == 0;
}
