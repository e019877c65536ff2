/*
 * Writes the seed corpora of the fuzz targets tree_page, span_page, xattr and manifest below the directory given.  The
 * same from run to run.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "repo/snapshot/manifest/manifest_impl.h"
#include "repo/tree/dir_build.h"
#include "repo/tree/xattr.h"
#include "repo/util/bytes/le.h"
#include "tests/fuzz/seed/seed.h"

static void add_xattr(struct buf *b, const char *name, const void *value, uint32_t len)
{
	const struct xattr x = { name, (uint16_t)strlen(name), value, len };

	seed_need(xattr_encode(b, &x));
}

static void make_xattrs(struct buf *b)
{
	add_xattr(b, "security.capability", "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
	add_xattr(b, "user.empty", NULL, 0);
	add_xattr(b, "user.x", "value", 5);
}

static void put_xattrs(const char *dir)
{
	struct buf b = BUF_INIT;

	seed_put(dir, "xattr", "none", "", 0);
	make_xattrs(&b);
	seed_put(dir, "xattr", "three", b.data, b.len);
	seed_put(dir, "xattr", "cut", b.data, b.len - 3);
	buf_free(&b);
}

static void make_spans(uint8_t *out, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct span s = { .off = i * 10000, .len = 5000 + i };

		memset(s.id.b, (int)i, ID_LEN);
		span_encode(&s, out + (size_t)i * SPAN_RECORD_LEN);
	}
}

static struct tree_entry entry(uint8_t type, const char *name)
{
	return (struct tree_entry){
		.name = name,
		.name_len = (uint16_t)strlen(name),
		.type = type,
		.mode = 0644,
		.uid = 1000,
		.gid = 1000,
		.user = "alice",
		.user_len = 5,
		.group = "users",
		.group_len = 5,
		.nlink = 1,
		.mtime = 1700000000,
		.mtime_ns = 123456789,
	};
}

static struct tree_entry directory(const char *name, uint64_t below)
{
	struct tree_entry e = entry(ENTRY_DIR, name);

	e.below = below;
	e.flags = below ? ENTRY_HAS_CHILD : 0;
	memset(e.child.b, below ? 0xdd : 0, ID_LEN);
	return e;
}

static void finish(struct tree_page_builder *b, const char *dir, const char *name)
{
	struct buf page = BUF_INIT;

	seed_need(tree_page_builder_finish(b, &page));
	seed_put(dir, "tree_page", name, page.data, page.len);
	tree_page_builder_destroy(b);
	buf_free(&page);
}

/* One of each kind. */
static void put_entries(const char *dir)
{
	struct tree_entry e[6] = { directory("a", 7), entry(ENTRY_REG, "b"), entry(ENTRY_REG, "c"),
		entry(ENTRY_CHR, "d"), entry(ENTRY_LNK, "e"), entry(ENTRY_REG, "f\xff\n") };
	uint8_t spans[3 * SPAN_RECORD_LEN];
	struct tree_page_builder b;
	struct buf xattrs = BUF_INIT;

	make_xattrs(&xattrs);
	make_spans(spans, 3);
	e[0].flags |= ENTRY_PARTIAL | ENTRY_HAS_BTIME;
	e[1].size = 30000;
	e[1].data_bytes = 15003;
	e[1].spans = spans;
	e[1].nspans = 3;
	e[1].xattrs = xattrs.data;
	e[1].xattrs_len = (uint32_t)xattrs.len;
	e[2].size = 1ull << 40;
	e[2].flags = ENTRY_HAS_CHILD | ENTRY_XATTRS_BY_ID;
	e[3].rdev_major = 4;
	e[3].rdev_minor = 64;
	e[4].target = "../target";
	e[4].target_len = 9;
	tree_page_builder_init(&b, 0);
	for (size_t i = 0; i < sizeof(e) / sizeof(e[0]); i++)
		seed_need(tree_page_builder_add(&b, &e[i]));
	finish(&b, dir, "entries");

	tree_page_builder_init(&b, 0);
	seed_need(tree_page_builder_add(&b, &e[1]));
	finish(&b, dir, "file");
	buf_free(&xattrs);
}

