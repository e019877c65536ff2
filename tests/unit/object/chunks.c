/*
 * Chunks of noise.  See chunks.h.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "repo/store/store_impl.h"
#include "tests/unit/object/chunks.h"

struct chunks *chunks_make(uint64_t seed)
{
	struct chunks *c = malloc(sizeof(*c));

	assert_non_null(c);
	c->data = malloc(CHUNKS_N * CHUNKS_LEN);
	assert_non_null(c->data);
	fixture_noise(seed, c->data, CHUNKS_N * CHUNKS_LEN);
	return c;
}

void chunks_free(struct chunks *c)
{
	free(c->data);
	free(c);
}

int chunks_store(struct fixture *f, struct object_writer *w, struct chunks *c)
{
	return fixture_store_chunks(f, w, c->data, CHUNKS_LEN, CHUNKS_N, c->id);
}

unsigned chunks_readable(struct fixture *f, const struct chunks *c)
{
	struct object_reader *r = fixture_reader(f);
	struct buf b = BUF_INIT;
	unsigned n = 0;
	int rc;

	for (unsigned i = 0; i < CHUNKS_N; i++) {
		buf_clear(&b);
		rc = object_read(r, PACK_DATA, &c->id[i], CHUNKS_LEN, &b);
		if (rc == 0) {
			assert_int_equal(b.len, CHUNKS_LEN);
			assert_memory_equal(b.data, c->data + i * CHUNKS_LEN, CHUNKS_LEN);
			n++;
		} else {
			assert_int_equal(rc, -EBADMSG);
		}
	}
	buf_free(&b);
	object_reader_free(r);
	return n;
}
