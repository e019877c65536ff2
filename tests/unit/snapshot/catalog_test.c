/*
 * Unit tests of repo/snapshot/catalog.h: the list, manifests through the cache, what people write, and names.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "repo/snapshot/catalog.h"
#include "repo/util/text/when.h"
#include "tests/lib/fixture.h"

#define NOON (1704110400 * NS_PER_SEC) /* 2024-01-01T12:00:00Z */
#define MINUTE (60 * NS_PER_SEC)
#define NSNAPS 6

/* What setup() puts into the store, oldest first. */
static const struct {
	int64_t time_ns;
	const char *host, *tag;
	const char *path[2];
} specs[NSNAPS] = {
	{ NOON, "web", "daily", { "/etc", NULL } },
	{ NOON + MINUTE, "db", "daily", { "/etc", "/var" } },
	{ NOON + 2 * MINUTE, "web", NULL, { "/var", "/etc" } },
	{ NOON + 3 * MINUTE, "db", "weekly", { "/home/", NULL } },
	{ NOON + 4 * MINUTE, "web", "weekly", { "/etc", NULL } },
	{ NOON + 4 * MINUTE + 1, "mail", NULL, { "/", NULL } },
};

struct env {
	struct fixture f;
	struct catalog_options opts;
	struct id id[NSNAPS];
};

static void make(size_t i, struct manifest *m)
{
	struct tree_entry root = { .type = ENTRY_DIR };

	manifest_init(m);
	m->time_ns = specs[i].time_ns;
	m->host = strdup(specs[i].host);
	assert_non_null(m->host);
	for (int k = 0; k < 2 && specs[i].path[k]; k++)
		assert_int_equal(manifest_add_path(m, specs[i].path[k]), 0);
	if (specs[i].tag)
		assert_int_equal(manifest_add_tag(m, specs[i].tag), 0);
	assert_int_equal(manifest_set_root(m, &root), 0);
}

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));
	char name[SNAPSHOT_NAME_SIZE];

	assert_non_null(e);
	setenv("TZ", "UTC0", 1);
	fixture_open(&e->f, FIXTURE_MEM);
	e->opts = (struct catalog_options){
		.store = e->f.store,
		.index = e->f.index,
		.secrets = e->f.secrets,
		.metadata = &e->f.metadata,
		.log = e->f.log,
	};
	for (size_t i = 0; i < NSNAPS; i++) {
		struct buf object = BUF_INIT;
		struct manifest m;

		make(i, &m);
		assert_int_equal(manifest_seal(&m, e->f.secrets, &e->f.metadata, &object, &e->id[i]), 0);
		snapshot_object_name(&e->id[i], name);
		assert_int_equal(store_put(e->f.store, name, object.data, object.len, 0), 0);
		manifest_destroy(&m);
		buf_free(&object);
	}
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	fixture_close(&e->f);
	free(e);
	return 0;
}

static struct catalog *load(struct env *e)
{
	struct catalog *c;

	assert_int_equal(catalog_load(&e->opts, &c), 0);
	return c;
}

static uint64_t gets(struct env *e)
{
	struct store_counters n;

	store_get_counters(e->f.store, &n);
	return n.gets;
}

static void test_load(void **state)
{
	struct env *e = *state;
	struct catalog *c;
	struct id other;
	uint64_t before = gets(e);

	assert_int_equal(store_put(e->f.store, "snapshots/readme", "x", 1, 0), 0);
	c = load(e);
	assert_int_equal(gets(e), before);
	assert_true(fixture_logged(&e->f, "snapshots/readme"));
	assert_int_equal(catalog_count(c), NSNAPS);
	for (size_t i = 0; i < NSNAPS; i++) {
		assert_true(id_equal(&catalog_at(c, i)->id, &e->id[i]));
		assert_int_equal(catalog_at(c, i)->time_ns, specs[i].time_ns);
		assert_int_equal(catalog_find(c, &e->id[i]), i);
	}
	other = e->id[0];
	other.b[0] ^= 1;
	assert_int_equal(catalog_find(c, &other), -1);
	catalog_free(c);
	/* Who lists again and again, as a mount does, is not told again and again. */
	fixture_log_clear(&e->f);
	e->opts.again = true;
	c = load(e);
	assert_false(fixture_logged(&e->f, "snapshots/readme"));
	assert_int_equal(catalog_count(c), NSNAPS);
	catalog_free(c);
	catalog_free(NULL);
}

