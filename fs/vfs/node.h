/*
 * Node numbers of the mount: what the kernel calls an inode, without a table of inodes.
 *
 *   bits 62..40  slot of the snapshot (index.h; 1 to 2^22 - 1), bits 39..0 preorder number of the entry in it (tree.h)
 *   slot 0       virtual nodes: bits 39..32 class, bits 31..0 its argument; number 1 is the root of the mount
 *
 * So a node number is found again by descending by entry counts; it survives a restart and is never used for anything
 * else.
 */
#ifndef VARVE_FS_NODE_H
#define VARVE_FS_NODE_H

#include <stdbool.h>
#include <stdint.h>

enum node_class {
	NODE_FIXED = 0,     /* argument: enum node_fixed */
	NODE_AT_LINK = 1,   /* /at/TIME -> ../snapshots/NAME; argument: slot */
	NODE_ID_LINK = 2,   /* /ids/ID -> ../snapshots/NAME; argument: slot */
	NODE_HOST_LINK = 3, /* /hosts/HOST/NAME -> ../../snapshots/NAME; argument: slot */
	NODE_TAG_LINK = 4,  /* /tags/TAG/NAME -> ../../snapshots/NAME; argument: slot */
	NODE_HOST_DIR = 5,  /* /hosts/HOST; argument: number of the host in the view */
	NODE_TAG_DIR = 6,   /* /tags/TAG; argument: number of the tag in the view */
};

enum node_fixed {
	NODE_ROOT = 1, /* FUSE_ROOT_ID */
	NODE_SNAPSHOTS,
	NODE_LATEST,
	NODE_HOSTS,
	NODE_TAGS,
	NODE_IDS,
	NODE_AT,
};

#define NODE_NUMBER_BITS 40
#define NODE_NUMBER_MAX ((UINT64_C(1) << NODE_NUMBER_BITS) - 1)
#define NODE_LINK_BIT (UINT64_C(1) << 62) /* set in st_ino of hard-linked files, clear in node numbers */

static inline uint64_t node_make(uint32_t slot, uint64_t number)
{
	return (uint64_t)slot << NODE_NUMBER_BITS | number;
}

static inline uint64_t node_virtual(enum node_class class, uint32_t arg)
{
	return (uint64_t)class << 32 | arg;
}

static inline uint32_t node_slot(uint64_t node)
{
	return (uint32_t)(node >> NODE_NUMBER_BITS);
}

static inline uint64_t node_number(uint64_t node)
{
	return node & NODE_NUMBER_MAX;
}

static inline enum node_class node_class(uint64_t node)
{
	return (enum node_class)(node >> 32 & 0xff);
}

static inline uint32_t node_arg(uint64_t node)
{
	return (uint32_t)node;
}

#endif
