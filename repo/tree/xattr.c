/*
 * Extended attributes in encoded form.
 */
#include "repo/tree/xattr.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "repo/tree/entry.h"
#include "repo/util/bytes/le.h"

#define XATTR_HEAD_LEN 6
#define XATTR_NAME_LEN_MAX 255 /* as the kernel's */

static bool name_ok(const char *name, size_t len)
{
	return len > 0 && len <= XATTR_NAME_LEN_MAX && memchr(name, '\0', len) == NULL;
}

int xattr_encode(struct buf *b, const struct xattr *x)
{
	uint8_t head[XATTR_HEAD_LEN];

	if (!name_ok(x->name, x->name_len))
		return -EINVAL;
	if (buf_reserve(b, sizeof(head) + x->name_len + (size_t)x->value_len) < 0)
		return -ENOMEM;
	le16enc(head, x->name_len);
	le32enc(head + 2, x->value_len);
	/* There is room: these cannot fail. */
	buf_append(b, head, sizeof(head));
	buf_append(b, x->name, x->name_len);
	return buf_append(b, x->value, x->value_len);
}

int xattr_next(struct rd *r, struct xattr *out)
{
	struct rd rest = *r;
	struct xattr x;
	const uint8_t *name;

	if (rest.len == 0)
		return 0;
	if (rd_le16(&rest, &x.name_len) < 0 || rd_le32(&rest, &x.value_len) < 0)
		return -EBADMSG;
	if (rd_take(&rest, x.name_len, &name) < 0 || rd_take(&rest, x.value_len, &x.value) < 0)
		return -EBADMSG;
	x.name = (const char *)name;
	if (!name_ok(x.name, x.name_len))
		return -EBADMSG;
	*r = rest;
	*out = x;
	return 1;
}

int xattr_find(const void *data, size_t len, const char *name, struct xattr *out)
{
	struct rd r = rd_init(data, len);
	size_t name_len = strlen(name);
	struct xattr x;
	int more;

	while ((more = xattr_next(&r, &x)) == 1) {
		if (x.name_len == name_len && memcmp(x.name, name, name_len) == 0) {
			*out = x;
			return 0;
		}
	}
	return more < 0 ? more : -ENODATA;
}

int xattr_check(const void *data, size_t len)
{
	struct rd r = rd_init(data, len);
	struct xattr last = { .name = "" }, x;
	int more;

	while ((more = xattr_next(&r, &x)) == 1) {
		if (entry_name_compare(last.name, last.name_len, x.name, x.name_len) >= 0)
			return -EBADMSG;
		last = x;
	}
	return more;
}