static void test_load_empty(void **state)
{
	struct env *e = *state;
	struct catalog *c;
	char name[SNAPSHOT_NAME_SIZE];
	size_t at;

	for (size_t i = 0; i < NSNAPS; i++)
		assert_int_equal(store_delete(e->f.store, snapshot_object_name(&e->id[i], name)), 0);
	c = load(e);
	assert_int_equal(catalog_count(c), 0);
	assert_int_equal(catalog_find(c, &e->id[0]), -1);
	assert_int_equal(catalog_resolve(c, "latest", NULL, true, &at), -ENOENT);
	assert_int_equal(catalog_resolve(c, "now", NULL, true, &at), -ENOENT);
	assert_int_equal(catalog_newest(c, "web", NULL, 0), -1);
	catalog_free(c);
}

static void test_load_fails(void **state)
{
	const struct store_fault_rule rule = { STORE_FAULT_ERROR, STORE_OP_LIST, "", 0, 0, -ETIMEDOUT, 0 };
	struct env *e = *state;
	struct catalog *c;

	store_mem_set_faults(e->f.store, &rule, 1);
	assert_int_equal(catalog_load(&e->opts, &c), -ETIMEDOUT);
}

static void test_manifest(void **state)
{
	struct env *e = *state;
	struct catalog *c = load(e);
	struct manifest m;
	uint64_t before;

	for (size_t i = 0; i < NSNAPS; i++) {
		assert_int_equal(catalog_manifest(c, i, &m), 0);
		assert_string_equal(m.host, specs[i].host);
		assert_string_equal(m.writer, "tester");
		manifest_destroy(&m);
	}
	/* Kept: the store is not asked again, and not needed. */
	before = gets(e);
	assert_int_equal(catalog_manifest(c, 3, &m), 0);
	manifest_destroy(&m);
	assert_int_equal(gets(e), before);
	catalog_free(c);
}

/* What is kept on this machine may be damaged: then the store has it. */
static void test_manifest_kept_badly(void **state)
{
	struct env *e = *state;
	struct catalog *c = load(e);
	char name[SNAPSHOT_NAME_SIZE];
	struct manifest m;
	uint64_t before;

	index_keep(e->f.index, snapshot_object_name(&e->id[2], name), "rubbish", 7);
	assert_int_equal(catalog_manifest(c, 2, &m), 0);
	manifest_destroy(&m);
	before = gets(e);
	assert_int_equal(catalog_manifest(c, 2, &m), 0);
	manifest_destroy(&m);
	assert_int_equal(gets(e), before);
	catalog_free(c);
}

static void test_manifest_damaged(void **state)
{
	const struct store_fault_rule rule = { STORE_FAULT_ERROR, STORE_OP_GET, "snapshots/", 0, 0, -EIO, 0 };
	struct env *e = *state;
	struct catalog *c = load(e);
	char name[SNAPSHOT_NAME_SIZE];
	struct buf kept = BUF_INIT;
	struct manifest m;

	snapshot_object_name(&e->id[1], name);
	assert_int_equal(store_mem_replace(e->f.store, name, "VARVESN1 and so on", 18), 0);
	assert_int_equal(catalog_manifest(c, 1, &m), -EBADMSG);
	assert_true(fixture_logged(&e->f, name));
	assert_int_equal(index_kept(e->f.index, name, &kept), -ENOENT);
	fixture_log_clear(&e->f);
	assert_int_equal(store_delete(e->f.store, name), 0);
	assert_int_equal(catalog_manifest(c, 1, &m), -EBADMSG);
	assert_true(fixture_logged(&e->f, name));
	store_mem_set_faults(e->f.store, &rule, 1);
	assert_int_equal(catalog_manifest(c, 0, &m), -EIO);
	buf_free(&kept);
	catalog_free(c);
}

