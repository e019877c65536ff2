/*
 * varve backup
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "repo/backup/backup.h"
#include "repo/util/text/when.h"
#include "tools/commands/commands.h"
#include "tools/cli/identity.h"
#include "tools/print/json.h"
#include "tools/print/progress.h"

/* For opened segments, bytes: a backup reads the parent's trees, each once and in order. */
#define SEGMENT_CACHE (16u * 1024 * 1024)

const char backup_details[] =
    "Absolute paths are stored absolute (/etc becomes etc/ below the snapshot's root), relative ones\n"
    "relative; \".\" stores the directory's contents at the root.  With --stdin-name, stdin or the output\n"
    "of CMD is stored as a file of that name. Exit status 3: the snapshot was made, but some items could\n"
    "not be read.";

const struct cli_option backup_options[] = {
	{ "host", 'H', "NAME", "host name of the snapshot (this machine's)" },
	{ "tag", 't', "TAG", "tag of the snapshot; may be given several times" },
	{ "time", 0, "TIME", "time of the snapshot (now)" },
	{ "exclude", 'e', "PATTERN", "leave out what matches; may be given several times" },
	{ "exclude-from", 0, "FILE", "read such patterns from FILE" },
	{ "exclude-caches", 0, NULL, "leave out the contents of directories with a CACHEDIR.TAG" },
	{ "exclude-nodump", 0, NULL, "leave out files with the nodump flag" },
	{ "one-file-system", 'x', NULL, "do not cross into other file systems" },
	{ "profile", 0, "NAME", "name of the job that makes this snapshot" },
	{ "parent", 0, "SNAP", "snapshot to compare with, or \"none\" (the newest of this host and these paths)" },
	{ "dry-run", 'n', NULL, "store nothing, say what would be" },
	{ "stdin-name", 0, "NAME", "store stdin, or the output of CMD, as NAME" },
	{ "compression", 0, "LEVEL", "zstd level, 1 to 19 (3)" },
	{ "threads", 0, "N", "worker threads (as the machine has processors)" },
	{ NULL, 0, NULL, NULL },
};

struct backup_args {
	struct cli *cli;
	struct backup_options o;
	struct match_list *exclude;
	const char *tags[256];
	const char *parent, *stdin_name;
	struct id parent_id;
	struct backup_progress progress;
	pid_t child; /* CMD of --stdin-name, or 0 */
};

/* --- Options ------------------------------------------------------------------------------------------------------ */

static int take_exclude(struct backup_args *a, const char *option, const char *value)
{
	bool file = strcmp(option, "exclude-from") == 0;
	int rc = file ? match_add_file(a->exclude, value) : match_add(a->exclude, value);

	if (rc == 0)
		return 0;
	return cli_usage(a->cli, "--%s %s: %s", option, value, rc == -EINVAL ? "not a valid pattern" : strerror(-rc));
}

static int take_number(struct cli *c, const char *option, const char *value, long least, long most, long *out)
{
	char *end;

	*out = strtol(value, &end, 10);
	if (*value == '\0' || *end != '\0' || *out < least || *out > most)
		return cli_usage(c, "--%s %s: not a number from %ld to %ld", option, value, least, most);
	return 0;
}

/* Hosts and tags are names of directories in the mount. */
static int check_label(struct cli *c, const char *option, const char *value)
{
	if (entry_name_valid(value, strlen(value)))
		return 0;
	return cli_usage(c, "--%s \"%s\": must be a name: not empty, no slash, not \".\" or \"..\"", option, value);
}

/* A relative path whose every part is a name. */
static int take_stdin_name(struct backup_args *a, const char *value)
{
	const char *p = value, *end;

	do {
		end = strchrnul(p, '/');
		if (!entry_name_valid(p, (size_t)(end - p)))
			return cli_usage(a->cli, "--stdin-name \"%s\": not a name or a relative path", value);
		p = end + 1;
	} while (*end != '\0');
	a->stdin_name = value;
	return 0;
}

static int take_tag(struct backup_args *a, const char *value)
{
	if (check_label(a->cli, "tag", value) != 0)
		return EXIT_USAGE;
	if (a->o.ntags == sizeof(a->tags) / sizeof(a->tags[0]))
		return cli_usage(a->cli, "too many tags");
	a->tags[a->o.ntags++] = value;
	return 0;
}

static int take_time(struct backup_args *a, const char *value)
{
	int rc = when_parse_first(value, a->cli->utc, when_now_ns(), &a->o.time_ns);

	return rc == 0 ? 0 : cli_usage(a->cli, "--time %s: %s", value, rc == -ERANGE ? WHEN_RANGE_TEXT : "not a time");
}

