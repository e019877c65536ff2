/*
 * Journal: what is remembered of checks on this machine, in files of
 *
 *   <cache dir>/check/<repository id, 32 digits>/
 *     damaged         names of packs that were found damaged, a line each: read again by each check until they are
 *                     sound, and looked at by a repair
 *     <kind>-<share>  how far the check of that kind ("data", "packs") and share ("all", "part", "rotate") has come
 *
 * All are small and are replaced as a whole, durably.  They may be deleted at any time: then a check begins anew.  What
 * makes no sense in them is as if it were not there.  Where nothing can be written (once told), nothing is remembered.
 *
 * Not thread-safe.
 */
#ifndef VARVE_CHECK_JOURNAL_H
#define VARVE_CHECK_JOURNAL_H

#include "repo/check/share/share.h"
#include "repo/pack/pack.h"

#define JOURNAL_DAMAGED_MAX 1024 /* packs that are remembered */

struct journal;

/**
 * journal_open(cache_dir, repo_id, log, out):
 * Read the list of damaged packs.  ${cache_dir} NULL: nothing was or will be remembered.  Return 0 or -ENOMEM.
 */
int journal_open(const char *cache_dir, const uint8_t repo_id[16], const struct log *log, struct journal **out);
void journal_free(struct journal *j);

/* A share of a check, as a file knows it: ${name} of the file, and ${text}, which must be the same to go on. */
struct journal_share {
	char name[16];
	char text[32];
};

/* How far that check has come.  Return 0; -ENOENT if nothing is known. */
int journal_arc(const struct journal *j, const struct journal_share *s, struct arc *out);

/* It has come so far; and the damaged packs as they are known by now.  Failures are told once. */
void journal_save(struct journal *j, const struct journal_share *s, const struct arc *a);

/* It is over, and need not be remembered; but for the damaged packs. */
void journal_forget(struct journal *j, const struct journal_share *s);

/* A pack that is remembered as damaged. */
struct journal_pack {
	struct id id;
	enum pack_kind kind;
};

/* They; borrowed until the next journal_mark(). */
const struct journal_pack *journal_damaged(const struct journal *j, size_t *n);

/* Remember a pack as damaged, or as sound again.  False if there is no room to remember it. */
bool journal_mark(struct journal *j, const struct journal_pack *p, bool damaged);

/* Write the damaged packs alone. */
void journal_save_damaged(struct journal *j);

#endif
