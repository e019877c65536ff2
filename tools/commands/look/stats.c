/*
 * varve stats
 */
#include <errno.h>
#include <string.h>

#include "repo/query/walk.h"
#include "repo/util/text/when.h"
#include "tools/commands/commands.h"
#include "tools/print/json.h"
#include "tools/cli/located.h"

const struct cli_option stats_options[] = {
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

/* --- The repository ----------------------------------------------------------------------------------------------- */

struct repo_sizes {
	uint64_t packs, pack_bytes, trees, tree_bytes, runs, run_bytes, snapshots, snapshot_bytes, others, other_bytes;
};

static int count_object(void *arg, const char *name, uint64_t size)
{
	struct repo_sizes *s = arg;
	uint64_t *n = &s->others;

	if (strncmp(name, "packs/", 6) == 0)
		n = &s->packs;
	else if (strncmp(name, "trees/", 6) == 0)
		n = &s->trees;
	else if (strncmp(name, "index/", 6) == 0)
		n = &s->runs;
	else if (strncmp(name, "snapshots/", 10) == 0)
		n = &s->snapshots;
	n[0]++;
	n[1] += size;
	return 0;
}

static void print_line(const char *what, uint64_t n, uint64_t bytes)
{
	char size[SIZE_TEXT_SIZE];

	printf("%-14s %10llu  %12s\n", what, (unsigned long long)n, size_format(bytes, size));
}

static void print_repo(const struct cli *c, const struct repo_sizes *s, const struct index_stats *x)
{
	uint64_t all = s->pack_bytes + s->tree_bytes + s->run_bytes + s->snapshot_bytes + s->other_bytes;
	json_value *o;

	if (c->json) {
		o = json_new_object();
		json_set_u64(o, "bytes", all);
		json_set_u64(o, "packs", s->packs);
		json_set_u64(o, "pack_bytes", s->pack_bytes);
		json_set_u64(o, "tree_packs", s->trees);
		json_set_u64(o, "tree_bytes", s->tree_bytes);
		json_set_u64(o, "index_runs", s->runs);
		json_set_u64(o, "index_bytes", s->run_bytes);
		json_set_u64(o, "snapshots", s->snapshots);
		json_set_u64(o, "snapshot_bytes", s->snapshot_bytes);
		json_set_u64(o, "objects", x->objects);
		json_print(o);
		return;
	}
	print_line("data packs", s->packs, s->pack_bytes);
	print_line("tree packs", s->trees, s->tree_bytes);
	print_line("index runs", s->runs, s->run_bytes);
	print_line("snapshots", s->snapshots, s->snapshot_bytes);
	print_line("other", s->others, s->other_bytes);
	print_line("all", s->packs + s->trees + s->runs + s->snapshots + s->others, all);
	printf("%-14s %10llu\n", "objects", (unsigned long long)x->objects);
}

static int repo_stats(struct cli *c)
{
	struct repo_sizes s = { 0 };
	struct index_stats x = { 0 };
	struct repo *r;
	int rc;

	rc = cli_open(c, &r);
	if (rc != 0)
		return rc;
	rc = store_list(r->store, "", count_object, &s);
	if (rc == 0)
		rc = index_refresh(r->index);
	if (rc >= 0)
		rc = index_stats(r->index, &x);
	if (rc == 0)
		print_repo(c, &s, &x);
	repo_close(r);
	return cli_status(c, rc);
}

/* --- A snapshot --------------------------------------------------------------------------------------------------- */

struct tree_sizes {
	uint64_t files, dirs, symlinks, others, bytes, data_bytes, links;
};

static void count_entry(struct tree_sizes *s, const struct tree_entry *e)
{
	if (e->type == ENTRY_REG) {
		s->files++;
		s->bytes += e->size;
		s->data_bytes += e->data_bytes;
		s->links += e->nlink > 1;
	} else if (e->type == ENTRY_DIR) {
		s->dirs++;
	} else if (e->type == ENTRY_LNK) {
		s->symlinks++;
	} else {
		s->others++;
	}
}

static void print_tree(const struct cli *c, const struct tree_sizes *s)
{
	char a[SIZE_TEXT_SIZE], b[SIZE_TEXT_SIZE];
	json_value *o;

	if (c->json) {
		o = json_new_object();
		json_set_u64(o, "files", s->files);
		json_set_u64(o, "dirs", s->dirs);
		json_set_u64(o, "symlinks", s->symlinks);
		json_set_u64(o, "others", s->others);
		json_set_u64(o, "bytes", s->bytes);
		json_set_u64(o, "data_bytes", s->data_bytes);
		json_set_u64(o, "hard_linked_files", s->links);
		json_print(o);
		return;
	}
	printf("%llu files (%llu with several links), %llu directories, %llu symlinks, %llu others\n"
	    "%s, without holes %s\n",
	    (unsigned long long)s->files, (unsigned long long)s->links, (unsigned long long)s->dirs,
	    (unsigned long long)s->symlinks, (unsigned long long)s->others, size_format(s->bytes, a),
	    size_format(s->data_bytes, b));
}

static int snapshot_stats(struct cli *c, const char *spec, const struct snapshot_filter *f)
{
	struct tree_sizes s = { 0 };
	struct walk_item item;
	struct tree_walk *w = NULL;
	struct located l;
	int rc, status = EXIT_OK;

	rc = located_open(c, spec, f, &l);
	if (rc != 0)
		return rc;
	rc = tree_walk_begin(l.repo->tree, &l.hit.entry, &w);
	while (rc == 0 && (rc = tree_walk_next(w, &item)) == 1) {
		rc = 0;
		if (item.event == WALK_ENTRY)
			count_entry(&s, item.entry);
		else if (item.event == WALK_DAMAGED)
			status = cli_worse(status, item.err);
	}
	tree_walk_end(w);
	if (rc == 0)
		print_tree(c, &s);
	located_close(&l);
	return rc == 0 ? status : cli_status(c, rc);
}

int cmd_stats(struct cli *c, int argc, char **argv)
{
	struct snapshot_filter filter = { 0 };
	char **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, take, &filter, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	if (n > 1)
		return cli_usage(c, "one argument too many: %s", args[1]);
	return n == 0 ? repo_stats(c) : snapshot_stats(c, args[0], &filter);
}