static void put_refs(const char *dir)
{
	static const char *const names[] = { "a", "bb", "ccc" };
	struct tree_page_builder b;
	struct id id;

	tree_page_builder_init(&b, 1);
	for (uint16_t i = 0; i < 3; i++) {
		memset(id.b, i, ID_LEN);
		seed_need(tree_page_builder_add_ref(&b, names[i], (uint16_t)(i + 1), &id, 1000, 500));
	}
	finish(&b, dir, "refs");
}

static void put_span_pages(const char *dir)
{
	uint8_t page[SPAN_PAGE_HEADER + 4 * SPAN_RECORD_LEN] = "VSP1";
	struct span last;

	le32enc(page + 8, 4);
	make_spans(page + SPAN_PAGE_HEADER, 4);
	span_decode(page + SPAN_PAGE_HEADER + 3 * SPAN_RECORD_LEN, &last);
	le64enc(page + 24, last.off + last.len);
	seed_put(dir, "span_page", "spans", page, sizeof(page));
	seed_put(dir, "span_page", "records", page + SPAN_PAGE_HEADER, 4 * SPAN_RECORD_LEN);

	page[4] = 1;
	le32enc(page + 8, 3);
	for (uint64_t i = 0; i < 3; i++)
		le64enc(page + SPAN_PAGE_HEADER + i * SPAN_REF_LEN, i * 1000000);
	le64enc(page + 24, 3000000);
	seed_put(dir, "span_page", "refs", page, SPAN_PAGE_HEADER + 3 * SPAN_REF_LEN);
}

static char *copy(const char *s)
{
	char *c = strdup(s);

	seed_need(c ? 0 : -ENOMEM);
	return c;
}

static void put_manifests(const char *dir)
{
	static const uint8_t place[MANIFEST_ROOT_PLACE_MIN + 9] = { 1 };
	const struct tree_entry root = directory("x", 1000);
	struct buf fields = BUF_INIT;
	struct manifest m;

	manifest_init(&m);
	m.host = copy("host.example");
	seed_need(manifest_set_root(&m, &root));
	seed_need(buf_append(&m.cert, "certificate", 11));
	seed_need(manifest_encode(&m, &fields));
	seed_put(dir, "manifest", "least", fields.data, fields.len);

	m.time_ns = INT64_C(1700000000123456789);
	m.zone_s = 3600;
	m.user = copy("alice");
	m.profile = copy("daily");
	m.program = copy("varve 0.1.0");
	seed_need(manifest_add_path(&m, "/etc"));
	seed_need(manifest_add_path(&m, "/srv"));
	seed_need(manifest_add_tag(&m, "weekly"));
	m.has_parent = m.has_previous = true;
	m.files = 1000;
	seed_need(buf_append(&m.root_place, place, sizeof(place)));
	m.root_pack_size = 1 << 25;
	buf_clear(&fields);
	seed_need(manifest_encode(&m, &fields));
	seed_put(dir, "manifest", "full", fields.data, fields.len);
	manifest_destroy(&m);

	/* An object as it stands in the store, but for what only a key can make. */
	buf_clear(&fields);
	seed_need(buf_append(&fields, "VARVESN1\0\0\0\0\0\0\0\0", 16));
	for (int i = 0; i < 256; i++)
		seed_need(buf_u8(&fields, (uint8_t)i));
	seed_put(dir, "manifest", "object", fields.data, fields.len);
	buf_free(&fields);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s corpus-directory\n", argv[0]);
		return 2;
	}
	put_xattrs(argv[1]);
	put_entries(argv[1]);
	put_refs(argv[1]);
	put_span_pages(argv[1]);
	put_manifests(argv[1]);
	return 0;
}
