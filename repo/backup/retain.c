/*
 * Retention of what a snapshot relies on.  See retain.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "repo/backup/retain.h"
#include "repo/crypt/keys/generation.h"
#include "repo/util/bytes/le.h"

#define KEY_SIZE (STORE_NAME_MAX + 16)
#define DAY 86400
#define MORE_MAX (10 * DAY) /* that something is retained longer than for one period */

struct retention {
	struct repo *repo;
	int64_t least, until; /* seconds since 1970: it must be retained until then, and is if anything is done */
	int rc;             /* of what failed first */
};

/* Is the object known to be retained for long enough? */
static bool is_retained(const struct retention *t, const char *key)
{
	struct buf kept = BUF_INIT;
	bool retained = false;

	if (index_kept(t->repo->index, key, &kept) == 0 && kept.len == 8)
		retained = (int64_t)le64dec(kept.data) >= t->least;
	buf_free(&kept);
	return retained;
}

/* Would the next object fail in the same way, each after the whole of the deadline? */
static bool is_hopeless(int rc)
{
	return rc == -ECANCELED || rc == -ETIMEDOUT || rc == -EIO;
}

/* Return 0, also if it failed and the others are worth a try; or why not. */
static int retain(void *arg, const char *name, uint64_t size)
{
	struct retention *t = arg;
	char key[KEY_SIZE];
	uint8_t until[8];
	int rc;

	(void)size;
	snprintf(key, sizeof(key), "retained/%s", name);
	if (is_retained(t, key))
		return 0;
	rc = store_retain(t->repo->store, name, t->until);
	if (rc == 0) {
		le64enc(until, (uint64_t)t->until);
		index_keep(t->repo->index, key, until, sizeof(until));
	} else if (t->rc == 0 && rc != -ENOENT) {
		t->rc = rc;
	}
	return is_hopeless(rc) ? rc : 0;
}

static int retain_packs(struct retention *t, const struct numset *packs)
{
	char name[PACK_NAME_SIZE];
	struct pack_info info;
	uint32_t n = 0;
	int rc = 0;

	for (; rc == 0 && numset_next(packs, &n); n++) {
		if (index_pack(t->repo->index, n, &info) == 0)
			rc = retain(t, pack_name(info.kind, &info.id, name), 0);
	}
	return rc;
}

int retain_relied(struct session *s)
{
	int64_t period = (int64_t)store_retain_days(s->repo->store) * DAY;
	struct retention t = { .repo = s->repo, .least = time(NULL) + period };
	int rc;

	if (period == 0)
		return 0;
	t.until = t.least + (period / 2 < MORE_MAX ? period / 2 : MORE_MAX);
	rc = retain_packs(&t, object_writer_relied(s->writer));
	if (rc == 0)
		rc = store_list_names(s->repo->store, "index/", retain, &t);
	if (rc == 0)
		rc = store_list_names(s->repo->store, "keys/", retain, &t);
	if (rc == 0)
		rc = store_list_names(s->repo->store, REVOKED_PREFIX, retain, &t);
	if (rc == 0)
		rc = store_list_names(s->repo->store, GENERATIONS_PREFIX, retain, &t);
	if (rc == 0)
		rc = retain(&t, "config", 0);
	return rc != 0 ? rc : t.rc;
}
