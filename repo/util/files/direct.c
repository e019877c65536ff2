/*
 * Reading past the page cache: one descriptor, set to O_DIRECT and back as the pieces of the file are on disk or in
 * memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/util/files/direct.h"

#define READ_MIN (256u * 1024) /* bytes: below, the system's reading ahead is worth more than the copy costs */
#define PAGES_MAX 1024         /* that are looked for in memory */
#define CACHED_ONE_IN 8        /* from such a part on, what is there is used */

#ifdef STATX_DIOALIGN
static bool is_possible(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) < 0 || !(st.stx_mask & STATX_DIOALIGN))
		return false;
	return st.stx_dio_offset_align > 0 && DIRECT_ALIGN % st.stx_dio_offset_align == 0 &&
	    st.stx_dio_mem_align > 0 && DIRECT_ALIGN % st.stx_dio_mem_align == 0;
}
#else
static bool is_possible(int fd)
{
	(void)fd;
	return false;
}
#endif

void direct_init(struct direct *d, int fd)
{
	*d = (struct direct){ .fd = fd, .possible = is_possible(fd) };
}

/*
 * Is much of the range in the page cache?  The system tells only owners of a file and those who may write to it, and
 * says yes to all others.  If it cannot tell, reading as usual is right in any case.
 */
static bool is_cached(int fd, size_t len, uint64_t off)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), skip = (size_t)(off % page), pages, n, found = 0;
	unsigned char present[PAGES_MAX];
	void *p;

	pages = (skip + len + page - 1) / page;
	if (pages > PAGES_MAX)
		pages = PAGES_MAX;
	p = mmap(NULL, pages * page, PROT_READ, MAP_SHARED, fd, (off_t)(off - skip));
	if (p == MAP_FAILED)
		return true;
	if (mincore(p, pages * page, present) < 0)
		found = pages;
	else
		for (n = 0; n < pages; n++)
			found += present[n] & 1;
	munmap(p, pages * page);
	return found >= pages / CACHED_ONE_IN + 1;
}

/* Set the descriptor to direct I/O or back.  Return whether it is as wanted. */
static bool set(struct direct *d, bool on)
{
	int flags;

	if (d->on == on)
		return true;
	flags = fcntl(d->fd, F_GETFL);
	if (flags < 0 || fcntl(d->fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) < 0)
		return false;
	d->on = on;
	return true;
}

ssize_t direct_read(struct direct *d, void *to, size_t len, size_t room, uint64_t off)
{
	size_t whole = (len + DIRECT_ALIGN - 1) / DIRECT_ALIGN * DIRECT_ALIGN;
	bool pays = d->possible && len >= READ_MIN && whole <= room && off % DIRECT_ALIGN == 0 &&
	    (uintptr_t)to % DIRECT_ALIGN == 0 && !is_cached(d->fd, len, off);
	ssize_t n;

	if (pays && set(d, true)) {
		n = pread(d->fd, to, whole, (off_t)off);
		if (n >= 0)
			return n < (ssize_t)len ? n : (ssize_t)len;
		/* Whether it is the disk that fails, or this way of reading that is refused, reading as usual tells. */
		d->possible = errno == EINTR;
	}
	if (!set(d, false)) {
		errno = EIO;
		return -1;
	}
	return pread(d->fd, to, len, (off_t)off);
}