static void test_matches(void **state)
{
	const struct { struct snapshot_filter f; const char *matches; } cases[] = {
		{ { NULL, NULL, NULL }, "111111" },
		{ { "", "", "" }, "111111" },
		{ { "web", NULL, NULL }, "101010" },
		{ { NULL, "daily", NULL }, "110000" },
		{ { NULL, NULL, "/etc" }, "111010" },
		{ { NULL, NULL, "/etc/" }, "111010" },
		{ { NULL, NULL, "/home" }, "000100" },
		{ { NULL, NULL, "/" }, "000001" },
		{ { "web", "weekly", "/etc" }, "000010" },
		{ { "we", NULL, NULL }, "000000" },
	};
	struct env *e = *state;
	struct catalog *c = load(e);

	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		for (size_t i = 0; i < NSNAPS; i++)
			assert_int_equal(catalog_matches(c, i, &cases[k].f), cases[k].matches[i] - '0');
	}
	assert_int_equal(catalog_matches(c, 0, NULL), 1);
	catalog_free(c);
}

static void test_resolve(void **state)
{
	const struct snapshot_filter web = { "web", NULL, NULL }, none = { "nobody", NULL, NULL };
	const struct { const char *text; const struct snapshot_filter *f; int found; } cases[] = {
		{ "latest", NULL, 5 },
		{ "latest~0", NULL, 5 },
		{ "latest~1", NULL, 4 },
		{ "latest~5", NULL, 0 },
		{ "latest~6", NULL, -ENOENT },
		{ "latest~99999999999999999999", NULL, -EINVAL },
		{ "latest~", NULL, -EINVAL },
		{ "latest~x", NULL, -EINVAL },
		{ "latestt", NULL, -EINVAL },
		{ "latest", &web, 4 },
		{ "latest~1", &web, 2 },
		{ "latest~3", &web, -ENOENT },
		{ "latest", &none, -ENOENT },
		{ "2024-01-01T12:02", NULL, 2 },
		{ "2024-01-01 12:02:00", NULL, 2 },
		{ "2024-01-01 12:01:59.9", NULL, 1 },
		{ "2024-01-01T12:04", NULL, 5 },
		{ "2024-01-01T12:04:00.0", NULL, 4 },
		{ "2024-01-01T11:59", NULL, -ENOENT },
		{ "2024-01-01T12:03", &web, 2 },
		{ "2024-01-01", NULL, 5 },
		{ "now", NULL, 5 },
		{ "yesterday", &web, 4 },
		{ "rubbish", NULL, -EINVAL },
		{ "abc", NULL, -EINVAL }, /* too short for an id */
		{ "ABCDEF", NULL, -EINVAL },
		{ "", NULL, -EINVAL },
	};
	struct env *e = *state;
	struct catalog *c = load(e);

	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		size_t i = 77;
		int rc = catalog_resolve(c, cases[k].text, cases[k].f, true, &i);

		if ((rc < 0 ? rc : (int)i) != cases[k].found)
			fail_msg("\"%s\": %d, %zu", cases[k].text, rc, i);
		assert_true(rc == 0 || i == 77);
	}
	catalog_free(c);
}

static void test_resolve_ids(void **state)
{
	const struct snapshot_filter web = { "web", NULL, NULL }, db = { "db", NULL, NULL };
	struct env *e = *state;
	struct catalog *c = load(e);
	char hex[ID_HEX_SIZE];
	size_t i;

	for (size_t k = 0; k < NSNAPS; k++) {
		id_hex(&e->id[k], hex);
		assert_int_equal(catalog_resolve(c, hex, NULL, true, &i), 0);
		assert_int_equal(i, k);
		hex[9] = '\0';
		assert_int_equal(catalog_resolve(c, hex, NULL, true, &i), 0);
		assert_int_equal(i, k);
	}
	id_hex(&e->id[0], hex);
	assert_int_equal(catalog_resolve(c, hex, &web, true, &i), 0);
	assert_int_equal(catalog_resolve(c, hex, &db, true, &i), -ENOENT);
	hex[63] = hex[63] == '0' ? '1' : '0';
	assert_int_equal(catalog_resolve(c, hex, NULL, true, &i), -ENOENT);
	catalog_free(c);
}

