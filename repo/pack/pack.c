/*
 * Packs: names, and what writing and reading have in common.  Writing is in pack_write.c, reading in pack_read.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "repo/pack/pack_impl.h"
#include "repo/util/bytes/le.h"

static const struct {
	enum pack_kind kind;
	const char *prefix;
} folders[] = {
	{ PACK_DATA, "packs/" },
	{ PACK_TREE, "trees/" },
};

#define PREFIX_LEN 6 /* of each of them */

char *pack_name(enum pack_kind kind, const struct id *id, char out[PACK_NAME_SIZE])
{
	char hex[ID_HEX_SIZE];

	id_hex(id, hex);
	snprintf(out, PACK_NAME_SIZE, "%s%.2s/%s", folders[kind == PACK_TREE].prefix, hex, hex);
	return out;
}

int pack_name_parse(const char *name, enum pack_kind *kind, struct id *id)
{
	char want[PACK_NAME_SIZE];
	size_t n = strlen(name);

	if (n != PREFIX_LEN + 3 + 2 * ID_LEN || id_parse(name + PREFIX_LEN + 3, id) < 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (strcmp(pack_name(folders[i].kind, id, want), name) == 0) {
			*kind = folders[i].kind;
			return 0;
		}
	}
	return -EINVAL;
}

void pack_fixed(enum pack_kind kind, enum cipher cipher, uint8_t out[PACK_FIXED_LEN])
{
	memset(out, 0, PACK_FIXED_LEN);
	memcpy(out, PACK_MAGIC, PACK_MAGIC_LEN);
	out[PACK_MAGIC_LEN] = (uint8_t)kind;
	out[PACK_MAGIC_LEN + 1] = (uint8_t)cipher;
}

void pack_box_ad(const uint8_t fixed[PACK_FIXED_LEN], uint64_t offset, uint8_t out[PACK_BOX_AD_LEN])
{
	memcpy(out, fixed, PACK_FIXED_LEN);
	out[PACK_FIXED_LEN] = 'S';
	le64enc(out + PACK_FIXED_LEN + 1, offset);
}

void pack_table_ad(const uint8_t header[PACK_HEADER_LEN], uint8_t out[PACK_TABLE_AD_LEN])
{
	memcpy(out, header, PACK_HEADER_LEN);
	out[PACK_HEADER_LEN] = 'T';
}

int pack_parse_table(const void *data, size_t len, uint32_t segment_size, pack_table_fn *fn, void *arg)
{
	struct rd r = rd_init(data, len);
	struct place place = { 0 };
	const uint8_t *p;
	struct id id;
	int rc;

	while (r.len > 0) {
		rc = rd_take(&r, ID_LEN, &p);
		if (rc == 0)
			rc = place_decode(&r, segment_size, &place);
		if (rc < 0)
			return rc;
		memcpy(id.b, p, ID_LEN);
		rc = fn(arg, &id, &place);
		if (rc != 0)
			return rc;
	}
	return 0;
}
