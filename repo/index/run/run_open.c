/*
 * Opening index runs: from their end, which has all that is needed to read the rest.
 *
 * What was read of the end stays in memory, sealed, until run_trim(): a small run is read from it as a whole, and of a
 * large one it can be kept somewhere, from the footer on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/run/run_impl.h"
#include "repo/util/bytes/le.h"

#define RUN_MIN (RUN_FIXED_LEN + RUN_FOOTER_HEAD_LEN + CRYPT_TAG_LEN + RUN_TRAILER_LEN)
#define END_SLACK (16u * 1024) /* read beyond what the footer should take: for the runs that it replaces */

/*
 * Bytes to read at first.  Each entry of the footer stands for a block of RUN_BLOCK_LEN or more, or for one of packs,
 * which is not much smaller.
 */
static size_t end_guess(uint64_t size)
{
	uint64_t guess = (size / (RUN_BLOCK_LEN - 4096) + 2) * RUN_OBJECT_BLOCK_ENTRY_LEN + END_SLACK;

	if (size <= RUN_SMALL)
		return (size_t)size;
	return guess < RUN_FOOTER_MAX ? (size_t)guess : RUN_FOOTER_MAX;
}

/* Another digit at the end of a magic is another format; anything else is no run. */
static int check_magic(const uint8_t *found, const char *magic, size_t len)
{
	uint8_t digit = found[len - 1];

	if (memcmp(found, magic, len - 1) != 0)
		return -EBADMSG;
	if (digit > '1' && digit <= '9')
		return -EPROTONOSUPPORT;
	return digit == '1' ? 0 : -EBADMSG;
}

/* The beginning, where the tail happens to hold it. */
static int check_fixed(const struct run *r)
{
	static const uint8_t zero[RUN_FIXED_LEN - RUN_MAGIC_LEN];

	if (r->tail.len < r->size)
		return 0;
	if (memcmp(r->tail.data + RUN_MAGIC_LEN, zero, sizeof(zero)) != 0)
		return -EBADMSG;
	return check_magic(r->tail.data, RUN_MAGIC, RUN_MAGIC_LEN);
}

/* Fetch the last ${len} bytes to the tail. */
static int fetch_tail(struct run *r, size_t len)
{
	int rc;

	buf_clear(&r->tail);
	rc = buf_reserve(&r->tail, len);
	if (rc == 0)
		rc = store_get_in(r->how.store, r->name, r->size, r->size - len, len, r->tail.data);
	if (rc == 0)
		r->tail.len = len;
	return rc;
}

static int open_footer(struct run *r, uint64_t at, size_t len)
{
	const uint8_t *box = r->tail.data + (r->tail.len - RUN_TRAILER_LEN - len);
	uint8_t ad[RUN_BOX_AD_LEN];
	struct buf plain = BUF_INIT;
	int rc = buf_reserve(&plain, len);

	if (rc < 0)
		return rc;
	run_box_ad(RUN_FOOTER, at, ad);
	rc = crypt_open(r->how.metadata->cipher, &r->key, at, ad, sizeof(ad), box, len, plain.data);
	if (rc == 0)
		rc = run_parse_footer(plain.data, len - CRYPT_TAG_LEN, at, &r->footer);
	buf_free(&plain);
	return rc;
}

/* The tail holds at least the trailer.  What is missing of the footer is fetched. */
static int read_footer(struct run *r)
{
	const uint8_t *end = r->tail.data + r->tail.len - RUN_TRAILER_LEN;
	const uint8_t *where = end + CRYPT_WRAPPED_LEN;
	uint64_t at = le64dec(where);
	uint32_t len = le32dec(where + 8);
	int rc = check_magic(where + 12, RUN_END_MAGIC, 4);

	if (rc == 0)
		rc = check_fixed(r);
	if (rc == 0 && (at < RUN_FIXED_LEN || at > r->size || len > RUN_FOOTER_MAX + CRYPT_TAG_LEN ||
	    len < CRYPT_TAG_LEN || at + len + RUN_TRAILER_LEN != r->size))
		rc = -EBADMSG;
	if (rc == 0)
		rc = seal_open_key(r->how.metadata, end, &r->key);
	if (rc == 0 && (size_t)len + RUN_TRAILER_LEN > r->tail.len)
		rc = fetch_tail(r, (size_t)len + RUN_TRAILER_LEN);
	return rc < 0 ? rc : open_footer(r, at, len);
}

