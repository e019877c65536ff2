/*
 * Regular files.
 */
#include "repo/restore/file/bigfile.h"
#include "repo/restore/file/contents.h"
#include "repo/restore/file/outfile.h"
#include "repo/restore/work/linkset.h"

static void big_done(struct worker *w, const struct batch_item *i, bool there)
{
	if (i->role == LINK_FIRST)
		linkset_settle(w->rs->links, &i->e, there);
	atomic_fetch_add(&w->rs->progress->entries, 1);
}

bool file_restore(struct worker *w, const struct batch_item *i)
{
	enum outfile_begun begun;
	struct outfile f;
	struct trouble t;
	int rc;

	if (i->big != NULL) {
		bigfile_work(w, i, big_done);
		return true;
	}
	begun = outfile_begin(w, i, &f);
	if (begun != OUTFILE_OPEN)
		return begun == OUTFILE_KEPT;
	rc = contents_write(w, &i->e, f.fd, &t);
	return outfile_end(w, i, &f, rc < 0 ? &t : NULL);
}
