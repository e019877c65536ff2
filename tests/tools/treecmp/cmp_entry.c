/*
 * What one name is in both trees: the fields of stat, symlink targets, and whatever the type has besides.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/tools/treecmp/cmp.h"

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFCHR:
		return "character device";
	case S_IFBLK:
		return "block device";
	default:
		return "unknown";
	}
}

static bool stat_both(struct cmp *c, struct pair *p)
{
	bool ok = true;

	for (int i = 0; i < 2; i++) {
		if (fstatat(p->dir[i], p->name, &p->st[i], AT_SYMLINK_NOFOLLOW) < 0) {
			cmp_error(c, i, "cannot stat", errno);
			p->st[i].st_mode = 0;
			ok = false;
		}
	}
	return ok;
}

static void compare_number(struct cmp *c, enum field f, uint64_t a, uint64_t b)
{
	if (a != b)
		cmp_diff_number(c, f, NULL, "", a, b);
}

static void compare_mode(struct cmp *c, mode_t a, mode_t b)
{
	char x[16], y[16];

	if (a == b)
		return;
	snprintf(x, sizeof(x), "%04o", a);
	snprintf(y, sizeof(y), "%04o", b);
	cmp_diff(c, FIELD_MODE, NULL, x, y);
}

static void compare_mtime(struct cmp *c, const struct stat *a, const struct stat *b)
{
	char x[64], y[64];

	if (a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec)
		return;
	snprintf(x, sizeof(x), "%jd s + %ld ns", (intmax_t)a->st_mtim.tv_sec, a->st_mtim.tv_nsec);
	snprintf(y, sizeof(y), "%jd s + %ld ns", (intmax_t)b->st_mtim.tv_sec, b->st_mtim.tv_nsec);
	cmp_diff(c, FIELD_MTIME, NULL, x, y);
}

static void compare_rdev(struct cmp *c, dev_t a, dev_t b)
{
	char x[64], y[64];

	if (a == b)
		return;
	snprintf(x, sizeof(x), "%u:%u", major(a), minor(a));
	snprintf(y, sizeof(y), "%u:%u", major(b), minor(b));
	cmp_diff(c, FIELD_RDEV, NULL, x, y);
}

static void compare_target(struct cmp *c, const struct pair *p)
{
	struct str text[2] = { 0 };
	ssize_t n[2];

	for (int i = 0; i < 2; i++) {
		n[i] = readlinkat(p->dir[i], p->name, c->buf[i], CMP_BUF);
		if (n[i] < 0) {
			cmp_error(c, i, "cannot read link", errno);
			return;
		}
	}
	if (n[0] == n[1] && memcmp(c->buf[0], c->buf[1], (size_t)n[0]) == 0)
		return;
	for (int i = 0; i < 2; i++)
		str_add_quoted(&text[i], c->buf[i], (size_t)n[i]);
	cmp_diff(c, FIELD_TARGET, NULL, text[0].s, text[1].s);
	str_free(&text[0]);
	str_free(&text[1]);
}

static void compare_blocks(struct cmp *c, blkcnt_t a, blkcnt_t b)
{
	uint64_t apart = (uint64_t)(a > b ? a - b : b - a);

	if (apart > c->opt.blocks_slack)
		cmp_diff_number(c, FIELD_BLOCKS, NULL, "", (uint64_t)a, (uint64_t)b);
}

static void compare_stat(struct cmp *c, const struct stat *a, const struct stat *b)
{
	mode_t type = a->st_mode & S_IFMT;

	compare_mode(c, a->st_mode & 07777, b->st_mode & 07777);
	compare_number(c, FIELD_UID, a->st_uid, b->st_uid);
	compare_number(c, FIELD_GID, a->st_gid, b->st_gid);
	compare_mtime(c, a, b);
	if (type != S_IFDIR)
		compare_number(c, FIELD_NLINK, a->st_nlink, b->st_nlink);
	if (type == S_IFREG || type == S_IFLNK)
		compare_number(c, FIELD_SIZE, (uint64_t)a->st_size, (uint64_t)b->st_size);
	if (type == S_IFCHR || type == S_IFBLK)
		compare_rdev(c, a->st_rdev, b->st_rdev);
	if (type == S_IFREG)
		compare_blocks(c, a->st_blocks, b->st_blocks);
}

bool cmp_entry(struct cmp *c, struct pair *p)
{
	mode_t type;
	bool seen;

	if (!stat_both(c, p))
		return false;
	c->entries++;
	type = p->st[0].st_mode & S_IFMT;
	if (type != (p->st[1].st_mode & S_IFMT)) {
		cmp_diff(c, FIELD_TYPE, NULL, type_name(p->st[0].st_mode), type_name(p->st[1].st_mode));
		return false;
	}
	compare_stat(c, &p->st[0], &p->st[1]);
	seen = cmp_links(c, p);
	if (!seen && !c->opt.ignore[FIELD_XATTR])
		cmp_xattrs(c, p);
	if (type == S_IFLNK)
		compare_target(c, p);
	if (type == S_IFREG && !seen)
		cmp_contents(c, p);
	return type == S_IFDIR;
}
