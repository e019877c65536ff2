/*
 * Where an SFTP store is, and who asks: from its URL, the environment and the user's home.
 */
#ifndef VARVE_STORE_SFTP_PLACE_H
#define VARVE_STORE_SFTP_PLACE_H

#include "repo/store/http/http.h"
#include "repo/store/http/url.h"

/* All owned. */
struct sftp_place {
	char *server;      /* "sftp://host:port" */
	char *host;
	char *path;        /* for URLs: "/srv/varve", "/~/varve"; "" for the root */
	char *directory;   /* for commands: "/srv/varve/", "varve/"; relative to where the login begins */
	char *user;
	char *password;    /* may be NULL */
	char *key_file;    /* may be NULL: the agent's, the usual ones, or a password */
	char *known_hosts;
};

/**
 * sftp_place_find(u, log, out):
 * Return 0 with ${out} to be freed by sftp_place_free(); -EINVAL for a URL that is none; -EACCES for a key or
 * known_hosts file that is not there or cannot be read (all logged); -ENOMEM.
 */
int sftp_place_find(const struct url *u, const struct log *log, struct sftp_place *out);
void sftp_place_free(struct sftp_place *p); /* wipes the password */

/* The same as an engine's credentials, borrowed from ${p}. */
struct http_auth sftp_place_auth(const struct sftp_place *p);

/* Is this, by its first line or by the public key beside it, an RSA key?  False if it cannot be read. */
bool sftp_key_is_rsa(const char *key_file);

#endif
