/*
 * mktree: generate a tree with everything that a backup may lose, or change a tree in the ways that trees change.
 *
 * Exit status: 0 done (left-out items are told on stderr), 2 failed or wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/tools/mktree/gen.h"

static const char usage[] =
	"usage: mktree [OPTION]... DIR          fill DIR, which is made or empty\n"
	"       mktree --mutate SEED [--rounds N] [--sneaky] DIR\n"
	"\n"
	"  --seed N             the same seed makes the same tree (default 1)\n"
	"  --chunk MIN,AVG,MAX  sizes around which files are made (default 128K,512K,2M)\n"
	"  --segment SIZE       another such size (default 256K)\n"
	"  --huge SIZE          a sparse file of that size with a few kB in it\n"
	"  --wide N             a directory of N entries\n"
	"  --tall N             a tree of N levels\n"
	"  --only NAME,...      these sections only\n"
	"  --skip NAME,...      not these: types links modes owners times xattrs acls unreadable\n"
	"                       sizes contents sparse comb reserved names order long huge wide tall\n"
	"  --mutate SEED        change an existing tree; each change is one line on stdout\n"
	"  --rounds N           make each kind of change N times (default 5)\n"
	"  --sneaky             change contents only, and keep size and mtime\n"
	"  --help\n";

struct section {
	const char *name;
	void (*make)(struct gen *g, int dir);
};

static const struct section sections[] = {
	{ "types", gen_types },
	{ "links", gen_links },
	{ "modes", gen_modes },
	{ "owners", gen_owners },
	{ "times", gen_times },
	{ "xattrs", gen_xattrs },
	{ "acls", gen_acls },
	{ "unreadable", gen_unreadable },
	{ "sizes", gen_sizes },
	{ "contents", gen_contents },
	{ "sparse", gen_sparse },
	{ "comb", gen_comb },
	{ "reserved", gen_reserved },
	{ "names", gen_names },
	{ "order", gen_order },
	{ "long", gen_long },
	{ "huge", gen_huge },
	{ "wide", gen_wide },
	{ "tall", gen_tall },
};

#define NSECTIONS (sizeof(sections) / sizeof(sections[0]))

enum {
	OPT_SEED = 256,
	OPT_CHUNK,
	OPT_SEGMENT,
	OPT_HUGE,
	OPT_WIDE,
	OPT_TALL,
	OPT_ONLY,
	OPT_SKIP,
	OPT_MUTATE,
	OPT_ROUNDS,
	OPT_SNEAKY,
	OPT_HELP,
};

static const struct option options[] = {
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "chunk", required_argument, NULL, OPT_CHUNK },
	{ "segment", required_argument, NULL, OPT_SEGMENT },
	{ "huge", required_argument, NULL, OPT_HUGE },
	{ "wide", required_argument, NULL, OPT_WIDE },
	{ "tall", required_argument, NULL, OPT_TALL },
	{ "only", required_argument, NULL, OPT_ONLY },
	{ "skip", required_argument, NULL, OPT_SKIP },
	{ "mutate", required_argument, NULL, OPT_MUTATE },
	{ "rounds", required_argument, NULL, OPT_ROUNDS },
	{ "sneaky", no_argument, NULL, OPT_SNEAKY },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

struct settings {
	struct gen gen;
	struct mutate_options mutate;
	uint64_t seed;
	bool mutating;
	bool leave_out[NSECTIONS];
};

/* Set ${leave_out} of the sections in ${list} to ${value}. */
static void mark_sections(struct settings *s, char *list, bool value)
{
	char *rest = NULL;

	for (char *word = strtok_r(list, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		size_t i = 0;

		while (i < NSECTIONS && strcmp(sections[i].name, word) != 0)
			i++;
		if (i == NSECTIONS)
			die("no such section: %s", word);
		s->leave_out[i] = value;
	}
}

static void parse_chunk(struct gen *g, char *list)
{
	uint64_t *const to[3] = { &g->chunk_min, &g->chunk_avg, &g->chunk_max };
	char *rest = NULL;

	for (int i = 0; i < 3; i++) {
		const char *word = strtok_r(i ? NULL : list, ",", &rest);

		if (!word)
			die("--chunk: three sizes, please");
		*to[i] = parse_size("--chunk", word);
		if (*to[i] == 0)
			die("--chunk: 0 is no size");
	}
}

static void set_option(struct settings *s, int which)
{
	switch (which) {
	case OPT_SEED:
		s->seed = parse_size("--seed", optarg);
		break;
	case OPT_CHUNK:
		parse_chunk(&s->gen, optarg);
		break;
	case OPT_SEGMENT:
		s->gen.segment = parse_size("--segment", optarg);
		break;
	case OPT_HUGE:
		s->gen.huge = parse_size("--huge", optarg);
		if (s->gen.huge < 1 << 30)
			die("--huge: at least 1G");
		break;
	case OPT_WIDE:
		s->gen.wide = parse_size("--wide", optarg);
		break;
	case OPT_TALL:
		s->gen.tall = parse_size("--tall", optarg);
		break;
	case OPT_ONLY:
		memset(s->leave_out, true, sizeof(s->leave_out));
		mark_sections(s, optarg, false);
		break;
	case OPT_SKIP:
		mark_sections(s, optarg, true);
		break;
	case OPT_MUTATE:
		s->mutating = true;
		s->mutate.seed = parse_size("--mutate", optarg);
		break;
	case OPT_ROUNDS:
		s->mutate.rounds = parse_size("--rounds", optarg);
		break;
	case OPT_SNEAKY:
		s->mutate.sneaky = true;
		break;
	case OPT_HELP:
		fputs(usage, stdout);
		exit(0);
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

static int open_root(const char *path, bool make)
{
	struct names n;
	int fd, rc;

	if (make && mkdir(path, 0755) < 0 && errno != EEXIST)
		die_errno("mkdir %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die_errno("%s", path);
	if (!make)
		return fd;
	rc = names_read(fd, &n);
	if (rc < 0 || n.count > 0)
		die("%s: %s", path, rc < 0 ? strerror(-rc) : "is not empty");
	names_free(&n);
	return fd;
}

static bool wanted(const struct settings *s, size_t i)
{
	const struct gen *g = &s->gen;

	if (s->leave_out[i])
		return false;
	return !(sections[i].make == gen_huge && !g->huge) && !(sections[i].make == gen_wide && !g->wide) &&
	       !(sections[i].make == gen_tall && !g->tall);
}

static void generate(struct settings *s, int root)
{
	struct gen *g = &s->gen;

	umask(022);
	for (size_t i = 0; i < NSECTIONS; i++) {
		int dir;

		if (!wanted(s, i))
			continue;
		/* Each section has numbers of its own, so that leaving one out does not change the others. */
		rng_init(&g->rng, s->seed * 1000003 + i);
		dir = gen_dir(root, sections[i].name);
		sections[i].make(g, dir);
		gen_done(g, dir, 0755);
	}
	rng_init(&g->rng, s->seed);
	gen_done(g, root, 0755);
	if (g->skipped)
		fprintf(stderr, "mktree: %" PRIu64 " items left out\n", g->skipped);
}

int main(int argc, char **argv)
{
	struct settings s = {
		.gen = { .chunk_min = 128 << 10, .chunk_avg = 512 << 10, .chunk_max = 2 << 20, .segment = 256 << 10 },
		.mutate = { .rounds = 5 },
		.seed = 1,
	};
	int which, root;

	while ((which = getopt_long(argc, argv, "", options, NULL)) != -1)
		set_option(&s, which);
	if (argc - optind != 1)
		set_option(&s, '?');
	root = open_root(argv[optind], !s.mutating);
	if (!s.mutating) {
		generate(&s, root);
		return 0;
	}
	if (mutate_tree(root, &s.mutate) == 0)
		die("%s: nothing in it could be changed", argv[optind]);
	if (fflush(stdout) || ferror(stdout))
		die_errno("standard output");
	close(root);
	return 0;
}
