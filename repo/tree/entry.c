/*
 * Entries: types, names, and what stat(2) says of them.
 */
#include "repo/tree/entry.h"

#include <string.h>
#include <sys/sysmacros.h>

#define STAT_BLKSIZE 4096
#define STAT_BLOCK 512

mode_t entry_ifmt(uint8_t type)
{
	switch (type) {
	case ENTRY_FIFO:
		return S_IFIFO;
	case ENTRY_CHR:
		return S_IFCHR;
	case ENTRY_DIR:
		return S_IFDIR;
	case ENTRY_BLK:
		return S_IFBLK;
	case ENTRY_REG:
		return S_IFREG;
	case ENTRY_LNK:
		return S_IFLNK;
	case ENTRY_SOCK:
		return S_IFSOCK;
	}
	return 0;
}

uint8_t entry_type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFIFO:
		return ENTRY_FIFO;
	case S_IFCHR:
		return ENTRY_CHR;
	case S_IFDIR:
		return ENTRY_DIR;
	case S_IFBLK:
		return ENTRY_BLK;
	case S_IFREG:
		return ENTRY_REG;
	case S_IFLNK:
		return ENTRY_LNK;
	case S_IFSOCK:
		return ENTRY_SOCK;
	}
	return 0;
}

void entry_stat(const struct tree_entry *e, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_mode = entry_ifmt(e->type) | e->mode;
	st->st_nlink = e->nlink;
	st->st_uid = e->uid;
	st->st_gid = e->gid;
	st->st_rdev = makedev(e->rdev_major, e->rdev_minor);
	st->st_size = (off_t)e->size;
	st->st_blksize = STAT_BLKSIZE;
	st->st_blocks = (blkcnt_t)(e->data_bytes / STAT_BLOCK + (e->data_bytes % STAT_BLOCK != 0));
	st->st_mtim.tv_sec = e->mtime;
	st->st_mtim.tv_nsec = e->mtime_ns;
	st->st_ctim.tv_sec = e->ctime;
	st->st_ctim.tv_nsec = e->ctime_ns;
	st->st_atim = st->st_mtim;
}

bool entry_name_valid(const char *name, size_t len)
{
	if (len == 0 || len > ENTRY_NAME_MAX)
		return false;
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return false;
	return memchr(name, '/', len) == NULL && memchr(name, '\0', len) == NULL;
}

int entry_name_compare(const char *a, size_t alen, const char *b, size_t blen)
{
	int order = memcmp(a, b, alen < blen ? alen : blen);

	return order != 0 ? order : (alen > blen) - (alen < blen);
}
