/*
 * Headers of tar.  See tar_header.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/print/tar_header.h"

_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a tar header is one block");

void tar_octal(char *field, size_t size, uint64_t v)
{
	if (v >> (3 * (size - 1)) != 0)
		v = 0;
	field[--size] = '\0';
	while (size-- > 0) {
		field[size] = (char)('0' + (v & 7));
		v >>= 3;
	}
}

bool tar_fits_octal(size_t size, uint64_t v)
{
	return v >> (3 * (size - 1)) == 0;
}

void tar_header_finish(struct tar_header *h)
{
	const uint8_t *b = (const uint8_t *)h;
	unsigned sum = 0;

	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	memset(h->checksum, ' ', sizeof(h->checksum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += b[i];
	snprintf(h->checksum, sizeof(h->checksum), "%06o", sum);
}

int pax_record(struct buf *b, const char *key, const void *value, size_t len)
{
	size_t rest = strlen(key) + len + 3, digits = 1, total;

	for (;;) {
		char text[24];

		total = rest + digits;
		if ((size_t)snprintf(text, sizeof(text), "%zu", total) == digits)
			break;
		digits++;
	}
	if (buf_printf(b, "%zu %s=", total, key) != 0 || buf_append(b, value, len) != 0)
		return -ENOMEM;
	return buf_u8(b, '\n');
}

int pax_number(struct buf *b, const char *key, uint64_t v)
{
	char text[24];

	return pax_record(b, key, text, (size_t)snprintf(text, sizeof(text), "%llu", (unsigned long long)v));
}

int pax_time(struct buf *b, const char *key, int64_t s, uint32_t ns)
{
	bool negative = s < 0;
	char text[48];

	/* -1 s and 0.25 s is -0.75. */
	if (negative && ns > 0) {
		s++;
		ns = 1000000000u - ns;
	}
	return pax_record(b, key, text, (size_t)snprintf(text, sizeof(text), "%s%llu.%09u", negative ? "-" : "",
	    (unsigned long long)(s < 0 ? -s : s), ns));
}

char tar_type(const struct tree_entry *e)
{
	switch (e->type) {
	case ENTRY_DIR:
		return '5';
	case ENTRY_LNK:
		return '2';
	case ENTRY_CHR:
		return '3';
	case ENTRY_BLK:
		return '4';
	case ENTRY_FIFO:
		return '6';
	default:
		return '0';
	}
}

void tar_header_fill(struct tar_header *h, const struct tree_entry *e, const char *path, const char *link,
    uint64_t size)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->name, path, strnlen(path, sizeof(h->name)));
	tar_octal(h->mode, sizeof(h->mode), e->mode);
	tar_octal(h->uid, sizeof(h->uid), e->uid);
	tar_octal(h->gid, sizeof(h->gid), e->gid);
	tar_octal(h->size, sizeof(h->size), size);
	tar_octal(h->mtime, sizeof(h->mtime), e->mtime < 0 ? 0 : (uint64_t)e->mtime);
	tar_octal(h->major, sizeof(h->major), e->rdev_major);
	tar_octal(h->minor, sizeof(h->minor), e->rdev_minor);
	memcpy(h->user, e->user, e->user_len < 31 ? e->user_len : 31);
	memcpy(h->group, e->group, e->group_len < 31 ? e->group_len : 31);
	h->type = tar_type(e);
	if (link != NULL)
		memcpy(h->linkname, link, strnlen(link, sizeof(h->linkname)));
}
