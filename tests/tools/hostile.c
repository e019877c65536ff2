/*
 * hostile: a writer who means harm.  It holds the owner's key of the repository of the environment (as varve), and
 * publishes snapshots whose objects are well sealed and signed, and say what no honest writer says.
 *
 *   hostile OUTSIDE     a snapshot for each case; OUTSIDE is the path of a directory that some point to
 *
 * Prints "NAME ID FAULT" for each, FAULT being "bad" if something must be complained of when all of it is read, else
 * "odd".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/access/access.h"
#include "repo/object/compress.h"
#include "repo/object/writer.h"
#include "repo/repo.h"
#include "repo/snapshot/manifest/manifest.h"
#include "repo/tree/page/page_layout.h"
#include "repo/tree/span/span_layout.h"
#include "repo/util/text/when.h"
#include "tests/tools/lib/tool.h"

#define BOMB_LEN (64u * 1024 * 1024)
#define DEPTH 5000   /* directories in each other */
#define DOUBLINGS 30 /* directories that have their forerunner twice */

struct lab {
	struct repo *repo;
	struct object_writer *writer;
	const char *outside;
};

/* A root directory being made: the bytes of its page, and how many entries are said to be below. */
struct root {
	struct buf page;
	uint64_t below;
};

typedef void case_fn(struct lab *, struct root *);

static void want(int rc, const char *what)
{
	if (rc < 0)
		die("%s: %s", what, strerror(-rc));
}

/* --- Making objects ----------------------------------------------------------------------------------------------- */

static struct id put_tree(struct lab *l, const void *data, size_t len)
{
	struct id id;

	want(object_writer_put(l->writer, data, len, &id), "put a tree object");
	return id;
}

static struct id put_data(struct lab *l, const char *text)
{
	struct segment_builder *b = segment_builder_new(PACK_DATA, l->repo->config.segment_size, 3);
	struct segment_out *out = NULL;
	struct id id;
	int rc = object_claim(l->writer, PACK_DATA, text, strlen(text), &id);

	want(rc, "name data");
	if (rc == 1)
		want(segment_builder_add(b, &id, text, (uint32_t)strlen(text), &out), "add data");
	if (rc == 1)
		want(segment_builder_flush(b, &out), "finish data");
	if (out != NULL)
		want(object_writer_add_segment(l->writer, out), "store data");
	segment_builder_free(b);
	return id;
}

/* An object of a random name in a segment that says ${len} bytes and expands to far more. */
static struct id put_bomb(struct lab *l, enum pack_kind kind, uint32_t len)
{
	struct compressor *c = compressor_new(19);
	uint8_t *zeros = calloc(1, BOMB_LEN), *body = xmalloc(compress_bound(BOMB_LEN));
	struct segment_out *s = calloc(1, sizeof(*s));
	struct id id;
	size_t n;

	if (c == NULL || zeros == NULL || s == NULL)
		die("no memory");
	n = compress_segment(c, zeros, BOMB_LEN, body, compress_bound(BOMB_LEN));
	*s = (struct segment_out){ .kind = kind, .plain_len = len, .nboxes = 1, .nobjects = 1 };
	s->box_len[0] = (uint32_t)n;
	s->objects = calloc(1, sizeof(*s->objects));
	want(buf_append(&s->bytes, body, n + CRYPT_TAG_LEN), "make a bomb");
	crypt_random(&id, sizeof(id));
	s->objects[0] = (struct segment_object){ .id = id, .len = len };
	want(object_writer_add_segment(l->writer, s), "store a bomb");
	compressor_free(c);
	free(zeros);
	free(body);
	return id;
}

static struct tree_entry entry(uint8_t type, const char *name)
{
	return (struct tree_entry){ .name = name, .name_len = (uint16_t)strlen(name), .type = type, .nlink = 1,
		.mode = type == ENTRY_DIR ? 0755 : 0644, .ino = 1 };
}

static struct tree_entry link_to(const char *name, const char *target)
{
	struct tree_entry e = entry(ENTRY_LNK, name);

	e.target = target;
	e.target_len = (uint16_t)strlen(target);
	return e;
}

static struct tree_entry dir_of(const char *name, const struct id *child, uint64_t below)
{
	struct tree_entry e = entry(ENTRY_DIR, name);

	e.flags = ENTRY_HAS_CHILD;
	e.child = *child;
	e.below = below;
	return e;
}

