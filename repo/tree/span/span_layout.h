/*
 * What the files of this folder share about span lists.
 */
#ifndef VARVE_TREE_SPAN_LAYOUT_H
#define VARVE_TREE_SPAN_LAYOUT_H

#include "repo/tree/span/span.h"

#define SPAN_MAGIC "VSP1"

/* First of ${n} checked records whose span ends after ${off}; ${n} if none does. */
uint32_t span_records_find(const uint8_t *records, uint32_t n, uint64_t off);

#endif
