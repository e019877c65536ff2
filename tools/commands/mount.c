/*
 * varve mount, varve unmount: run varvefs, and end it.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/commands/commands.h"

const char mount_details[] =
    "Returns when the mount is usable.  See varvefs(8) for what is shown, and for all mount options.";

const struct cli_option mount_options[] = {
	{ "foreground", 'f', NULL, "stay in the foreground" },
	{ "options", 'o', "OPTS", "mount options, comma separated" },
	{ "snapshot", 0, "SNAP[:PATH]", "mount only this" },
	{ NULL, 0, NULL, NULL },
};

struct mount_args {
	bool foreground;
	struct buf given;   /* comma separated */
	struct buf options; /* all that varvefs gets */
};

static int add_option(struct buf *b, const char *name, const char *value)
{
	int rc = b->len > 0 ? buf_u8(b, ',') : 0;

	if (rc == 0)
		rc = buf_append(b, name, strlen(name));
	for (; rc == 0 && value != NULL && *value != '\0'; value++) {
		if (*value == ',' || *value == '\\')
			rc = buf_u8(b, '\\');
		if (rc == 0)
			rc = buf_u8(b, (uint8_t)*value);
	}
	return rc == 0 ? 0 : EXIT_FAILED;
}

static int take(void *arg, const char *option, const char *value)
{
	struct mount_args *a = arg;

	if (strcmp(option, "foreground") == 0)
		a->foreground = true;
	else if (strcmp(option, "options") == 0)
		return add_option(&a->given, value, NULL);
	else if (strcmp(option, "snapshot") == 0)
		return add_option(&a->given, "snapshot=", value);
	return 0;
}

/*
 * What was given to this program, or stands in its configuration file, goes on to varvefs, but what -o says comes last
 * and counts; secrets by the name of their file only.
 */
static int pass_on(struct cli *c, struct mount_args *a)
{
	const struct { const char *name, *value; } settings[] = {
		{ "password_file=", c->access.password_file },
		{ "key_file=", c->access.key_file },
		{ "cache_dir=", c->access.cache_dir },
		{ "cache_disk=", c->access.cache_size },
		{ "ca_file=", c->access.ca_file },
		{ "limit_download=", c->access.limit_download },
		{ "deadline=", c->access.deadline },
	};
	struct store_options store = { 0 };
	int rc = access_store_replicas(&c->access, &store) == 0 ? 0 : EXIT_USAGE;

	for (size_t i = 0; rc == 0 && i < sizeof(settings) / sizeof(settings[0]); i++)
		if (settings[i].value != NULL)
			rc = add_option(&a->options, settings[i].name, settings[i].value);
	for (unsigned i = 0; rc == 0 && i < store.nreplicas; i++)
		rc = add_option(&a->options, "replica=", store.replicas[i]);
	if (rc == 0 && c->utc)
		rc = add_option(&a->options, "utc", NULL);
	if (rc == 0 && c->offline)
		rc = add_option(&a->options, "offline", NULL);
	if (rc == 0 && a->given.len > 0 && (rc = buf_u8(&a->given, 0)) == 0)
		rc = add_option(&a->options, (const char *)a->given.data, NULL);
	if (rc == 0)
		rc = buf_u8(&a->options, 0);
	return rc == 0 || rc == EXIT_USAGE ? rc : EXIT_FAILED;
}

/* varvefs stands beside this program, or on the path. */
static void exec_varvefs(char **argv)
{
	char self[PATH_MAX], beside[PATH_MAX + 16];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = '\0';
		snprintf(beside, sizeof(beside), "%s/varvefs", dirname(self));
		execv(beside, argv);
	}
	execvp("varvefs", argv);
}

int cmd_mount(struct cli *c, int argc, char **argv)
{
	struct mount_args a = { .foreground = false };
	const char *url;
	char **args, *child[8];
	int n, rc, i = 0;

	rc = cli_parse(c, argc, argv, take, &a, &n, &args);
	if (rc == 0 && n != 1)
		rc = cli_usage(c, "one directory is needed");
	if (rc != 0)
		goto out;
	url = access_url(&c->access);
	if (url == NULL) {
		rc = cli_usage(c, "no repository given: --repo URL or $VARVE_REPOSITORY");
		goto out;
	}
	rc = pass_on(c, &a);
	if (rc != 0)
		goto out;
	child[i++] = strdup("varvefs");
	child[i++] = strdup(url);
	child[i++] = strdup(args[0]);
	if (a.foreground)
		child[i++] = strdup("-f");
	if (a.options.len > 1) {
		child[i++] = strdup("-o");
		child[i++] = (char *)a.options.data;
	}
	child[i] = NULL;
	exec_varvefs(child);
	cli_error(c, "varvefs: %s", strerror(errno));
	rc = EXIT_FAILED;
out:
	buf_free(&a.given);
	buf_free(&a.options);
	return rc < 0 ? EXIT_OK : rc;
}

/* --- Unmount ------------------------------------------------------------------------------------------------------ */

enum { NOT_STARTED = 127 }; /* exit status of a child that could not become another program, as of sh(1) */

/* The child's part. */
static void exec_fusermount(const struct cli *c, const char *dir)
{
	int err;

	execlp("fusermount3", "fusermount3", "-u", "--", dir, (char *)NULL);
	err = errno;
	execlp("fusermount", "fusermount", "-u", "--", dir, (char *)NULL);
	cli_error(c, "fusermount3: %s", strerror(err));
	_exit(NOT_STARTED);
}

/* Only root may unmount; others have a program with root's rights do it.  An exit status, after a message. */
static int run_fusermount(const struct cli *c, const char *dir)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		exec_fusermount(c, dir);
	if (child < 0) {
		cli_error(c, "fusermount3: cannot be started: %s", strerror(errno));
		return EXIT_FAILED;
	}
	while (waitpid(child, &status, 0) < 0) {
		if (errno == EINTR)
			continue;
		cli_error(c, "fusermount3: %s", strerror(errno));
		return EXIT_FAILED;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return EXIT_OK;
	if (WIFSIGNALED(status))
		cli_error(c, "%s: not unmounted: fusermount3 was ended by signal %d", dir, WTERMSIG(status));
	else if (WEXITSTATUS(status) != NOT_STARTED)
		cli_error(c, "%s: not unmounted: fusermount3 ended with status %d", dir, WEXITSTATUS(status));
	return EXIT_FAILED;
}

int cmd_unmount(struct cli *c, int argc, char **argv)
{
	char **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, NULL, NULL, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	if (n != 1)
		return cli_usage(c, "one directory is needed");
	if (geteuid() != 0)
		return run_fusermount(c, args[0]);
	if (umount2(args[0], UMOUNT_NOFOLLOW) == 0)
		return EXIT_OK;
	cli_error(c, "%s: %s", args[0], errno == EINVAL ? "not mounted" :
	    errno == EBUSY ? "in use: somebody has files open or is in a directory of it" : strerror(errno));
	return EXIT_FAILED;
}