static void take_flag(struct backup_options *o, const char *option)
{
	if (strcmp(option, "exclude-caches") == 0)
		o->exclude_caches = true;
	else if (strcmp(option, "exclude-nodump") == 0)
		o->exclude_nodump = true;
	else if (strcmp(option, "one-file-system") == 0)
		o->one_file_system = true;
	else if (strcmp(option, "dry-run") == 0)
		o->dry_run = true;
}

static int take(void *arg, const char *option, const char *value)
{
	struct backup_args *a = arg;
	struct backup_options *o = &a->o;
	long n = 0;
	int rc = 0;

	if (value == NULL) {
		take_flag(o, option);
	} else if (strcmp(option, "host") == 0) {
		rc = check_label(a->cli, option, value);
		o->host = value;
	} else if (strcmp(option, "tag") == 0) {
		rc = take_tag(a, value);
	} else if (strcmp(option, "time") == 0) {
		rc = take_time(a, value);
	} else if (strncmp(option, "exclude", strlen("exclude")) == 0) {
		rc = take_exclude(a, option, value);
	} else if (strcmp(option, "profile") == 0) {
		o->profile = value;
	} else if (strcmp(option, "parent") == 0) {
		a->parent = value;
	} else if (strcmp(option, "stdin-name") == 0) {
		rc = take_stdin_name(a, value);
	} else if (strcmp(option, "compression") == 0) {
		rc = take_number(a->cli, option, value, 1, 19, &n);
		o->level = (int)n;
	} else if (strcmp(option, "threads") == 0) {
		rc = take_number(a->cli, option, value, 1, 256, &n);
		o->threads = (unsigned)n;
	}
	return rc;
}

/* --- What the backup tells ---------------------------------------------------------------------------------------- */

static void report_item(void *arg, const char *path, int err, const char *what)
{
	struct backup_args *a = arg;

	(void)err;
	cli_error(a->cli, "%s: %s", path, what);
}

static void report_entry(void *arg, char change, const char *path)
{
	(void)arg;
	printf("%c %s\n", change, path);
}

static void fill_progress(void *arg, struct progress_state *s)
{
	const struct backup_progress *p = arg;

	s->items = p->files + p->dirs + p->others;
	s->bytes = p->bytes;
	s->total_items = p->scan_items;
	s->total_bytes = p->scan_bytes;
	s->errors = p->errors;
}

static void print_json(const struct backup_args *a, const struct backup_result *r)
{
	json_value *o = json_new_object();

	json_set_text(o, "type", "summary");
	if (a->o.dry_run)
		json_set_text(o, "snapshot", NULL);
	else
		json_set_id(o, "snapshot", &r->snapshot);
	json_set_bool(o, "dry_run", a->o.dry_run);
	json_set_u64(o, "files", r->files);
	json_set_u64(o, "dirs", r->dirs);
	json_set_u64(o, "others", r->others);
	json_set_u64(o, "bytes", r->bytes);
	json_set_u64(o, "files_new", r->files_new);
	json_set_u64(o, "files_changed", r->files_changed);
	json_set_u64(o, "files_unchanged", r->files_unchanged);
	json_set_u64(o, "errors", r->errors);
	json_set_u64(o, "data_added", r->data_added);
	json_set_u64(o, "tree_added", r->tree_added);
	json_set_u64(o, "stored", r->stored_bytes);
	json_set_real(o, "seconds", (double)r->duration_ns / 1e9);
	json_print(o);
}

static void print_text(const struct backup_args *a, const struct backup_result *r)
{
	char total[SIZE_TEXT_SIZE], added[SIZE_TEXT_SIZE], stored[SIZE_TEXT_SIZE], hex[ID_HEX_SIZE];

	printf("%llu files, %llu directories, %llu others, %s (%llu new, %llu changed, %llu unchanged)\n",
	    (unsigned long long)r->files, (unsigned long long)r->dirs, (unsigned long long)r->others,
	    size_format(r->bytes, total), (unsigned long long)r->files_new, (unsigned long long)r->files_changed,
	    (unsigned long long)r->files_unchanged);
	printf("%s new, %s %s in %.1f s\n", size_format(r->data_added + r->tree_added, added),
	    size_format(r->stored_bytes, stored), a->o.dry_run ? "would be stored" : "stored",
	    (double)r->duration_ns / 1e9);
	if (r->errors > 0)
		printf("%llu items could not be read\n", (unsigned long long)r->errors);
	if (!a->o.dry_run)
		printf("snapshot %.8s\n", id_hex(&r->snapshot, hex));
}

/* --- Commands as a source ----------------------------------------------------------------------------------------- */

