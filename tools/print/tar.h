/*
 * A directory as a tar stream: POSIX.1-2001 pax format, with GNU sparse 1.0 for files with holes, SCHILY.xattr for
 * extended attributes, and hard links within what is written.
 */
#ifndef VARVE_TOOLS_TAR_H
#define VARVE_TOOLS_TAR_H

#include <stdio.h>

#include "repo/tree/tree.h"
#include "tools/cli/cli.h"

/* What tar_tree() met. */
struct tar_result {
	int status; /* EXIT_OK; or as cli_worse() says of directories that were left out, as they cannot be read */
};

/**
 * tar_tree(t, root, prefix, out, log, result):
 * Write ${root} and all below it to ${out}, paths beginning with ${prefix}, with the archive's end.  A file whose
 * contents turn out to be damaged while they are written ends the stream with -EBADMSG, as tar has no way to take it
 * back.  Return 0; -EIO if ${out} failed; -ENOMEM; errors of tree.h.
 */
int tar_tree(struct tree *t, const struct tree_entry *root, const char *prefix, FILE *out, const struct log *log,
    struct tar_result *result);

#endif
