/*
 * Object block of an index run, as it is after opening.  What is accepted must be exactly what encoding writes, in
 * order.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/index/run/run.h"

#define SEGMENT_SIZE (256u * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct again {
	struct buf b;
	struct id last;
	bool begun;
};

static int encode_again(void *arg, const struct id *id, const struct place *place)
{
	struct again *a = arg;

	if (a->begun && id_compare(&a->last, id) >= 0)
		abort();
	a->begun = true;
	a->last = *id;
	if (buf_append(&a->b, id->b, ID_LEN) != 0 || buf_le32(&a->b, place->pack) != 0 ||
	    place_encode(place, &a->b) != 0)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct again a = { .b = BUF_INIT };

	if (run_parse_objects(data, size, SEGMENT_SIZE, encode_again, &a) == 0 &&
	    (a.b.len != size || (size > 0 && memcmp(a.b.data, data, size) != 0)))
		abort();
	buf_free(&a.b);
	return 0;
}
