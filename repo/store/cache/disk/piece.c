/*
 * Pieces.  See piece.h.
 */
#include "repo/store/cache/disk/piece.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/crypt/crypt.h"
#include "repo/util/bytes/le.h"

#define TOUCH_NS 100000000 /* a tenth of a second */
#define MAGIC "VARVEC01"
#define FIXED_LEN 280
#define SUM_LEN 24
#define TABLE_AT 1024
#define DATA_AT 4096
#define SIZE_MAX_BYTES (UINT64_C(1) << 46) /* with 4 bytes to number the pieces, and nothing is as long */

_Static_assert(TABLE_AT + PIECE_BLOCKS * SUM_LEN <= DATA_AT, "the table ends before the blocks begin");
_Static_assert(24 + STORE_NAME_MAX + 1 == FIXED_LEN, "a name fits");

/* A piece that is open. */
struct piece {
	int fd;
	uint8_t head[DATA_AT]; /* as read: fixed part and table */
};

uint64_t object_blocks(const struct cached_object *o)
{
	return (o->size + BLOCK_LEN - 1) / BLOCK_LEN;
}

size_t block_len(const struct cached_object *o, uint64_t n)
{
	uint64_t at = n * BLOCK_LEN;

	return o->size - at < BLOCK_LEN ? (size_t)(o->size - at) : BLOCK_LEN;
}

void piece_path(const char *name, uint32_t piece, char out[PIECE_PATH_SIZE])
{
	struct hasher h;
	uint8_t n[4];
	struct id id;

	le32enc(n, piece);
	hasher_init(&h);
	hasher_update(&h, n, sizeof(n));
	hasher_update(&h, name, strlen(name));
	hasher_final(&h, &id);
	snprintf(out, 3, "%x/", id.b[16] & 0xfu);
	hex_encode(id.b, 16, out + 2);
}

static unsigned directory_of(const char path[PIECE_PATH_SIZE])
{
	return path[0] >= 'a' ? (unsigned)(path[0] - 'a') + 10 : (unsigned)(path[0] - '0');
}

static void make_fixed(const struct cached_object *o, uint32_t piece, uint8_t out[FIXED_LEN + SUM_LEN])
{
	struct id sum;

	memset(out, 0, FIXED_LEN);
	memcpy(out, MAGIC, 8);
	le32enc(out + 8, piece);
	le64enc(out + 16, o->size);
	memcpy(out + 24, o->name, strlen(o->name));
	crypt_hash(out, FIXED_LEN, &sum);
	memcpy(out + FIXED_LEN, sum.b, SUM_LEN);
}

static void block_sum(const uint8_t *head, uint32_t block, const uint8_t *data, size_t len, uint8_t out[SUM_LEN])
{
	struct hasher h;
	uint8_t n[4];
	struct id sum;

	le32enc(n, block);
	hasher_init(&h);
	hasher_update(&h, head, FIXED_LEN);
	hasher_update(&h, n, sizeof(n));
	hasher_update(&h, data, len);
	hasher_final(&h, &sum);
	memcpy(out, sum.b, SUM_LEN);
}

static bool is_there(const struct piece *p, uint32_t block)
{
	static const uint8_t zero[SUM_LEN];

	return memcmp(p->head + TABLE_AT + block * SUM_LEN, zero, SUM_LEN) != 0;
}

/* Open and read the head of a piece, whatever is in it.  Return 0; -ENOENT if there is no sound one. */
static int open_piece(const struct cache_room *r, const char *path, int flags, struct piece *p)
{
	struct id sum;
	ssize_t n;

	p->fd = r->dir < 0 ? -1 : openat(r->dir, path, flags | O_CLOEXEC | O_NOFOLLOW);
	if (p->fd < 0)
		return -ENOENT;
	memset(p->head, 0, sizeof(p->head));
	n = pread(p->fd, p->head, sizeof(p->head), 0);
	crypt_hash(p->head, FIXED_LEN, &sum);
	if (n >= FIXED_LEN + SUM_LEN && memcmp(p->head + FIXED_LEN, sum.b, SUM_LEN) == 0)
		return 0;
	close(p->fd);
	p->fd = -1;
	return -ENOENT;
}

/* As above, and it must be the one of this object. */
static int open_piece_of(const struct cache_room *r, const struct cached_object *o, uint32_t number, int flags,
    struct piece *p)
{
	uint8_t fixed[FIXED_LEN + SUM_LEN];
	char path[PIECE_PATH_SIZE];
	int rc;

	piece_path(o->name, number, path);
	rc = open_piece(r, path, flags, p);
	if (rc < 0)
		return rc;
	make_fixed(o, number, fixed);
	if (memcmp(p->head, fixed, sizeof(fixed)) == 0)
		return 0;
	close(p->fd);
	return -ENOENT;
}

