/*
 * Hard link groups: the paths of both trees must fall into the same groups.  For each inode of A the inode of B that it
 * was first met with is remembered, and the other way round; a second path must meet the same partner.
 *
 * Only files with more than one link in either tree are remembered (all, if asked), so memory follows their number.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/treecmp/cmp.h"

struct inode {
	dev_t dev;
	ino_t ino;
};

struct slot {
	struct inode self, peer;
	bool single; /* the file said to have one link only */
	char *path;  /* where it was first met; NULL is an empty slot */
};

struct table {
	struct slot *slot;
	size_t used, size; /* size: a power of two */
};

struct links {
	struct table side[2];
};

struct links *links_new(void)
{
	struct links *l = xmalloc(sizeof(*l));

	*l = (struct links){ 0 };
	return l;
}

void links_free(struct links *l)
{
	for (int i = 0; l && i < 2; i++) {
		for (size_t k = 0; k < l->side[i].size; k++)
			free(l->side[i].slot[k].path);
		free(l->side[i].slot);
	}
	free(l);
}

static bool same(const struct inode *a, const struct inode *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* The slot of ${key}, or the empty one where it belongs. */
static struct slot *find(const struct table *t, const struct inode *key)
{
	uint64_t h = ((uint64_t)key->ino ^ ((uint64_t)key->dev << 40)) * 0x9e3779b97f4a7c15u;
	size_t i = (size_t)(h >> 20) & (t->size - 1);

	while (t->slot[i].path && !same(&t->slot[i].self, key))
		i = (i + 1) & (t->size - 1);
	return &t->slot[i];
}

static void grow(struct table *t)
{
	struct table bigger = { .used = t->used, .size = t->size ? t->size * 2 : 1024 };

	bigger.slot = xmalloc(bigger.size * sizeof(*bigger.slot));
	memset(bigger.slot, 0, bigger.size * sizeof(*bigger.slot));
	for (size_t i = 0; i < t->size; i++)
		if (t->slot[i].path)
			*find(&bigger, &t->slot[i].self) = t->slot[i];
	free(t->slot);
	*t = bigger;
}

static struct slot *lookup(struct table *t, const struct inode *key)
{
	if (t->used * 2 >= t->size)
		grow(t);
	return find(t, key);
}

static void insert(struct table *t, struct slot *s, struct slot what, const char *path)
{
	*s = what;
	s->path = xstrdup(path);
	t->used++;
}

/* Text for one side of a difference: the first path of the group, or that the path stands alone. */
static void describe(const struct slot *s, struct str *out)
{
	if (!s->path) {
		str_add(out, "a file not met before", 21);
	} else {
		str_add(out, "one file with ", 14);
		str_add_quoted(out, s->path, strlen(s->path));
	}
}

static void tell(struct cmp *c, const struct slot *a, const struct slot *b)
{
	struct str x = { 0 }, y = { 0 };

	describe(a, &x);
	describe(b, &y);
	cmp_diff(c, FIELD_LINKS, NULL, x.s, y.s);
	str_free(&x);
	str_free(&y);
}

/* An inode number that two files with one link each (or two directories) claim. */
static void check_single(struct cmp *c, const struct slot *s, const struct stat *st, int side)
{
	if (s->path && s->single && (st->st_nlink == 1 || S_ISDIR(st->st_mode)))
		cmp_diff(c, FIELD_INODE, s->path, side ? "-" : "same number", side ? "same number" : "-");
}

bool cmp_links(struct cmp *c, const struct pair *p)
{
	const char *path = c->path.len ? c->path.s : ".";
	bool dir = S_ISDIR(p->st[0].st_mode), met[2];
	struct inode key[2];
	struct slot *s[2];

	if (!c->opt.all_inodes && (dir || (p->st[0].st_nlink <= 1 && p->st[1].st_nlink <= 1)))
		return false;
	for (int i = 0; i < 2; i++) {
		key[i] = (struct inode){ p->st[i].st_dev, p->st[i].st_ino };
		s[i] = lookup(&c->links->side[i], &key[i]);
		met[i] = s[i]->path != NULL;
		check_single(c, s[i], &p->st[i], i);
	}
	if (met[0] && met[1] && same(&s[0]->peer, &key[1]))
		return !dir;
	if (met[0] || met[1])
		tell(c, s[0], s[1]);
	for (int i = 0; i < 2; i++) {
		struct slot new = { key[i], key[1 - i], dir || p->st[i].st_nlink == 1, NULL };

		if (!met[i])
			insert(&c->links->side[i], s[i], new, path);
	}
	return false;
}