/* Start CMD with its stdout in a pipe; the reading end, or a negative errno. */
static int start_command(struct backup_args *a, char **argv)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
	a->child = fork();
	if (a->child == 0) {
		dup2(fds[1], STDOUT_FILENO);
		execvp(argv[0], argv);
		fprintf(stderr, "varve: %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(fds[1]);
	if (a->child > 0)
		return fds[0];
	a->child = 0;
	close(fds[0]);
	return -EAGAIN;
}

/* The stream has ended: it is worth a snapshot only if CMD is content. */
static int finish_command(void *arg)
{
	struct backup_args *a = arg;
	int status;

	if (a->child == 0)
		return 0;
	while (waitpid(a->child, &status, 0) < 0) {
		if (errno != EINTR)
			return -ECHILD;
	}
	a->child = 0;
	if (status == 0)
		return 0;
	if (WIFSIGNALED(status))
		cli_error(a->cli, "the command was ended by signal %d: no snapshot", WTERMSIG(status));
	else
		cli_error(a->cli, "the command ended with status %d: no snapshot", WEXITSTATUS(status));
	return -ECANCELED;
}

static int run_stream(struct backup_args *a, struct repo *r, int n, char **args, struct backup_result *out)
{
	int fd = STDIN_FILENO, rc;

	if (n > 0)
		fd = start_command(a, args);
	if (fd < 0) {
		cli_error(a->cli, "%s: %s", args[0], strerror(-fd));
		return fd;
	}
	rc = backup_stream(r, &a->o, fd, a->stdin_name, out);
	if (fd != STDIN_FILENO)
		close(fd);
	/* A command whose output nobody wants any more ends with its pipe. */
	if (a->child > 0)
		waitpid(a->child, NULL, 0);
	return rc;
}

/* --- Running ------------------------------------------------------------------------------------------------------ */

static int find_parent(struct backup_args *a, struct repo *r)
{
	struct snapshot_filter f = { 0 };
	struct manifest m;
	struct catalog *cat;
	int rc;

	if (a->parent == NULL)
		return 0;
	if (strcmp(a->parent, "none") == 0) {
		a->o.no_parent = true;
		return 0;
	}
	rc = repo_catalog(r, &cat);
	if (rc != 0)
		return cli_status(a->cli, rc);
	rc = cli_snapshot(a->cli, r, cat, a->parent, &f, &m, &a->parent_id);
	if (rc == 0)
		manifest_destroy(&m);
	a->o.parent = &a->parent_id;
	catalog_free(cat);
	return rc;
}

static int run(struct backup_args *a, int n, char **args)
{
	struct backup_result result = { .errors = 0 };
	struct progress *progress;
	struct repo *r;
	int rc;

	a->cli->segment_cache_bytes = SEGMENT_CACHE;
	rc = cli_open(a->cli, &r);
	if (rc != 0)
		return rc;
	rc = find_parent(a, r);
	if (rc == 0) {
		cli_catch_signals(a->cli);
		progress = progress_start(a->cli, "items", fill_progress, &a->progress);
		rc = a->stdin_name != NULL ? run_stream(a, r, n, args, &result) :
		    backup_paths(r, &a->o, (const char *const *)args, (size_t)n, &result);
		progress_stop(progress);
		if (rc == 0 && a->cli->json)
			print_json(a, &result);
		else if (rc == 0 && !a->cli->quiet)
			print_text(a, &result);
		if (rc == 0 && a->stdin_name == NULL)
			cli_warn_unused(a->cli, "exclude", a->exclude);
		rc = rc == 0 && result.errors > 0 ? EXIT_PARTIAL : cli_status(a->cli, rc);
	}
	repo_close(r);
	return rc;
}

int cmd_backup(struct cli *c, int argc, char **argv)
{
	struct backup_args a = { .cli = c };
	char host[256], user[256], **args;
	int n, rc;

	a.exclude = match_new();
	a.o.tags = a.tags;
	rc = cli_parse(c, argc, argv, take, &a, &n, &args);
	if (rc == 0 && n == 0 && a.stdin_name == NULL)
		rc = cli_usage(c, "nothing to back up: give at least one path");
	/* A path that is added out of habit must not be run as a command. */
	if (rc == 0 && n > 0 && a.stdin_name != NULL && strcmp(args[-1], "--") != 0)
		rc = cli_usage(c, "--stdin-name stores stdin, or the output of a command that stands behind \"--\"");
	if (rc == 0) {
		if (a.o.host == NULL)
			a.o.host = identity_host(host, sizeof(host));
		a.o.user = identity_user(user, sizeof(user));
		a.o.program = "varve " VARVE_VERSION;
		a.o.exclude = a.exclude;
		a.o.progress = &a.progress;
		a.o.cancel = &c->cancel;
		a.o.report = report_item;
		a.o.entry = c->verbose && !c->json ? report_entry : NULL;
		a.o.finish = finish_command;
		a.o.arg = &a;
		rc = run(&a, n, args);
	}
	match_free(a.exclude);
	return rc < 0 ? EXIT_OK : rc;
}
