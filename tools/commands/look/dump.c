/*
 * varve dump
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/commands/commands.h"
#include "tools/cli/located.h"
#include "tools/print/tar.h"

#define COPY_LEN (1024 * 1024)

const struct cli_option dump_options[] = {
	{ "host", 'H', "NAME", "SNAP is one of this host" },
	{ "tag", 't', "TAG", "SNAP has this tag" },
	{ "path", 0, "PATH", "SNAP has this source path" },
	{ NULL, 0, NULL, NULL },
};

static int take(void *arg, const char *option, const char *value)
{
	cli_take_filter(arg, option, value);
	return 0;
}

static int dump_file(struct cli *c, const struct located *l)
{
	uint8_t *copy = malloc(COPY_LEN);
	uint64_t off = 0;
	ssize_t n = 0;
	int rc = 0;

	if (copy == NULL)
		return -ENOMEM;
	while (rc == 0 && c->cancel == 0 && (n = tree_read(l->repo->tree, &l->hit.entry, off, COPY_LEN, copy)) > 0) {
		rc = fwrite(copy, 1, (size_t)n, stdout) == (size_t)n ? 0 : -EIO;
		off += (uint64_t)n;
	}
	free(copy);
	if (rc == 0 && n < 0)
		rc = (int)n;
	return rc == 0 && c->cancel != 0 ? -EINTR : rc;
}

/* Name of the last component, for the paths in the archive; "" for the snapshot's root. */
static char *base_name(const char *path)
{
	size_t len = strlen(path), begin;

	while (len > 0 && path[len - 1] == '/')
		len--;
	for (begin = len; begin > 0 && path[begin - 1] != '/'; begin--)
		;
	return strndup(path + begin, len - begin);
}

static int dump_tree(const struct cli *c, const struct located *l, int *status)
{
	struct tar_result result;
	char *name = base_name(l->path);
	int rc;

	if (name == NULL)
		return -ENOMEM;
	rc = tar_tree(l->repo->tree, &l->hit.entry, name, stdout, &c->log, &result);
	*status = result.status;
	free(name);
	return rc;
}

static int dump(struct cli *c, const struct located *l)
{
	int rc, status = EXIT_OK;

	if (l->hit.entry.type == ENTRY_REG) {
		rc = dump_file(c, l);
	} else if (l->hit.entry.type == ENTRY_DIR) {
		rc = dump_tree(c, l, &status);
	} else {
		cli_error(c, "%s: neither a file nor a directory", l->path);
		return EXIT_FAILED;
	}
	if (rc == -EBADMSG)
		return EXIT_DAMAGED;
	return rc == 0 ? status : cli_status(c, rc);
}

int cmd_dump(struct cli *c, int argc, char **argv)
{
	struct snapshot_filter filter = { 0 };
	struct located l;
	char **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, take, &filter, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	if (n != 1)
		return cli_usage(c, "one SNAP:PATH is needed");
	rc = located_open(c, args[0], &filter, &l);
	if (rc != 0)
		return rc;
	rc = dump(c, &l);
	located_close(&l);
	return rc;
}