/*
 * Not for each read, as it costs a write of the inode; but often enough that a fast network cannot fill the whole cache
 * between two.
 */
static void touch(int fd)
{
	struct timespec now;
	struct stat st;

	clock_gettime(CLOCK_REALTIME, &now);
	if (fstat(fd, &st) == 0 && (now.tv_sec - st.st_mtim.tv_sec) * 10 +
	    (now.tv_nsec - st.st_mtim.tv_nsec) / TOUCH_NS != 0)
		futimens(fd, NULL);
}

static void clear_block(const struct piece *p, uint32_t block)
{
	static const uint8_t zero[SUM_LEN];

	/* Should this fail, the checksum stays wrong. */
	(void)!pwrite(p->fd, zero, SUM_LEN, TABLE_AT + block * SUM_LEN);
}

/* Blocks [${from}, ${to}) of a piece, the first of which is block ${first} of the object. */
static unsigned read_blocks(const struct piece *p, const struct cached_object *o, uint64_t first, uint32_t from,
    uint32_t to, uint8_t *out, bool *have, unsigned *dropped)
{
	uint8_t sum[SUM_LEN];
	unsigned count = 0;
	size_t len;

	for (uint32_t b = from; b < to; b++) {
		uint8_t *at = out + (size_t)(b - from) * BLOCK_LEN;

		if (have[b - from] || !is_there(p, b))
			continue;
		len = block_len(o, first + b - from);
		if (pread(p->fd, at, len, DATA_AT + (off_t)b * BLOCK_LEN) == (ssize_t)len) {
			block_sum(p->head, b, at, len, sum);
			have[b - from] = memcmp(sum, p->head + TABLE_AT + b * SUM_LEN, SUM_LEN) == 0;
		}
		if (have[b - from]) {
			count++;
		} else {
			clear_block(p, b);
			++*dropped;
		}
	}
	return count;
}

/* How many of ${n} blocks from ${first} on are in the piece of the first. */
static unsigned in_piece(uint64_t first, unsigned n)
{
	unsigned most = PIECE_BLOCKS - (unsigned)(first % PIECE_BLOCKS);

	return n < most ? n : most;
}

static bool wants_any(const bool *have, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!have[i])
			return true;
	return false;
}

unsigned piece_read(struct cache_room *r, const struct cached_object *o, uint64_t first, unsigned n, uint8_t *out,
    bool *have, unsigned *dropped)
{
	unsigned count = 0, step;
	struct piece p;

	for (unsigned i = 0; i < n; i += step) {
		uint32_t from = (uint32_t)((first + i) % PIECE_BLOCKS);

		step = in_piece(first + i, n - i);
		if (!wants_any(have + i, step) ||
		    open_piece_of(r, o, (uint32_t)((first + i) / PIECE_BLOCKS), O_RDWR, &p) < 0)
			continue;
		count += read_blocks(&p, o, first + i, from, from + step, out + (size_t)i * BLOCK_LEN, have + i,
		    dropped);
		touch(p.fd);
		close(p.fd);
	}
	return count;
}

void piece_has(struct cache_room *r, const struct cached_object *o, uint64_t first, unsigned n, bool *have)
{
	struct piece p;
	unsigned step;

	for (unsigned i = 0; i < n; i += step) {
		uint32_t from = (uint32_t)((first + i) % PIECE_BLOCKS);
		bool open;

		step = in_piece(first + i, n - i);
		open = open_piece_of(r, o, (uint32_t)((first + i) / PIECE_BLOCKS), O_RDONLY, &p) == 0;
		for (unsigned k = 0; k < step; k++)
			have[i + k] = open && is_there(&p, from + k);
		if (open)
			close(p.fd);
	}
}

/* --- Writing ------------------------------------------------------------------------------------------------------ */

static int write_at(int fd, const void *data, size_t len, off_t at)
{
	ssize_t n = pwrite(fd, data, len, at);

	return n < 0 ? -errno : (size_t)n == len ? 0 : -ENOSPC;
}

/* The piece of this number; a new one in place of any that is damaged or of another object. */
static int make_piece(struct cache_room *r, const struct cached_object *o, uint32_t number, struct piece *p)
{
	uint8_t fixed[FIXED_LEN + SUM_LEN];
	char path[PIECE_PATH_SIZE];
	int rc;

	make_fixed(o, number, fixed);
	piece_path(o->name, number, path);
	/* It is looked at once: between two looks somebody may have made it. */
	if (open_piece(r, path, O_RDWR, p) == 0) {
		if (memcmp(p->head, fixed, sizeof(fixed)) == 0)
			return 0;
		close(p->fd);
		unlinkat(r->dir, path, 0);
	}
	rc = room_take(r, directory_of(path), DATA_AT);
	if (rc < 0)
		return rc;
	p->fd = openat(r->dir, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p->fd < 0)
		return -errno;
	memset(p->head, 0, sizeof(p->head));
	memcpy(p->head, fixed, sizeof(fixed));
	rc = write_at(p->fd, fixed, sizeof(fixed), 0);
	if (rc < 0)
		close(p->fd);
	return rc;
}

