/*
 * Command lines and the configuration file.  The first byte chooses: the file; words of varvefs; words of varve,
 * beginning with the command.  Words have a newline between them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fs/options.h"
#include "tools/cli/config_file.h"
#include "tools/commands/commands.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORDS_MAX 32

static int nothing(struct cli *c, int argc, char **argv)
{
	(void)c;
	(void)argc;
	(void)argv;
	return 0;
}

const struct command commands[] = {
	{ "backup", "PATH...", "", NULL, backup_options, nothing },
	{ "restore", "SNAP", "", NULL, restore_options, nothing },
	{ "find", "PATTERN", "", NULL, find_options, nothing },
	{ "mount", "DIR", "", NULL, mount_options, nothing },
	{ "check", "", "", NULL, check_options, nothing },
	{ "key", "list", "", NULL, key_options, nothing },
	{ "unmount", "DIR", "", NULL, NULL, nothing },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};

/* Messages to people are nobody's here; what the sanitizers say goes past stdio. */
static void be_quiet(bool quiet)
{
	static FILE *null, *out, *err;

	if (null == NULL) {
		null = fopen("/dev/null", "we");
		out = stdout;
		err = stderr;
	}
	if (null == NULL)
		abort();
	stdout = quiet ? null : out;
	stderr = quiet ? null : err;
}

static int take(void *arg, const char *option, const char *value)
{
	size_t *n = arg;

	if (option == NULL || *option == '\0')
		abort();
	*n += strlen(option) + (value != NULL ? strlen(value) : 0);
	return 0;
}

static void read_arguments(int argc, char **argv)
{
	struct cli c = { .command = "" };
	const struct command *cmd = command_find(argv[0]);
	char **args;
	size_t n = 0;
	int nargs = -1, rc;

	if (cmd == NULL)
		cmd = commands;
	c.command = cmd->name;
	c.access.log = &c.log;
	rc = cli_parse(&c, argc, argv, take, &n, &nargs, &args);
	if (rc != 0 && rc != -1 && rc != EXIT_USAGE)
		abort();
	if (rc == 0 && (nargs < 0 || nargs >= argc || args[nargs] != NULL))
		abort();
	access_forget_replicas(&c.access);
}

static void read_mount(int argc, char **argv)
{
	struct fs_options o;
	char error[64] = "";
	int rc = fs_options_parse(argc, argv, &o, error, sizeof(error));

	if (rc != 0 && rc != -EINVAL && rc != -ENOMEM)
		abort();
	if ((rc == -EINVAL) != (error[0] != '\0') || strlen(error) >= sizeof(error))
		abort();
	if (rc == 0 && !o.help && !o.version && (o.url == NULL || o.mountpoint == NULL))
		abort();
	fs_options_destroy(&o);
}

static void read_file(const uint8_t *data, size_t size)
{
	struct config_file config = { 0 };
	struct cli c = { .command = "" };
	char path[32];
	int fd = memfd_create("config", MFD_CLOEXEC), rc;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	setenv("VARVE_CONFIG", path, 1);
	rc = config_file_load(&c, &config);
	if (rc != 0 && rc != EXIT_USAGE)
		abort();
	config_file_destroy(&config);
	close(fd);
}

static void read_words(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data + 1, size - 1), *rest = text, *argv[WORDS_MAX + 1];
	int argc = 0;

	if (text == NULL)
		return;
	while (argc < WORDS_MAX && rest != NULL)
		argv[argc++] = strsep(&rest, "\n");
	argv[argc] = NULL;
	if (data[0] == 'm')
		read_mount(argc, argv);
	else
		read_arguments(argc, argv);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > 8192)
		return 0;
	be_quiet(true);
	if (data[0] == 'c')
		read_file(data + 1, size - 1);
	else
		read_words(data, size);
	be_quiet(false);
	return 0;
}
