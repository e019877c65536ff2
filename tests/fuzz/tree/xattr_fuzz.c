/*
 * xattr_check() over arbitrary bytes: what it takes can be gone through, is found by name, and encodes to the same.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/tree/xattr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void go_through(const uint8_t *data, size_t size)
{
	struct rd r = rd_init(data, size);
	struct buf again = BUF_INIT;
	struct xattr x, found;
	char name[256];

	while (xattr_next(&r, &x) == 1) {
		memcpy(name, x.name, x.name_len);
		name[x.name_len] = '\0';
		if (xattr_find(data, size, name, &found) != 0 || found.value != x.value)
			abort();
		if (xattr_encode(&again, &x) != 0)
			abort();
	}
	if (again.len != size || (size > 0 && memcmp(again.data, data, size) != 0))
		abort();
	buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xattr x;

	xattr_find(data, size, "user.x", &x);
	if (xattr_check(data, size) == 0)
		go_through(data, size);
	return 0;
}
