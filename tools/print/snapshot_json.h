/*
 * A snapshot as JSON: the same members wherever one is printed.
 */
#ifndef VARVE_TOOLS_SNAPSHOT_JSON_H
#define VARVE_TOOLS_SNAPSHOT_JSON_H

#include "repo/snapshot/manifest/manifest.h"
#include "tools/print/json.h"

/* A new object, the caller's. */
json_value *snapshot_json(const struct id *id, const struct manifest *m, bool utc);

#endif
