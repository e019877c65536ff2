/*
 * treecmp: are two directory trees the same?  Field by field, at any depth and width, with one line a difference.
 *
 * Exit status: 0 the same, 1 differences, 2 something could not be looked at or wrong usage.
 */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/treecmp/cmp.h"

static const char usage[] =
	"usage: treecmp [OPTION]... A B\n"
	"Compares two directory trees.  Prints each difference as: \"path\": field: A != B\n"
	"\n"
	"  --holes exact|logical|none  hole maps: equal (default); or each hole of A from 64 KiB on must be a hole\n"
	"                              of B, and no data of A a hole of B; or not at all\n"
	"  --nlink                     compare link counts (not of directories)\n"
	"  --blocks N                  compare st_blocks, and accept N of them more or less\n"
	"  --dirent                    readdir must tell the type and inode that stat tells (not across mount points)\n"
	"  --all-inodes                find inode numbers used twice, at the price of memory for each file\n"
	"  --read-holes                read the ends of what both call a hole too\n"
	"  --no-data                   do not read files (as --ignore data)\n"
	"  --ignore FIELD,...          name type mode uid gid nlink size mtime rdev target xattr links inode dirent\n"
	"                              holes blocks data\n"
	"  --ignore-xattr PATTERN      leave out these attributes (may be repeated)\n"
	"  --extra-in-b                names that only B has are no differences\n"
	"  --ignore-root               the attributes of A and B themselves do not count\n"
	"  --max N                     print the first N differences only (all are counted)\n"
	"  --help\n";

enum {
	OPT_HOLES = 256,
	OPT_NLINK,
	OPT_BLOCKS,
	OPT_DIRENT,
	OPT_ALL_INODES,
	OPT_READ_HOLES,
	OPT_NO_DATA,
	OPT_IGNORE,
	OPT_IGNORE_XATTR,
	OPT_EXTRA_IN_B,
	OPT_IGNORE_ROOT,
	OPT_MAX,
	OPT_HELP,
};

static const struct option options[] = {
	{ "holes", required_argument, NULL, OPT_HOLES },
	{ "nlink", no_argument, NULL, OPT_NLINK },
	{ "blocks", required_argument, NULL, OPT_BLOCKS },
	{ "dirent", no_argument, NULL, OPT_DIRENT },
	{ "all-inodes", no_argument, NULL, OPT_ALL_INODES },
	{ "read-holes", no_argument, NULL, OPT_READ_HOLES },
	{ "no-data", no_argument, NULL, OPT_NO_DATA },
	{ "ignore", required_argument, NULL, OPT_IGNORE },
	{ "ignore-xattr", required_argument, NULL, OPT_IGNORE_XATTR },
	{ "extra-in-b", no_argument, NULL, OPT_EXTRA_IN_B },
	{ "ignore-root", no_argument, NULL, OPT_IGNORE_ROOT },
	{ "max", required_argument, NULL, OPT_MAX },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

static void ignore_fields(struct cmp_options *opt, char *list)
{
	char *rest = NULL;

	for (char *word = strtok_r(list, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		int f = 0;

		while (f < NFIELDS && strcmp(cmp_field_names[f], word) != 0)
			f++;
		if (f == NFIELDS)
			die("--ignore: no such field: %s", word);
		opt->ignore[f] = true;
	}
}

static void ignore_xattr(struct cmp_options *opt, const char *pattern)
{
	size_t size = (opt->nignore_xattr + 1) * sizeof(*opt->ignore_xattr);

	opt->ignore_xattr = xrealloc(opt->ignore_xattr, size);
	opt->ignore_xattr[opt->nignore_xattr++] = pattern;
}

static enum hole_mode parse_holes(const char *word)
{
	if (strcmp(word, "exact") == 0)
		return HOLES_EXACT;
	if (strcmp(word, "logical") == 0)
		return HOLES_LOGICAL;
	if (strcmp(word, "none") != 0)
		die("--holes: exact, logical or none, not %s", word);
	return HOLES_NONE;
}

static void set_option(struct cmp_options *opt, int which)
{
	switch (which) {
	case OPT_HOLES:
		opt->holes = parse_holes(optarg);
		break;
	case OPT_NLINK:
		opt->ignore[FIELD_NLINK] = false;
		break;
	case OPT_BLOCKS:
		opt->ignore[FIELD_BLOCKS] = false;
		opt->blocks_slack = parse_size("--blocks", optarg);
		break;
	case OPT_DIRENT:
		opt->ignore[FIELD_DIRENT] = false;
		break;
	case OPT_ALL_INODES:
		opt->all_inodes = true;
		break;
	case OPT_READ_HOLES:
		opt->read_holes = true;
		break;
	case OPT_NO_DATA:
		opt->ignore[FIELD_DATA] = true;
		break;
	case OPT_IGNORE:
		ignore_fields(opt, optarg);
		break;
	case OPT_IGNORE_XATTR:
		ignore_xattr(opt, optarg);
		break;
	case OPT_EXTRA_IN_B:
		opt->extra_in_b = true;
		break;
	case OPT_IGNORE_ROOT:
		opt->ignore_root = true;
		break;
	case OPT_MAX:
		opt->max = parse_size("--max", optarg);
		break;
	case OPT_HELP:
		fputs(usage, stdout);
		exit(0);
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

static int open_root(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		die_errno("%s", path);
	return fd;
}

int main(int argc, char **argv)
{
	struct cmp c = { .opt = { .holes = HOLES_EXACT, .max = UINT64_MAX } };
	int which, root_a, root_b;

	c.opt.ignore[FIELD_NLINK] = c.opt.ignore[FIELD_BLOCKS] = c.opt.ignore[FIELD_DIRENT] = true;
	while ((which = getopt_long(argc, argv, "", options, NULL)) != -1)
		set_option(&c.opt, which);
	if (argc - optind != 2)
		set_option(&c.opt, '?');
	for (int i = 0; i < 2; i++) {
		c.root[i] = argv[optind + i];
		c.buf[i] = xmalloc(CMP_BUF);
	}
	root_a = open_root(c.root[0]);
	root_b = open_root(c.root[1]);
	c.links = links_new();
	cmp_walk(&c, root_a, root_b);
	printf("%" PRIu64 " differences, %" PRIu64 " errors in %" PRIu64 " entries, %" PRIu64 " bytes compared\n",
		c.differences, c.errors, c.entries, c.bytes);
	links_free(c.links);
	str_free(&c.path);
	free(c.buf[0]);
	free(c.buf[1]);
	free(c.opt.ignore_xattr);
	if (fflush(stdout) || ferror(stdout))
		die_errno("standard output");
	return c.errors ? 2 : c.differences ? 1 : 0;
}
