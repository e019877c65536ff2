/*
 * What the files of this folder share about manifests and their ids.
 */
#ifndef VARVE_SNAPSHOT_MANIFEST_IMPL_H
#define VARVE_SNAPSHOT_MANIFEST_IMPL_H

#include "repo/snapshot/manifest/manifest.h"

#define MANIFEST_ROOT_PLACE_MIN (ID_LEN + CRYPT_WRAPPED_LEN + 8) /* bytes of a place hint: pack, key, place record */
#define MANIFEST_ROOT_PLACE_MAX (ID_LEN + CRYPT_WRAPPED_LEN + 256)

/* The id of an object that is the manifest of a snapshot of that time. */
void snapshot_id_make(const struct secrets *s, const void *object, size_t len, int64_t time_ns, struct id *out);

/* Copy ${len} bytes as a string to the end of a list.  Return 0, -EINVAL if the list is full, -ENOMEM. */
int manifest_list_add(char ***list, uint32_t *n, const char *s, size_t len);

/* Set ${m->root} from ${m->root_page}.  Return 0, -EBADMSG. */
int manifest_open_root(struct manifest *m);

/* Append the fields.  Return 0, -EINVAL if one is missing or out of bounds, -ENOMEM. */
int manifest_encode(const struct manifest *m, struct buf *out);

#endif
