/*
 * The configuration file: defaults for the common options.  $VARVE_CONFIG, else $XDG_CONFIG_HOME/varve/varve.conf or
 * ~/.config/varve/varve.conf, else /etc/varve/varve.conf; the first that exists.
 *
 *   [repository]
 *   url = /srv/backup
 *   password-file = /etc/varve/password
 *   key-file = /etc/varve/key
 *   replica = /mnt/copy                (as often as wanted)
 *   cache-dir = /var/cache/varve
 *   cache-size = 10G
 *   ca-file = /etc/varve/ca.pem
 *   limit-upload = 2M
 *   limit-download = 10M
 *   deadline = 300
 */
#ifndef VARVE_TOOLS_CONFIG_FILE_H
#define VARVE_TOOLS_CONFIG_FILE_H

#include "tools/cli/cli.h"

/* Owned strings; NULL: not given. */
struct config_file {
	char *url, *password_file, *key_file, *cache_dir, *cache_size;
	char *replicas; /* a URL a line */
	char *ca_file, *limit_upload, *limit_download, *deadline;
};

/**
 * config_file_load(c, out):
 * Read it, if there is one, and enter what neither the environment nor (later) options say into ${c->access}.  Return
 * 0, or EXIT_USAGE after a message that names file and line.
 */
int config_file_load(struct cli *c, struct config_file *out);
void config_file_destroy(struct config_file *f);

#endif
