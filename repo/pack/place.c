/*
 * Place records.  See place.h for their form.
 *
 * Invariant of a decoded place: its lengths agree with each other and with the segment size, every box can hold its
 * plaintext, and the last box ends within the 4 GiB of a pack; so no later step has to check sums or products again.
 */
#include <errno.h>
#include <string.h>
#include <stdbool.h>

#include "repo/crypt/crypt.h"
#include "repo/pack/place.h"
#include "repo/util/bytes/le.h"

#define HEAD_LEN 8
#define BOX_MIN (1 + CRYPT_TAG_LEN) /* codec byte and tag; compression adds no more than this to a segment */

int place_encode(const struct place *p, struct buf *out)
{
	uint8_t rec[PLACE_RECORD_MAX];
	size_t len = HEAD_LEN;

	le32enc(rec, p->offset);
	le24enc(rec + 4, p->len);
	rec[7] = p->nown;
	if (p->nown == 0) {
		le24enc(rec + len, p->box[0]);
		le24enc(rec + len + 3, p->shared_len);
		le24enc(rec + len + 6, p->shared_skip);
		len += 9;
	}
	for (unsigned i = 0; i < p->nown; i++, len += 3)
		le24enc(rec + len, p->box[i]);
	return buf_append(out, rec, len);
}

/* Can a box of this length hold ${plain} bytes of plaintext? */
static bool box_fits(uint32_t box, uint32_t plain)
{
	return box > BOX_MIN && box <= plain + BOX_MIN;
}

static int decode_shared(struct rd *r, uint32_t segment_size, struct place *p)
{
	int rc;

	if ((rc = rd_le24(r, &p->box[0])) < 0 || (rc = rd_le24(r, &p->shared_len)) < 0 ||
	    (rc = rd_le24(r, &p->shared_skip)) < 0)
		return rc;
	if (p->shared_len > segment_size || p->shared_skip > p->shared_len || p->len > p->shared_len - p->shared_skip)
		return -EBADMSG;
	return box_fits(p->box[0], p->shared_len) ? 0 : -EBADMSG;
}

static int decode_own(struct rd *r, uint32_t segment_size, struct place *p)
{
	uint32_t plain, rest = p->len;
	int rc;

	if (p->nown > PLACE_SEGMENTS_MAX || segment_size == 0 || (p->len - 1) / segment_size + 1 != p->nown)
		return -EBADMSG;
	p->shared_len = p->shared_skip = 0;
	for (unsigned i = 0; i < p->nown; i++, rest -= plain) {
		plain = rest < segment_size ? rest : segment_size;
		rc = rd_le24(r, &p->box[i]);
		if (rc < 0)
			return rc;
		if (!box_fits(p->box[i], plain))
			return -EBADMSG;
	}
	return 0;
}

int place_decode(struct rd *r, uint32_t segment_size, struct place *out)
{
	uint64_t end;
	int rc;

	if ((rc = rd_le32(r, &out->offset)) < 0 || (rc = rd_le24(r, &out->len)) < 0 || (rc = rd_u8(r, &out->nown)) < 0)
		return rc;
	if (out->len == 0 || out->len > OBJECT_LEN_MAX)
		return -EBADMSG;
	rc = out->nown == 0 ? decode_shared(r, segment_size, out) : decode_own(r, segment_size, out);
	if (rc < 0)
		return rc;
	end = out->offset;
	for (unsigned i = 0; i < place_nsegments(out); i++)
		end += out->box[i];
	return end <= UINT32_MAX ? 0 : -EBADMSG;
}

void place_segment(const struct place *p, unsigned n, uint32_t segment_size, struct segment_place *seg,
    uint32_t *object_off, uint32_t *skip, uint32_t *take)
{
	seg->pack = p->pack;
	seg->offset = p->offset;
	for (unsigned i = 0; i < n; i++)
		seg->offset += p->box[i];
	seg->box = p->box[n];
	if (p->nown == 0) {
		seg->len = p->shared_len;
		*object_off = 0;
		*skip = p->shared_skip;
		*take = p->len;
		return;
	}
	*object_off = n * segment_size;
	*skip = 0;
	*take = n + 1u < p->nown ? segment_size : p->len - *object_off;
	seg->len = *take;
}

bool place_equal(const struct place *a, const struct place *b)
{
	if (a->offset != b->offset || a->len != b->len || a->nown != b->nown)
		return false;
	if (a->nown == 0 && (a->shared_len != b->shared_len || a->shared_skip != b->shared_skip))
		return false;
	return memcmp(a->box, b->box, place_nsegments(a) * sizeof(a->box[0])) == 0;
}