static int read_end(struct run *r, uint64_t size)
{
	int rc = 0;

	r->size = size;
	if (size == 0)
		rc = store_stat(r->how.store, r->name, &r->size);
	if (rc == 0 && r->size < RUN_MIN)
		rc = -EBADMSG;
	if (rc == 0)
		rc = fetch_tail(r, end_guess(r->size));
	if (rc == 0)
		rc = read_footer(r);
	/* Where another copy may be good, ask once more. */
	if (rc == -EBADMSG && r->tail.len > 0 &&
	    store_distrust(r->how.store, r->name, r->size - r->tail.len, r->tail.len) == 0) {
		rc = fetch_tail(r, end_guess(r->size));
		if (rc == 0)
			rc = read_footer(r);
	}
	return rc;
}

static int read_kept(struct run *r, const void *end, size_t len)
{
	int rc;

	if (len < 8 + RUN_TRAILER_LEN)
		return -EBADMSG;
	r->size = le64dec(end);
	if (r->size < RUN_MIN || len - 8 > r->size)
		return -EBADMSG;
	rc = buf_append(&r->tail, (const uint8_t *)end + 8, len - 8);
	return rc < 0 ? rc : read_footer(r);
}

static int new_run(const struct run_reading *how, const struct id *id, struct run **out)
{
	struct run *r;

	if (!how->metadata->can_open)
		return -EACCES;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->how = *how;
	r->id = *id;
	r->objects.n = r->packs.n = RUN_NO_BLOCK;
	pthread_mutex_init(&r->lock, NULL);
	run_name(id, r->name);
	*out = r;
	return 0;
}

/* Reading the end gave ${rc}. */
static int end_open(struct run *r, int rc, struct run **out)
{
	if (rc == -EBADMSG || rc == -EPROTONOSUPPORT)
		log_error(r->how.log, "%s: footer: %s", r->name, ERR(rc));
	if (rc == 0)
		*out = r;
	else
		run_close(r);
	return rc;
}

int run_open(const struct run_reading *how, const struct id *id, uint64_t size, struct run **out)
{
	struct run *r;
	int rc = new_run(how, id, &r);

	return rc < 0 ? rc : end_open(r, read_end(r, size), out);
}

int run_open_kept(const struct run_reading *how, const struct id *id, const void *end, size_t len, struct run **out)
{
	struct run *r;
	int rc = new_run(how, id, &r);

	return rc < 0 ? rc : end_open(r, read_kept(r, end, len), out);
}

int run_end(const struct run *r, struct buf *out)
{
	const uint8_t *where = r->tail.data + r->tail.len - RUN_TRAILER_LEN + CRYPT_WRAPPED_LEN;
	size_t len = (size_t)le32dec(where + 8) + RUN_TRAILER_LEN;
	int rc = buf_reserve(out, 8 + len);

	if (rc < 0)
		return rc;
	buf_le64(out, r->size);
	return buf_append(out, r->tail.data + (r->tail.len - len), len);
}

void run_trim(struct run *r)
{
	pthread_mutex_lock(&r->lock);
	buf_free(&r->tail);
	buf_free(&r->objects.plain);
	buf_free(&r->packs.plain);
	r->objects.n = r->packs.n = RUN_NO_BLOCK;
	pthread_mutex_unlock(&r->lock);
}

void run_close(struct run *r)
{
	if (!r)
		return;
	crypt_wipe(&r->key, sizeof(r->key));
	run_footer_free(r->footer);
	buf_free(&r->tail);
	buf_free(&r->objects.plain);
	buf_free(&r->packs.plain);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

const struct id *run_id(const struct run *r)
{
	return &r->id;
}

uint64_t run_size(const struct run *r)
{
	return r->size;
}

size_t run_memory(const struct run *r)
{
	const struct run_footer *f = r->footer;

	return sizeof(*r) + ((size_t)f->nobject_blocks + f->npack_blocks) * sizeof(struct run_block) +
	    f->nreplaced * sizeof(struct id) + r->tail.cap + r->objects.plain.cap + r->packs.plain.cap;
}