/* ${n} blocks from block ${first} of the object on, all of one piece. */
static int write_blocks(struct cache_room *r, const struct cached_object *o, uint64_t first, unsigned n,
    const uint8_t *data)
{
	uint8_t sums[PIECE_BLOCKS * SUM_LEN];
	uint32_t from = (uint32_t)(first % PIECE_BLOCKS);
	char path[PIECE_PATH_SIZE];
	struct piece p;
	size_t len = (size_t)(n - 1) * BLOCK_LEN + block_len(o, first + n - 1);
	int rc;

	piece_path(o->name, (uint32_t)(first / PIECE_BLOCKS), path);
	rc = room_take(r, directory_of(path), (uint64_t)n * BLOCK_LEN);
	if (rc == 0)
		rc = make_piece(r, o, (uint32_t)(first / PIECE_BLOCKS), &p);
	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < n; i++)
		block_sum(p.head, from + i, data + (size_t)i * BLOCK_LEN, block_len(o, first + i), sums + i * SUM_LEN);
	rc = write_at(p.fd, data, len, DATA_AT + (off_t)from * BLOCK_LEN);
	if (rc == 0)
		rc = write_at(p.fd, sums, (size_t)n * SUM_LEN, TABLE_AT + from * SUM_LEN);
	close(p.fd);
	return rc;
}

int piece_write(struct cache_room *r, const struct cached_object *o, uint64_t first, unsigned n, const uint8_t *data)
{
	unsigned step;
	int rc = 0;

	if (o->size > SIZE_MAX_BYTES)
		return -EFBIG;
	for (unsigned i = 0; i < n && rc == 0; i += step) {
		step = in_piece(first + i, n - i);
		rc = write_blocks(r, o, first + i, step, data + (size_t)i * BLOCK_LEN);
	}
	return rc;
}

/* --- Taking out --------------------------------------------------------------------------------------------------- */

/* Is this the head of a piece of the object ${name}, whatever size it says? */
static bool is_of(const struct piece *p, const char *name, uint32_t number)
{
	return memcmp(p->head, MAGIC, 8) == 0 && le32dec(p->head + 8) == number &&
	    strncmp((const char *)p->head + 24, name, STORE_NAME_MAX + 1) == 0;
}

static int open_named(const struct cache_room *r, const char *name, uint64_t off, int flags, struct piece *p)
{
	char path[PIECE_PATH_SIZE];
	int rc;

	if (off / PIECE_LEN > UINT32_MAX)
		return -ENOENT;
	piece_path(name, (uint32_t)(off / PIECE_LEN), path);
	rc = open_piece(r, path, flags, p);
	if (rc == 0 && !is_of(p, name, (uint32_t)(off / PIECE_LEN))) {
		close(p->fd);
		rc = -ENOENT;
	}
	return rc;
}

unsigned piece_forget(struct cache_room *r, const char *name, uint64_t off, uint64_t len)
{
	uint64_t first = off / BLOCK_LEN, end = (off + len + BLOCK_LEN - 1) / BLOCK_LEN, next;
	struct piece p;
	unsigned count = 0;

	for (; first < end; first = next) {
		next = (first / PIECE_BLOCKS + 1) * PIECE_BLOCKS;
		next = next < end ? next : end;
		if (open_named(r, name, first * BLOCK_LEN, O_RDWR, &p) < 0)
			continue;
		for (uint64_t b = first; b < next; b++) {
			if (!is_there(&p, (uint32_t)(b % PIECE_BLOCKS)))
				continue;
			clear_block(&p, (uint32_t)(b % PIECE_BLOCKS));
			count++;
		}
		close(p.fd);
	}
	return count;
}

void piece_remove(struct cache_room *r, const char *name, uint64_t size)
{
	char path[PIECE_PATH_SIZE];

	for (uint64_t off = 0; off < size && r->dir >= 0; off += PIECE_LEN) {
		piece_path(name, (uint32_t)(off / PIECE_LEN), path);
		unlinkat(r->dir, path, 0);
	}
}

int piece_size(struct cache_room *r, const char *name, uint64_t off, uint64_t *size)
{
	struct piece p;
	int rc = open_named(r, name, off, O_RDONLY, &p);

	if (rc < 0)
		return rc;
	close(p.fd);
	*size = le64dec(p.head + 16);
	return 0;
}
