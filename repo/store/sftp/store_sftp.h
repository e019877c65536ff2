/*
 * Store in a directory of an SFTP server: "sftp://user@host:port/absolute/path", or "/~/path" below where the login
 * begins.  Names are paths below it, as in a local directory (repo/store/dir/): on the server the same repository opens
 * as file://.  Options of the URL:
 *
 *   key=FILE          private key; else $VARVE_SSH_KEY, else the agent's keys and ~/.ssh/id_ed25519, id_ecdsa
 *   known_hosts=FILE  else $VARVE_KNOWN_HOSTS, else ~/.ssh/known_hosts: the server must be in it
 *
 * A password is taken from $VARVE_SFTP_PASSWORD.
 *
 * That an object or a directory is missing is believed only while the server shows the repository's "config"
 * (store_absent() in store_impl.h), and no directory is made without.
 *
 * An object is written to tmp/RANDOM and then renamed.  OpenSSH does not rename onto what exists, so that STORE_EXCL is
 * atomic there; other servers replace it, and for them there is but a look before.  For STORE_REPLACE (libcurl has no
 * posix-rename@openssh.com) what has the name becomes tmp/RANDOM.old, the upload takes its name, and then the old one
 * is removed: for a round trip there is none of that name, but at no moment less than one of them on the server, whole.
 * Nor has libcurl fsync@openssh.com: an object is as safe from a power cut of the server as that one's own filesystem
 * makes it.
 */
#ifndef VARVE_STORE_STORE_SFTP_H
#define VARVE_STORE_STORE_SFTP_H

#include "repo/store/store_impl.h"

/* Opener of "sftp://" (store_impl.h).  With ${create}, the directory and its parents are made with the first object. */
int store_sftp_open(const struct store_options *opts, struct store **out);

#endif
