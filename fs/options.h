/*
 * Command line of varvefs: "varvefs URL DIR [-f] [-o OPTION,...]", also as mount(8) and systemd call it.
 */
#ifndef VARVE_FS_OPTIONS_H
#define VARVE_FS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "repo/util/bytes/buf.h"
#include "repo/util/text/when.h"

struct fs_options {
	char *url, *mountpoint;     /* owned */
	char *password_file, *key_file, *cache_dir; /* owned; NULL: not given */
	char *replicas;             /* owned; a URL a line; NULL: none */
	char *ca_file, *limit_download, *deadline;  /* owned; NULL: not given */
	char *host, *tag, *path;    /* owned; NULL: all snapshots */
	char *snapshot;             /* owned; "SNAP[:PATH]" to be the root of the mount; NULL: the whole repository */
	char *audit;                /* owned; file to log opens to; NULL: none */
	enum when_style names;
	bool utc;
	bool allow_other;
	bool foreground, debug;
	bool has_uid, has_gid;
	uint32_t uid, gid;          /* shown for everything */
	uint64_t cache_mem;         /* bytes of opened segments; 0: default */
	uint64_t cache_disk;        /* bytes of sealed data kept of remote stores; 0: default */
	unsigned refresh_s;         /* seconds between looks for new snapshots */
	bool offline, nopush, nosandbox;
	bool rw;                    /* asked for, in vain */
	bool help, version;
	struct buf kernel;          /* options for mount(2): comma separated, ends with a NUL */
};

/**
 * fs_options_parse(argc, argv, out, error, size):
 * Parse; ${out} must be destroyed in any case.  Return 0, or -EINVAL with one line in ${error}, or -ENOMEM.
 */
int fs_options_parse(int argc, char **argv, struct fs_options *out, char *error, unsigned size);
void fs_options_destroy(struct fs_options *o);

/* The text of --help. */
extern const char fs_usage[];

#endif