/* A file with one span.  ${record} must stay as long as the entry. */
static struct tree_entry file_of(const char *name, const struct id *chunk, uint32_t len,
    uint8_t record[SPAN_RECORD_LEN])
{
	struct tree_entry e = entry(ENTRY_REG, name);
	struct span s = { .len = len, .id = *chunk };

	span_encode(&s, record);
	e.size = e.data_bytes = len;
	e.spans = record;
	e.nspans = 1;
	return e;
}

static void make_page(struct root *r, const struct tree_entry *e, unsigned n)
{
	struct tree_page_builder b;

	tree_page_builder_init(&b, 0);
	for (unsigned i = 0; i < n; i++)
		want(tree_page_builder_add(&b, &e[i]), "add an entry");
	r->below = b.total;
	want(tree_page_builder_finish(&b, &r->page), "make a page");
	tree_page_builder_destroy(&b);
}

static struct id put_page(struct lab *l, const struct tree_entry *e, unsigned n)
{
	struct root r = { .page = BUF_INIT };
	struct id id;

	make_page(&r, e, n);
	id = put_tree(l, r.page.data, r.page.len);
	buf_free(&r.page);
	return id;
}

/* A directory's page with a harmless file. */
static struct id harmless(struct lab *l)
{
	uint8_t record[SPAN_RECORD_LEN];
	struct id chunk = put_data(l, "harmless\n");
	struct tree_entry e = file_of("harmless", &chunk, 9, record);

	return put_page(l, &e, 1);
}

/* Two files, and one byte or more of the page changed: ${from} is there once. */
static void patched(struct lab *l, struct root *r, const char *a, const char *b, const char *from, const char *to,
    size_t len)
{
	uint8_t record[2][SPAN_RECORD_LEN];
	struct id chunk = put_data(l, "PLANTED\n");
	struct tree_entry e[2] = { file_of(a, &chunk, 8, record[0]), file_of(b, &chunk, 8, record[1]) };
	uint8_t *at;

	make_page(r, e, 2);
	at = memmem(r->page.data, r->page.len, from, len);
	if (at == NULL)
		die("nothing to patch");
	memcpy(at, to, len);
}

/* --- Names -------------------------------------------------------------------------------------------------------- */

static void slash(struct lab *l, struct root *r) { patched(l, r, "a", "bXc", "bXc", "b/c", 3); }
static void absolute(struct lab *l, struct root *r) { patched(l, r, "A", "XetcX", "XetcX", "/tmp/", 5); }
static void dotdot(struct lab *l, struct root *r) { patched(l, r, "A", "XY", "XY", "..", 2); }
static void dot(struct lab *l, struct root *r) { patched(l, r, "A", "XYZ0", "XYZ0", "./..", 4); }
static void nul(struct lab *l, struct root *r) { patched(l, r, "A", "bXc", "bXc", "b\0c", 3); }
static void duplicate(struct lab *l, struct root *r) { patched(l, r, "qa", "qb", "qb", "qa", 2); }
static void unsorted(struct lab *l, struct root *r) { patched(l, r, "qa", "qb", "qa", "zz", 2); }

/* Field of the first record. */
static uint8_t *field(struct root *r, size_t offset)
{
	return r->page.data + le32dec(r->page.data + PAGE_HEADER_LEN) + offset;
}

static void empty_name(struct lab *l, struct root *r)
{
	patched(l, r, "a", "b", "a", "a", 1);
	le16enc(field(r, 4), 0);
}

static void long_name(struct lab *l, struct root *r)
{
	patched(l, r, "a", "b", "a", "a", 1);
	le16enc(field(r, 4), 0xffff);
}

static void unknown_type(struct lab *l, struct root *r)
{
	patched(l, r, "a", "b", "a", "a", 1);
	*field(r, 0) = 3;
}

static void mode_bits(struct lab *l, struct root *r)
{
	patched(l, r, "a", "b", "a", "a", 1);
	le16enc(field(r, 2), 0xffff);
}

static void xattrs_len(struct lab *l, struct root *r)
{
	patched(l, r, "a", "b", "a", "a", 1);
	le32enc(field(r, 116), 0x7fffffff);
}

static void spans_len(struct lab *l, struct root *r)
{
	patched(l, r, "a", "b", "a", "a", 1);
	le32enc(field(r, 120), 0xffffffff);
}

