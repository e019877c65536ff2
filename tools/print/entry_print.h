/*
 * Entries on stdout: lines as ls -l has them, and JSON.
 */
#ifndef VARVE_TOOLS_ENTRY_PRINT_H
#define VARVE_TOOLS_ENTRY_PRINT_H

#include "repo/tree/entry.h"
#include "tools/cli/cli.h"
#include "tools/print/json.h"

/* Print "-rw-r--r-- user group size time path[ -> target]", as cli_print_name() and cli_end_name() do. */
void entry_print_long(const struct cli *c, const struct tree_entry *e, const char *path, size_t path_len);

/* A new object, the caller's. */
json_value *entry_json(const struct tree_entry *e, const char *path, size_t path_len, bool utc);

#endif
