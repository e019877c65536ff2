/*
 * Check of an LMDB data file as a whole.  See lmdb_check.h; lmdb_file.h has its form, lmdb_walk.c goes through its
 * trees.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "repo/index/lmdb/lmdb.h"
#include "repo/index/lmdb/lmdb_check.h"
#include "repo/index/lmdb/lmdb_file.h"
#include "repo/index/lmdb/lmdb_sum.h"

#define META_MAGIC 0xbeefc0deu
#define DATA_VERSION 1

struct table {
	const char *name;
	struct lmdb_tree tree;
	bool found;
	uint64_t expected, sum; /* as recorded, as computed */
	bool recorded;
};

struct check {
	struct lmdb_file f;
	unsigned ntables; /* with the sums, which are the last */
	struct table table[LMDB_TABLES_MAX + 1];
};

static struct table *find_table(struct check *ck, const struct lmdb_record *r)
{
	for (unsigned i = 0; i < ck->ntables; i++)
		if (strlen(ck->table[i].name) == r->ksize && memcmp(ck->table[i].name, r->key, r->ksize) == 0)
			return &ck->table[i];
	return NULL;
}

static int take_table(void *arg, const struct lmdb_record *r)
{
	struct table *t = find_table(arg, r);

	if (!t || r->flags != NODE_TABLE || r->vsize != sizeof(t->tree))
		return -EBADMSG;
	memcpy(&t->tree, r->value, sizeof(t->tree));
	t->found = true;
	return 0;
}

static int take_sum(void *arg, const struct lmdb_record *r)
{
	struct table *t = find_table(arg, r);

	if (!t || (r->flags & NODE_TABLE) || r->vsize != sizeof(uint64_t))
		return -EBADMSG;
	t->expected = le64dec(r->value);
	t->recorded = true;
	return 0;
}

static int add_sum(void *arg, const struct lmdb_record *r)
{
	struct table *t = arg;

	if (r->flags & NODE_TABLE)
		return -EBADMSG;
	t->sum += lmdb_record_sum(r->key, r->ksize, r->value, r->vsize);
	return 0;
}

/* A list of free pages, highest first; room behind it is allowed. */
static int take_free(void *arg, const struct lmdb_record *r)
{
	struct lmdb_file *f = arg;
	size_t n, number, before = LMDB_FILE_NO_PAGE, txn;
	int rc;

	memcpy(&txn, r->key, sizeof(txn));
	if ((r->flags & NODE_TABLE) || txn == 0 || txn > f->meta.txn || r->vsize < sizeof(n))
		return -EBADMSG;
	memcpy(&n, r->value, sizeof(n));
	if (n > r->vsize / sizeof(n) - 1)
		return -EBADMSG;
	for (size_t i = 1; i <= n; i++, before = number) {
		memcpy(&number, r->value + i * sizeof(number), sizeof(number));
		if (number >= before)
			return -EBADMSG;
		rc = lmdb_file_use(f, number, 1);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_meta(const struct lmdb_file *f, unsigned i, struct lmdb_meta *out)
{
	uint8_t b[PAGE_HEAD + sizeof(*out)];
	struct lmdb_page_head head;
	int rc;

	rc = lmdb_file_read(f, b, sizeof(b), (uint64_t)i * f->page_size);
	if (rc < 0)
		return rc;
	memcpy(&head, b, PAGE_HEAD);
	memcpy(out, b + PAGE_HEAD, sizeof(*out));
	if (head.number != i || head.flags != PAGE_META || out->magic != META_MAGIC || out->version != DATA_VERSION ||
	    (out->txn != 0 && out->txn % 2 != i))
		return -EBADMSG;
	return 0;
}

/* The page size is the same in both meta pages (in the pad of the tree of free pages), and a power of two. */
static int read_metas(struct lmdb_file *f)
{
	struct lmdb_meta m[2];
	int rc;

	rc = read_meta(f, 0, &m[0]);
	if (rc < 0)
		return rc;
	f->page_size = m[0].free.pad;
	if (f->page_size < 512 || f->page_size > 32768 || (f->page_size & (f->page_size - 1)) != 0)
		return -EBADMSG;
	rc = read_meta(f, 1, &m[1]);
	if (rc < 0)
		return rc;
	if (m[1].free.pad != f->page_size)
		return -EBADMSG;
	f->meta = m[m[0].txn < m[1].txn];
	if (f->meta.last_page < 1 || f->meta.last_page >= LMDB_MAP_SIZE / f->page_size)
		return -EBADMSG;
	return 0;
}

static int check_tables(struct check *ck)
{
	struct table *t, *sums = &ck->table[ck->ntables - 1];
	unsigned nfound = 0;
	int rc;

	rc = lmdb_file_walk(&ck->f, &ck->f.meta.main, false, take_table, ck);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < ck->ntables; i++)
		nfound += ck->table[i].found;
	if (nfound == 0)
		return 0;
	if (nfound != ck->ntables)
		return -EBADMSG;
	rc = lmdb_file_walk(&ck->f, &sums->tree, false, take_sum, ck);
	for (t = ck->table; rc == 0 && t < sums; t++) {
		rc = lmdb_file_walk(&ck->f, &t->tree, false, add_sum, t);
		if (rc == 0 && (t->sum != t->expected || (t->tree.entries > 0 && !t->recorded)))
			rc = -EBADMSG;
	}
	return rc;
}

/* Every page is in use, free, or one of the two meta pages: otherwise a list of free pages is not what it was. */
static int check_all(struct check *ck)
{
	int rc;

	rc = check_tables(ck);
	if (rc == 0)
		rc = lmdb_file_walk(&ck->f, &ck->f.meta.free, true, take_free, &ck->f);
	if (rc == 0 && ck->f.nused + 2 != ck->f.meta.last_page + 1)
		rc = -EBADMSG;
	return rc;
}

int lmdb_check(int fd, const char *const *tables, unsigned ntables)
{
	struct check *ck;
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return -EIO;
	if (st.st_size == 0)
		return 0;
	ck = calloc(1, sizeof(*ck));
	if (!ck)
		return -ENOMEM;
	ck->f.fd = fd;
	for (unsigned i = 0; i < ntables; i++)
		ck->table[ck->ntables++].name = tables[i];
	ck->table[ck->ntables++].name = LMDB_SUM_TABLE;
	rc = read_metas(&ck->f);
	if (rc == 0) {
		ck->f.used = calloc(ck->f.meta.last_page / 8 + 1, 1);
		rc = ck->f.used ? check_all(ck) : -ENOMEM;
	}
	free(ck->f.used);
	free(ck);
	return rc;
}