static void count_huge(struct lab *l, struct root *r)
{
	patched(l, r, "a", "b", "a", "a", 1);
	le32enc(r->page.data + 8, 0xffffffff);
}

static void target_nul(struct lab *l, struct root *r)
{
	struct tree_entry e = link_to("link", "to/Xnul");

	(void)l;
	make_page(r, &e, 1);
	*(uint8_t *)memmem(r->page.data, r->page.len, "Xnul", 4) = 0;
}

/* --- Structure ---------------------------------------------------------------------------------------------------- */

static void below_lies(struct lab *l, struct root *r)
{
	struct id child = harmless(l);
	struct tree_entry e = dir_of("dir", &child, 5);

	make_page(r, &e, 1);
}

static void below_huge(struct lab *l, struct root *r)
{
	struct id child = harmless(l);
	struct tree_entry e = dir_of("dir", &child, TREE_TOTAL_MAX - 2);

	make_page(r, &e, 1);
}

static void root_lies(struct lab *l, struct root *r)
{
	patched(l, r, "a", "b", "a", "a", 1);
	r->below = 1000000000;
}

static void missing_child(struct lab *l, struct root *r)
{
	struct tree_entry e;
	struct id nothing;

	(void)l;
	crypt_random(&nothing, sizeof(nothing));
	e = dir_of("dir", &nothing, 1);
	make_page(r, &e, 1);
}

/* A directory whose page is a file's list of spans, and a file whose list is a directory's page. */
static void mixed_kinds(struct lab *l, struct root *r)
{
	struct id page = harmless(l), chunk = put_data(l, "harmless\n"), spans;
	uint8_t list[SPAN_PAGE_HEADER + SPAN_RECORD_LEN] = SPAN_MAGIC;
	struct span s = { .len = 9, .id = chunk };
	struct tree_entry e[2];

	le32enc(list + 8, 1);
	le64enc(list + 24, 9);
	span_encode(&s, list + SPAN_PAGE_HEADER);
	spans = put_tree(l, list, sizeof(list));
	e[0] = dir_of("dir", &spans, 1);
	e[1] = entry(ENTRY_REG, "file");
	e[1].flags = ENTRY_HAS_CHILD;
	e[1].child = page;
	e[1].size = e[1].data_bytes = 9;
	make_page(r, e, 2);
}

/* A page of references ${level}, to ${child}. */
static void make_refs(struct root *r, uint8_t level, const char *name, const struct id *child)
{
	struct tree_page_builder b;

	tree_page_builder_init(&b, level);
	want(tree_page_builder_add_ref(&b, name, (uint16_t)strlen(name), child, 1, 1), "add a reference");
	r->below = b.total;
	want(tree_page_builder_finish(&b, &r->page), "make a page");
	tree_page_builder_destroy(&b);
}

static void same_level(struct lab *l, struct root *r)
{
	struct root below = { .page = BUF_INIT };
	struct id leaf = harmless(l), mid;

	make_refs(&below, 1, "harmless", &leaf);
	mid = put_tree(l, below.page.data, below.page.len);
	buf_free(&below.page);
	make_refs(r, 1, "harmless", &mid);
}

static void other_names(struct lab *l, struct root *r)
{
	struct id leaf = harmless(l);

	make_refs(r, 1, "zzz", &leaf);
}

/* Directories in each other: legal, but nobody may need memory or a stack for it, or fail for long paths. */
static void deep(struct lab *l, struct root *r)
{
	struct id page = harmless(l);
	struct tree_entry e;

	for (uint64_t i = 1; i < DEPTH; i++) {
		e = dir_of("d", &page, i);
		page = put_page(l, &e, 1);
	}
	e = dir_of("d", &page, DEPTH);
	make_page(r, &e, 1);
}

/* A thousand million entries from thirty pages. */
static void doubled(struct lab *l, struct root *r)
{
	struct id page = harmless(l);
	struct tree_entry e[2];
	uint64_t below = 1;

	for (unsigned i = 0; i < DOUBLINGS; i++) {
		e[0] = dir_of("a", &page, below);
		e[1] = dir_of("b", &page, below);
		below = 2 * (below + 1);
		if (i + 1 < DOUBLINGS)
			page = put_page(l, e, 2);
	}
	make_page(r, e, 2);
}