/* Names that were not made by this program, so that their beginnings are alike. */
static void test_resolve_ambiguous(void **state)
{
	struct env *e = *state;
	struct id a, b;
	struct catalog *c;
	char name[SNAPSHOT_NAME_SIZE];
	size_t i;

	memset(&a, 0xab, sizeof(a));
	b = a;
	b.b[4] = 0xac;
	assert_int_equal(store_put(e->f.store, snapshot_object_name(&a, name), "x", 1, 0), 0);
	assert_int_equal(store_put(e->f.store, snapshot_object_name(&b, name), "x", 1, 0), 0);
	c = load(e);
	assert_int_equal(catalog_resolve(c, "abab", NULL, true, &i), -ENOTUNIQ);
	assert_int_equal(catalog_resolve(c, "ababababa", NULL, true, &i), -ENOTUNIQ);
	assert_int_equal(catalog_resolve(c, "abababababab", NULL, true, &i), 0);
	assert_true(id_equal(&catalog_at(c, i)->id, &a));
	assert_int_equal(catalog_resolve(c, "abababacabab", NULL, true, &i), -ENOENT);
	assert_int_equal(catalog_resolve(c, "ababababac", NULL, true, &i), 0);
	assert_true(id_equal(&catalog_at(c, i)->id, &b));
	catalog_free(c);
}

/* Without a filter what cannot be read has its place; with one, it is not passed over in silence. */
static void test_resolve_damaged(void **state)
{
	const struct snapshot_filter db = { "db", NULL, NULL }, mail = { "mail", NULL, NULL };
	struct env *e = *state;
	struct catalog *c = load(e);
	char name[SNAPSHOT_NAME_SIZE];
	size_t i;

	assert_int_equal(store_mem_replace(e->f.store, snapshot_object_name(&e->id[4], name), "x", 1), 0);
	assert_int_equal(catalog_resolve(c, "latest~1", NULL, true, &i), 0);
	assert_int_equal(i, 4);
	assert_int_equal(catalog_resolve(c, "latest", &mail, true, &i), 0);
	assert_int_equal(catalog_resolve(c, "latest", &db, true, &i), -EBADMSG);
	assert_true(fixture_logged(&e->f, name));
	/* For a parent the next best will do. */
	assert_int_equal(catalog_newest(c, "web", NULL, 0), 2);
	catalog_free(c);
}

static void test_newest(void **state)
{
	char etc[] = "/etc", var[] = "/var", home[] = "/home", etc_slash[] = "/etc/";
	char *one[] = { etc }, *two[] = { etc, var }, *twice[] = { etc, etc_slash }, *other[] = { home };
	struct env *e = *state;
	struct catalog *c = load(e);

	assert_int_equal(catalog_newest(c, "web", NULL, 0), 4);
	assert_int_equal(catalog_newest(c, "web", one, 1), 4);
	assert_int_equal(catalog_newest(c, "web", two, 2), 2);
	assert_int_equal(catalog_newest(c, "db", two, 2), 1);
	assert_int_equal(catalog_newest(c, "web", twice, 2), -1);
	assert_int_equal(catalog_newest(c, "db", other, 1), 3);
	assert_int_equal(catalog_newest(c, "db", one, 1), -1);
	assert_int_equal(catalog_newest(c, "nobody", NULL, 0), -1);
	catalog_free(c);
}

/* --- Names --- */

/* Longer forms where shorter ones are taken; the last is the whole id. */
static void test_names(void **state)
{
	struct snapshot s = { .time_ns = 1704119405 * NS_PER_SEC + 5 };
	char name[SNAPSHOT_NAME_MAX];

	(void)state;
	memset(s.id.b, 0xab, ID_LEN);
	assert_true(snapshot_name(&s, WHEN_MINUTES, true, 0, name));
	assert_string_equal(name, "2024-01-01T14:30");
	assert_true(snapshot_name(&s, WHEN_MINUTES, true, 1, name));
	assert_string_equal(name, "2024-01-01T14:30:05");
	assert_true(snapshot_name(&s, WHEN_MINUTES, true, 2, name));
	assert_string_equal(name, "2024-01-01T14:30:05-abababab");
	assert_true(snapshot_name(&s, WHEN_GMT, false, 3, name));
	assert_string_equal(name, "@GMT-2024.01.01-14.30.05-abababababababab");
	assert_true(snapshot_name(&s, WHEN_GMT, false, 5, name));
	assert_int_equal(strlen(name), strlen("@GMT-2024.01.01-14.30.05-") + 2 * ID_LEN);
	assert_false(snapshot_name(&s, WHEN_GMT, false, 6, name));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_load),
		TEST(test_load_empty),
		TEST(test_load_fails),
		TEST(test_manifest),
		TEST(test_manifest_kept_badly),
		TEST(test_manifest_damaged),
		TEST(test_matches),
		TEST(test_resolve),
		TEST(test_resolve_ids),
		TEST(test_resolve_ambiguous),
		TEST(test_resolve_damaged),
		TEST(test_newest),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
