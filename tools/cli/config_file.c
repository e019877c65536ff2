/*
 * The configuration file, with libinih.
 */
#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli/config_file.h"

struct loading {
	struct cli *cli;
	struct config_file *out;
	const char *path;
	char problem[256];
};

/* Settings, and where they are kept. */
static const struct setting {
	const char *name;
	size_t offset;
} settings[] = {
	{ "url", offsetof(struct config_file, url) },
	{ "password-file", offsetof(struct config_file, password_file) },
	{ "key-file", offsetof(struct config_file, key_file) },
	{ "cache-dir", offsetof(struct config_file, cache_dir) },
	{ "cache-size", offsetof(struct config_file, cache_size) },
	{ "replica", offsetof(struct config_file, replicas) },
	{ "ca-file", offsetof(struct config_file, ca_file) },
	{ "limit-upload", offsetof(struct config_file, limit_upload) },
	{ "limit-download", offsetof(struct config_file, limit_download) },
	{ "deadline", offsetof(struct config_file, deadline) },
};

static char **field_at(struct config_file *f, const struct setting *s)
{
	return (char **)(void *)((char *)f + s->offset);
}

static char **find_field(struct config_file *f, const char *section, const char *name)
{
	if (strcmp(section, "repository") != 0)
		return NULL;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (strcmp(name, settings[i].name) == 0)
			return field_at(f, &settings[i]);
	}
	return NULL;
}

static bool add_line(char **field, const char *value)
{
	char *longer = NULL;

	if (asprintf(&longer, "%s\n%s", *field, value) < 0)
		return false;
	free(*field);
	*field = longer;
	return true;
}

static int take(void *arg, const char *section, const char *name, const char *value)
{
	struct loading *l = arg;
	char **field = find_field(l->out, section, name);

	if (field == NULL) {
		if (l->problem[0] == '\0')
			snprintf(l->problem, sizeof(l->problem), "unknown setting [%s] %s", section, name);
		return 0;
	}
	if (*field != NULL && strcmp(name, "replica") == 0)
		return add_line(field, value);
	free(*field);
	*field = strdup(value);
	return *field != NULL;
}

/* The first candidate that exists (malloc), or NULL. */
static char *find_file(void)
{
	const char *named = getenv("VARVE_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char *path = NULL;

	if (named != NULL && *named != '\0')
		return strdup(named);
	if (xdg != NULL && *xdg == '/')
		path = asprintf(&path, "%s/varve/varve.conf", xdg) < 0 ? NULL : path;
	else if (home != NULL && *home == '/')
		path = asprintf(&path, "%s/.config/varve/varve.conf", home) < 0 ? NULL : path;
	if (path != NULL && access(path, F_OK) == 0)
		return path;
	free(path);
	return access("/etc/varve/varve.conf", F_OK) == 0 ? strdup("/etc/varve/varve.conf") : NULL;
}

static bool env_is_set(const char *name)
{
	const char *v = getenv(name);

	return v != NULL && *v != '\0';
}

/* Options come later and overwrite; the environment must not be overruled here. */
static void apply(struct cli *c, const struct config_file *f)
{
	bool secret = env_is_set("VARVE_PASSWORD_FILE") || env_is_set("VARVE_KEY_FILE") ||
	    env_is_set("VARVE_PASSWORD") || env_is_set("VARVE_PASSWORD_COMMAND");

	if (!env_is_set("VARVE_REPOSITORY"))
		c->access.repo_url = f->url;
	if (!env_is_set("VARVE_CACHE_DIR"))
		c->access.cache_dir = f->cache_dir;
	if (!env_is_set("VARVE_CACHE_SIZE"))
		c->access.cache_size = f->cache_size;
	if (!env_is_set("VARVE_CA_FILE"))
		c->access.ca_file = f->ca_file;
	if (!env_is_set("VARVE_LIMIT_UPLOAD"))
		c->access.limit_upload = f->limit_upload;
	if (!env_is_set("VARVE_LIMIT_DOWNLOAD"))
		c->access.limit_download = f->limit_download;
	if (!env_is_set("VARVE_DEADLINE"))
		c->access.deadline = f->deadline;
	c->access.default_replicas = f->replicas;
	if (!secret) {
		c->access.password_file = f->password_file;
		c->access.key_file = f->key_file;
	}
}

int config_file_load(struct cli *c, struct config_file *out)
{
	struct loading l = { .cli = c, .out = out };
	char *path = find_file();
	int rc;

	if (path == NULL)
		return 0;
	l.path = path;
	rc = ini_parse(path, take, &l);
	if (rc < 0)
		cli_error(c, "%s: %s", path, strerror(errno));
	else if (rc > 0)
		cli_error(c, "%s:%d: %s", path, rc, l.problem[0] ? l.problem : "not understood");
	else
		apply(c, out);
	free(path);
	return rc == 0 ? 0 : EXIT_USAGE;
}

void config_file_destroy(struct config_file *f)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		free(*field_at(f, &settings[i]));
}