/* --- Contents ----------------------------------------------------------------------------------------------------- */

static void one_span(struct lab *l, struct root *r, const struct id *chunk, uint32_t len)
{
	uint8_t record[SPAN_RECORD_LEN];
	struct tree_entry e = file_of("file", chunk, len, record);

	(void)l;
	make_page(r, &e, 1);
}

static void long_span(struct lab *l, struct root *r)
{
	struct id chunk = put_data(l, "short");

	one_span(l, r, &chunk, 100000);
}

static void short_span(struct lab *l, struct root *r)
{
	struct id chunk = put_data(l, "longer than the span says");

	one_span(l, r, &chunk, 5);
}

static void missing_chunk(struct lab *l, struct root *r)
{
	struct id chunk;

	crypt_random(&chunk, sizeof(chunk));
	one_span(l, r, &chunk, 1000);
}

static void tree_as_data(struct lab *l, struct root *r)
{
	struct id page = harmless(l);

	one_span(l, r, &page, 200);
}

static void data_bomb(struct lab *l, struct root *r)
{
	struct id chunk = put_bomb(l, PACK_DATA, 4096);

	one_span(l, r, &chunk, 4096);
}

static void tree_bomb(struct lab *l, struct root *r)
{
	struct id page = put_bomb(l, PACK_TREE, 4096);
	struct tree_entry e = dir_of("dir", &page, 1);

	make_page(r, &e, 1);
}

static void xattr_bomb(struct lab *l, struct root *r)
{
	struct tree_entry e = entry(ENTRY_REG, "file");

	e.flags = ENTRY_XATTRS_BY_ID;
	e.xattrs_id = put_bomb(l, PACK_TREE, 200000);
	make_page(r, &e, 1);
}

static void xattr_is_page(struct lab *l, struct root *r)
{
	struct tree_entry e = entry(ENTRY_REG, "file");

	e.flags = ENTRY_XATTRS_BY_ID;
	e.xattrs_id = harmless(l);
	make_page(r, &e, 1);
}

/* As large as a file can be, and nothing in it. */
static void huge_file(struct lab *l, struct root *r)
{
	struct tree_entry e = entry(ENTRY_REG, "file");

	(void)l;
	e.size = INT64_MAX;
	make_page(r, &e, 1);
}

/* A symlink to a directory elsewhere, and files that say that they are the same inode. */
static void linked(struct lab *l, struct root *r)
{
	uint8_t record[2][SPAN_RECORD_LEN];
	struct id chunk = put_data(l, "PLANTED\n");
	struct tree_entry e[3] = { link_to("a", l->outside), file_of("b", &chunk, 8, record[0]),
		file_of("c", &chunk, 8, record[1]) };

	for (unsigned i = 0; i < 3; i++) {
		e[i].nlink = 3;
		e[i].dev = 1;
		e[i].ino = 77;
	}
	e[1].mode = 06777;
	make_page(r, e, 3);
}

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
	want(manifest_add_tag(m, "hostile"), "add a tag");
	want(manifest_add_tag(m, n % 2 ? "../../tag\n" : "."), "add a tag");
	want(manifest_add_path(m, "/src/\033[2J/../.."), "add a path");
	add_string(&m->profile, name);
}

static void publish(struct lab *l, unsigned n, const struct id *child, uint64_t below)
{
	struct tree_entry root = dir_of("root", child, below);
	char name[SNAPSHOT_NAME_SIZE], hex[ID_HEX_SIZE];
	struct buf object = BUF_INIT;
	struct manifest m;
	struct id id;

	manifest_init(&m);
	fill(&m, cases[n].name, n);
	want(manifest_set_root(&m, &root), "set the root");
	want(manifest_seal(&m, l->repo->secrets, l->repo->metadata, &object, &id), "seal the manifest");
	want(store_put(l->repo->store, snapshot_object_name(&id, name), object.data, object.len, 0), "put a manifest");
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
	want(object_writer_open(&o, &l->writer), "open the writer");
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
		child[i] = put_tree(&lab, r.page.data, r.page.len);
		below[i] = r.below;
		buf_free(&r.page);
	}
	want(object_writer_finish(lab.writer), "finish");
	object_writer_close(lab.writer);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		publish(&lab, i, &child[i], below[i]);
	repo_close(lab.repo);
	return 0;
}
