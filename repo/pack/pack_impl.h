/*
 * For the sources of this folder only: the fixed parts of a pack and what authenticates its boxes.
 */
#ifndef VARVE_PACK_PACK_IMPL_H
#define VARVE_PACK_PACK_IMPL_H

#include "repo/pack/pack.h"

#define PACK_MAGIC "VARVEPK1"
#define PACK_MAGIC_LEN 8
#define PACK_FIXED_LEN 16 /* magic, kind, cipher, zero: what every box is bound to */
#define PACK_END_MAGIC "VPKEND1\n"

#define PACK_BOX_AD_LEN (PACK_FIXED_LEN + 1 + 8)
#define PACK_TABLE_AD_LEN (PACK_HEADER_LEN + 1)

/* The first PACK_FIXED_LEN bytes of a pack. */
void pack_fixed(enum pack_kind kind, enum cipher cipher, uint8_t out[PACK_FIXED_LEN]);

/* Associated data of the box at byte ${offset}, and of the table of the pack with this header. */
void pack_box_ad(const uint8_t fixed[PACK_FIXED_LEN], uint64_t offset, uint8_t out[PACK_BOX_AD_LEN]);
void pack_table_ad(const uint8_t header[PACK_HEADER_LEN], uint8_t out[PACK_TABLE_AD_LEN]);

#endif
