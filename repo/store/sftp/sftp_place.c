/*
 * The place of an SFTP store.  See sftp_place.h.
 */
#include "repo/store/sftp/sftp_place.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/crypt/crypt.h"

/* ${home}/.ssh/${name}, or NULL. */
static char *in_ssh_dir(const char *name)
{
	const char *home = getenv("HOME");
	char *path;

	if (home == NULL || *home != '/' || asprintf(&path, "%s/.ssh/%s", home, name) < 0)
		return NULL;
	return path;
}

/* The URL's option, else the variable's value; NULL if neither says anything. */
static int option_or_variable(const struct url *u, const char *option, const char *variable, char **out)
{
	const char *value = getenv(variable);
	int rc = url_option(u, option, out);

	if (rc == 0 && *out == NULL && value != NULL && *value != '\0') {
		*out = strdup(value);
		rc = *out != NULL ? 0 : -ENOMEM;
	}
	return rc;
}

/* libcurl verifies nothing without this file: there has to be one. */
static int find_known_hosts(const struct url *u, const struct log *log, struct sftp_place *p)
{
	char port[16] = "";
	int rc;

	rc = option_or_variable(u, "known_hosts", "VARVE_KNOWN_HOSTS", &p->known_hosts);
	if (rc < 0)
		return rc;
	if (p->known_hosts == NULL)
		p->known_hosts = in_ssh_dir("known_hosts");
	if (p->known_hosts != NULL && access(p->known_hosts, R_OK) == 0)
		return 0;
	if (u->port != 0)
		snprintf(port, sizeof(port), "-p %u ", u->port);
	log_error(log, "%s: the server cannot be verified without the file %s: make it by \"ssh-keyscan %s%s\", and "
	    "compare the keys with what the server's operator says", u->shown,
	    p->known_hosts != NULL ? p->known_hosts : "known_hosts ($VARVE_KNOWN_HOSTS)", port, u->host);
	return -EACCES;
}

/* Without one, the agent's keys and the usual files are tried (http.h). */
static int find_key(const struct url *u, const struct log *log, struct sftp_place *p)
{
	int rc;

	rc = option_or_variable(u, "key", "VARVE_SSH_KEY", &p->key_file);
	if (rc < 0 || p->key_file == NULL || access(p->key_file, R_OK) == 0)
		return rc;
	log_error(log, "%s: the key file %s: %s", u->shown, p->key_file, ERR(-errno));
	return -EACCES;
}

static int find_user(const struct url *u, const struct log *log, struct sftp_place *p)
{
	const char *password = getenv("VARVE_SFTP_PASSWORD");
	struct passwd pw, *found = NULL;
	char text[4096];

	if (u->user != NULL)
		p->user = strdup(u->user);
	else if (getpwuid_r(geteuid(), &pw, text, sizeof(text), &found) == 0 && found != NULL)
		p->user = strdup(found->pw_name);
	else
		log_error(log, "%s: who logs in is to be said: sftp://user@host/path", u->shown);
	if (p->user == NULL)
		return -EINVAL;
	if (password != NULL) {
		p->password = strdup(password);
		if (p->password == NULL)
			return -ENOMEM;
	}
	return 0;
}

/* Paths are copied into commands: no control characters. */
static bool path_usable(const char *path)
{
	for (; *path != '\0'; path++)
		if ((unsigned char)*path < 0x20 || *path == 0x7f)
			return false;
	return true;
}

static int find_paths(const struct url *u, struct sftp_place *p)
{
	char port[16] = "";
	const char *bracket[2] = { "", "" };
	const char *directory = u->path;

	if (u->port != 0)
		snprintf(port, sizeof(port), ":%u", u->port);
	if (strchr(u->host, ':') != NULL && u->host[0] != '[') {
		bracket[0] = "[";
		bracket[1] = "]";
	}
	if (strncmp(directory, "/~/", 3) == 0)
		directory += 3;
	else if (strcmp(directory, "/~") == 0)
		directory += 2;
	p->host = strdup(u->host);
	p->path = strdup(u->path);
	if (asprintf(&p->server, "sftp://%s%s%s%s", bracket[0], u->host, bracket[1], port) < 0)
		p->server = NULL;
	if (asprintf(&p->directory, "%s%s", directory, directory > u->path && *directory == '\0' ? "" : "/") < 0)
		p->directory = NULL;
	return p->host && p->path && p->server && p->directory ? 0 : -ENOMEM;
}

int sftp_place_find(const struct url *u, const struct log *log, struct sftp_place *out)
{
	int rc;

	*out = (struct sftp_place){ 0 };
	if (u->host == NULL || *u->host == '\0' || !path_usable(u->path)) {
		log_error(log, "%s: an SFTP URL is of the form sftp://user@host/path", u->shown);
		return -EINVAL;
	}
	if (u->password != NULL) {
		log_error(log, "%s: a password in a URL can be seen by others: set $VARVE_SFTP_PASSWORD", u->shown);
		return -EINVAL;
	}
	rc = find_paths(u, out);
	if (rc == 0)
		rc = find_user(u, log, out);
	if (rc == 0)
		rc = find_known_hosts(u, log, out);
	if (rc == 0)
		rc = find_key(u, log, out);
	if (rc < 0)
		sftp_place_free(out);
	return rc;
}

void sftp_place_free(struct sftp_place *p)
{
	if (p->password != NULL)
		crypt_wipe(p->password, strlen(p->password));
	free(p->password);
	free(p->server);
	free(p->host);
	free(p->path);
	free(p->directory);
	free(p->user);
	free(p->key_file);
	free(p->known_hosts);
	*p = (struct sftp_place){ 0 };
}

struct http_auth sftp_place_auth(const struct sftp_place *p)
{
	return (struct http_auth){ .kind = HTTP_AUTH_SSH, .user = p->user, .password = p->password,
		.key_file = p->key_file, .known_hosts = p->known_hosts };
}

/* Does the file ${path}${suffix} begin with ${text}? */
static bool begins_with(const char *path, const char *suffix, const char *text)
{
	char *full, begin[64] = "";
	FILE *f;

	if (asprintf(&full, "%s%s", path, suffix) < 0)
		return false;
	f = fopen(full, "re");
	free(full);
	if (f == NULL)
		return false;
	if (fgets(begin, sizeof(begin), f) == NULL)
		begin[0] = '\0';
	fclose(f);
	return strncmp(begin, text, strlen(text)) == 0;
}

bool sftp_key_is_rsa(const char *key_file)
{
	return begins_with(key_file, "", "-----BEGIN RSA") || begins_with(key_file, ".pub", "ssh-rsa ");
}
