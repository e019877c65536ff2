/*
 * Extended attributes in encoded form: for each, in ascending order of name: length of the name le16 (1 to 255),
 * length of the value le32, name (no NUL in it), value.  POSIX ACLs are their system.posix_acl_access and _default
 * attributes as the kernel gives them.
 */
#ifndef VARVE_TREE_XATTR_H
#define VARVE_TREE_XATTR_H

#include "repo/util/bytes/buf.h"

struct xattr {
	const char *name; /* borrowed from the encoded bytes; name_len bytes, no NUL behind */
	uint16_t name_len;
	const uint8_t *value;
	uint32_t value_len;
};

/* Append one.  The caller keeps the order.  Return 0; -EINVAL for a name that is none; -ENOMEM. */
int xattr_encode(struct buf *b, const struct xattr *x);

/* Take the next one.  Return 1, 0 at the end, -EBADMSG if malformed. */
int xattr_next(struct rd *r, struct xattr *out);

/* Find one by name.  Return 0, -ENODATA, -EBADMSG. */
int xattr_find(const void *data, size_t len, const char *name, struct xattr *out);

/* Check the whole: well-formed and in strictly ascending order.  Return 0 or -EBADMSG. */
int xattr_check(const void *data, size_t len);

#endif
