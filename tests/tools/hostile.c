/*
 * hostile: a writer who means harm.  It holds the owner's key of the repository of the environment (as varve), and
 * publishes snapshots whose objects are well sealed and signed, and say what no honest writer says.
 *
 *   hostile OUTSIDE     a snapshot for each case; OUTSIDE is the path of a directory that some point to
 *
 * Prints "NAME ID FAULT" for each, FAULT being "bad" if something must be complained of when all of it is read, else
 * "odd".
 */
#include <stdlib.h>

#include "repo/access/access.h"
#include "repo/object/writer.h"
#include "repo/repo.h"
#include "repo/snapshot/manifest/manifest.h"
#include "repo/util/text/when.h"
#include "tests/tools/hostile/hostile.h"
#include "tests/tools/lib/tool.h"

/* --- Snapshots ---------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	case_fn *make;
	bool odd;
} cases[] = {
	{ "slash", slash, false },
	{ "absolute", absolute, false },
	{ "dotdot", dotdot, false },
	{ "dot", dot, false },
	{ "nul", nul, false },
	{ "duplicate", duplicate, false },
	{ "unsorted", unsorted, false },
	{ "empty-name", empty_name, false },
	{ "long-name", long_name, false },
	{ "unknown-type", unknown_type, false },
	{ "mode-bits", mode_bits, false },
	{ "xattrs-len", xattrs_len, false },
	{ "spans-len", spans_len, false },
	{ "count-huge", count_huge, false },
	{ "target-nul", target_nul, false },
	{ "below-lies", below_lies, false },
	{ "below-huge", below_huge, false },
	{ "root-lies", root_lies, false },
	{ "missing-child", missing_child, false },
	{ "mixed-kinds", mixed_kinds, false },
	{ "same-level", same_level, false },
	{ "other-names", other_names, false },
	{ "long-span", long_span, false },
	{ "short-span", short_span, false },
	{ "missing-chunk", missing_chunk, false },
	{ "tree-as-data", tree_as_data, false },
	{ "data-bomb", data_bomb, false },
	{ "tree-bomb", tree_bomb, false },
	{ "xattr-bomb", xattr_bomb, false },
	{ "xattr-is-page", xattr_is_page, false },
	{ "deep", deep, true },
	{ "doubled", doubled, true },
	{ "huge-file", huge_file, true },
	{ "linked", linked, true },
};

static void add_string(char **to, const char *text)
{
	free(*to);
	*to = xstrdup(text);
}

/* Strings that go into file names and to terminals. */
static void fill(struct manifest *m, const char *name, unsigned n)
{
	static const char *const hosts[] = { "host", "../../../tmp/host", "..", ".", "a/b", "\033[31mred\033[0m\n" };

	m->time_ns = n % 8 == 7 ? INT64_MAX - n : n % 8 == 6 ? INT64_MIN + n : when_now_ns();
	add_string(&m->host, hosts[n % (sizeof(hosts) / sizeof(hosts[0]))]);
	add_string(&m->user, "../root");
	lab_want(manifest_add_tag(m, "hostile"), "add a tag");
	lab_want(manifest_add_tag(m, n % 2 ? "../../tag\n" : "."), "add a tag");
	lab_want(manifest_add_path(m, "/src/\033[2J/../.."), "add a path");
	add_string(&m->profile, name);
}

static void publish(struct lab *l, unsigned n, const struct id *child, uint64_t below)
{
	struct tree_entry root = lab_dir("root", child, below);
	char name[SNAPSHOT_NAME_SIZE], hex[ID_HEX_SIZE];
	struct buf object = BUF_INIT;
	struct manifest m;
	struct id id;

	manifest_init(&m);
	fill(&m, cases[n].name, n);
	lab_want(manifest_set_root(&m, &root), "set the root");
	lab_want(manifest_seal(&m, l->repo->secrets, l->repo->metadata, &object, &id), "seal the manifest");
	lab_want(store_put(l->repo->store, snapshot_object_name(&id, name), object.data, object.len, 0),
	    "put a manifest");
	printf("%s %s %s\n", cases[n].name, id_hex(&id, hex), cases[n].odd ? "odd" : "bad");
	manifest_destroy(&m);
	buf_free(&object);
}

/* --- Program ------------------------------------------------------------------------------------------------------ */

static void write_log(void *arg, enum log_level level, const char *message)
{
	(void)arg;
	(void)level;
	fprintf(stderr, "hostile: %s\n", message);
}

static void open_lab(struct lab *l)
{
	static const struct log log = { write_log, NULL, LOG_LEVEL_WARNING };
	struct access access = { .no_prompt = true, .log = &log };
	struct repo_options ro = { .credentials = access_credentials, .arg = &access, .log = &log, .exact = true };
	struct object_writer_options o = { .log = &log, .level = 3 };
	char *cache_dir = access_cache_dir(&access);

	ro.store.url = access_url(&access);
	ro.cache_dir = cache_dir;
	if (ro.store.url == NULL || repo_open(&ro, &l->repo) < 0)
		die("no repository");
	access_destroy(&access);
	free(cache_dir);
	o.store = l->repo->store;
	o.index = l->repo->index;
	o.data = l->repo->data;
	o.metadata = l->repo->metadata;
	o.object_id = l->repo->object_id;
	o.tree_id = l->repo->tree_id;
	o.segment_size = l->repo->config.segment_size;
	o.pack_size = l->repo->config.pack_size;
	lab_want(object_writer_open(&o, &l->writer), "open the writer");
}

int main(int argc, char **argv)
{
	struct id child[sizeof(cases) / sizeof(cases[0])];
	uint64_t below[sizeof(cases) / sizeof(cases[0])];
	struct lab lab = { .outside = argc == 2 ? argv[1] : NULL };

	if (lab.outside == NULL)
		die("usage: hostile OUTSIDE");
	open_lab(&lab);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct root r = { .page = BUF_INIT };

		cases[i].make(&lab, &r);
		child[i] = lab_put_tree(&lab, r.page.data, r.page.len);
		below[i] = r.below;
		buf_free(&r.page);
	}
	lab_want(object_writer_finish(lab.writer), "finish");
	object_writer_close(lab.writer);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		publish(&lab, i, &child[i], below[i]);
	repo_close(lab.repo);
	return 0;
}
