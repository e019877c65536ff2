/*
 * Revocations and witness (revocations.h, witness.h, seen.h): what was signed with a revoked key is rejected, and a
 * store that shows less than it did, or another repository, is noticed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "repo/snapshot/catalog.h"
#include "repo/snapshot/witness/witness_impl.h"
#include "tests/lib/fixture.h"

#define NOON (1704110400 * NS_PER_SEC) /* 2024-01-01T12:00:00Z */
#define MINUTE (60 * NS_PER_SEC)
#define DAY (86400 * NS_PER_SEC)

struct env {
	struct fixture f;
	struct secrets *writer;
	struct catalog_options opts;
	char dir[SCRATCH_PATH_SIZE];
};

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	setenv("TZ", "UTC0", 1);
	fixture_open(&e->f, FIXTURE_MEM);
	e->writer = secrets_for_role(e->f.secrets, ROLE_WRITER, "web", NULL, NOON);
	assert_non_null(e->writer);
	scratch_path(e->f.scratch, "witness", e->dir);
	e->opts = (struct catalog_options){
		.store = e->f.store,
		.index = e->f.index,
		.secrets = e->f.secrets,
		.metadata = &e->f.metadata,
		.log = e->f.log,
	};
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	revocations_free(e->opts.revocations);
	witness_close(e->opts.witness);
	secrets_free(e->writer);
	fixture_close(&e->f);
	free(e);
	return 0;
}

/* Forget what this process knows, and have what was seen read again. */
static void begin(struct env *e)
{
	struct revocations_options ro = { e->f.store, e->f.index, e->f.secrets, &e->f.metadata, e->f.log };
	struct witness_options po = {
		.cache_dir = e->dir, .url = "mem:", .secrets = e->f.secrets, .listings = true, .log = e->f.log,
	};

	revocations_free(e->opts.revocations);
	witness_close(e->opts.witness);
	e->opts.revocations = NULL;
	e->opts.witness = NULL;
	assert_int_equal(revocations_new(&ro, &e->opts.revocations), 0);
	assert_int_equal(witness_open(&po, &e->opts.witness), 0);
	fixture_log_clear(&e->f);
}

static struct id publish(struct env *e, const struct secrets *who, const char *host, int64_t time_ns)
{
	struct tree_entry root = { .type = ENTRY_DIR };
	char name[SNAPSHOT_NAME_SIZE];
	struct buf object = BUF_INIT;
	struct manifest m;
	struct id id;

	manifest_init(&m);
	m.time_ns = time_ns;
	m.host = strdup(host);
	assert_int_equal(manifest_set_root(&m, &root), 0);
	assert_int_equal(manifest_seal(&m, who, &e->f.metadata, &object, &id), 0);
	assert_int_equal(store_put(e->f.store, snapshot_object_name(&id, name), object.data, object.len, 0), 0);
	manifest_destroy(&m);
	buf_free(&object);
	return id;
}

static void forget(struct env *e, const struct id *id)
{
	char name[SNAPSHOT_NAME_SIZE];

	assert_int_equal(store_delete(e->f.store, snapshot_object_name(id, name)), 0);
}

static struct id put_revocation(struct env *e, const struct secrets *by, const struct id *keeps, size_t n)
{
	struct revocation r = { .time_ns = NOON + DAY, .name = strdup("web") };
	char name[REVOCATION_NAME_SIZE];
	struct buf object = BUF_INIT;
	struct id id;

	crypt_sign_public(&e->writer->signing, &r.key);
	if (n > 0)
		assert_int_equal(buf_append(&r.keeps, keeps, n * sizeof(*keeps)), 0);
	assert_int_equal(revocation_seal(&r, by, &e->f.metadata, &object, &id), 0);
	assert_int_equal(store_put(e->f.store, revocation_object_name(&id, name), object.data, object.len, 0), 0);
	revocation_destroy(&r);
	buf_free(&object);
	return id;
}

/* Load the catalog, read all manifests; the number that could be, and what is withheld. */
static size_t look(struct env *e, size_t *withheld)
{
	struct manifest m;
	struct catalog *c;
	size_t good = 0;
	int rc;

	assert_int_equal(catalog_load(&e->opts, &c), 0);
	catalog_withheld(c, withheld);
	for (size_t i = 0; i < catalog_count(c); i++) {
		rc = catalog_manifest(c, i, &m);
		assert_true(rc == 0 || rc == -EKEYREJECTED);
		if (rc == 0)
			manifest_destroy(&m);
		good += rc == 0;
	}
	catalog_free(c);
	return good;
}

static int read_one(struct env *e, const struct id *id)
{
	struct manifest m;
	int rc = catalog_read_manifest(&e->opts, id, &m);

	if (rc == 0)
		manifest_destroy(&m);
	return rc;
}

/* --- Revocations -------------------------------------------------------------------------------------------------- */

static void test_revoked(void **state)
{
	struct env *e = *state;
	struct id a = publish(e, e->writer, "web", NOON), b, by_owner;
	struct snapshot_filter any = { .host = NULL };
	struct catalog *c;
	size_t withheld, i;

	begin(e);
	assert_int_equal(look(e, &withheld), 1);
	put_revocation(e, e->f.secrets, &a, 1);
	b = publish(e, e->writer, "web", NOON + MINUTE);
	by_owner = publish(e, e->f.secrets, "web", NOON - MINUTE);
	assert_int_equal(look(e, &withheld), 2);
	assert_int_equal(withheld, 0);
	assert_int_equal(read_one(e, &b), -EKEYREJECTED);
	assert_true(fixture_logged(&e->f, "signed with the key of \"web\", which was revoked on 2024-01-02 12:00:00"));
	assert_int_equal(read_one(e, &a), 0);
	assert_int_equal(read_one(e, &by_owner), 0);
	/* It is not the newest either. */
	assert_int_equal(catalog_load(&e->opts, &c), 0);
	assert_int_equal(catalog_resolve(c, "latest", &any, true, &i), 0);
	assert_true(id_equal(&catalog_at(c, i)->id, &a));
	assert_int_equal(catalog_resolve(c, "latest~1", &any, true, &i), 0);
	assert_true(id_equal(&catalog_at(c, i)->id, &by_owner));
	assert_int_equal(catalog_resolve(c, "latest~2", &any, true, &i), -ENOENT);
	any.host = "web";
	assert_int_equal(catalog_resolve(c, "latest", &any, true, &i), 0);
	assert_true(id_equal(&catalog_at(c, i)->id, &a));
	catalog_free(c);
	/* Another one takes away the first as well, and none gives back. */
	put_revocation(e, e->f.secrets, NULL, 0);
	assert_int_equal(look(e, &withheld), 1);
	assert_int_equal(read_one(e, &a), -EKEYREJECTED);
	put_revocation(e, e->f.secrets, &a, 1);
	assert_int_equal(look(e, &withheld), 1);
}

/* A manifest that this machine kept from before is judged like any other. */
static void test_revoked_after_reading(void **state)
{
	struct env *e = *state;
	struct id a = publish(e, e->writer, "web", NOON);
	size_t withheld;

	begin(e);
	assert_int_equal(look(e, &withheld), 1);
	put_revocation(e, e->f.secrets, NULL, 0);
	assert_int_equal(look(e, &withheld), 0);
	assert_int_equal(read_one(e, &a), -EKEYREJECTED);
}

static uint64_t gets(struct env *e)
{
	struct store_counters n;

	store_get_counters(e->f.store, &n);
	return n.gets;
}

static void put_revoked(struct env *e, const void *data, size_t len, bool named)
{
	char name[REVOCATION_NAME_SIZE];
	struct id id = { { 1 } };

	if (named)
		crypt_hash(data, len, &id);
	assert_int_equal(store_put(e->f.store, revocation_object_name(&id, name), data, len, 0), 0);
}

static void test_not_the_owners(void **state)
{
	struct env *e = *state;
	struct secrets *mallory = secrets_generate(e->f.secrets->repo_id, "mallory", NOON);
	char name[STORE_NAME_MAX + 1];
	uint64_t before;
	size_t withheld;

	publish(e, e->writer, "web", NOON);
	put_revocation(e, mallory, NULL, 0);
	put_revoked(e, "rubbish", 7, true);
	begin(e);
	assert_int_equal(look(e, &withheld), 1);
	assert_true(fixture_logged(&e->f, "not made by the owner: it revokes nothing"));
	assert_int_equal(revocations_unreadable(e->opts.revocations), 0);
	/* That is remembered, so that rubbish is read only once. */
	begin(e);
	before = gets(e);
	assert_int_equal(look(e, &withheld), 1);
	assert_int_equal(gets(e), before);
	assert_false(fixture_logged(&e->f, "revokes nothing"));
	/* Damaged, it may have been one. */
	put_revoked(e, "rubbish", 7, false);
	assert_int_equal(look(e, &withheld), 1);
	assert_true(fixture_logged(&e->f, "damaged: a writer whose key was revoked by it may be believed"));
	assert_int_equal(revocations_unreadable(e->opts.revocations), 1);
	fixture_log_clear(&e->f);
	assert_int_equal(look(e, &withheld), 1);
	assert_false(fixture_logged(&e->f, "revoked/"));
	/* When such things are gone, nobody misses them. */
	while (fixture_count(&e->f, "revoked/") > 0)
		assert_int_equal(store_delete(e->f.store, fixture_object(&e->f, "revoked/", 0, name)), 0);
	begin(e);
	assert_int_equal(look(e, &withheld), 1);
	assert_int_equal(withheld, 0);
	secrets_free(mallory);
}

static void test_withheld_revocation(void **state)
{
	struct env *e = *state;
	char name[REVOCATION_NAME_SIZE];
	struct id id;
	size_t withheld;

	publish(e, e->writer, "web", NOON);
	id = put_revocation(e, e->f.secrets, NULL, 0);
	begin(e);
	assert_int_equal(look(e, &withheld), 0);
	assert_int_equal(store_delete(e->f.store, revocation_object_name(&id, name)), 0);
	begin(e);
	assert_int_equal(look(e, &withheld), 0);
	assert_int_equal(withheld, 1);
	assert_true(fixture_logged(&e->f, "the store does not show it any more: it is heeded all the same"));
	/* This machine has lost it too: it can only say so. */
	index_drop(e->f.index, name);
	begin(e);
	assert_int_equal(look(e, &withheld), 1);
	assert_int_equal(withheld, 1);
	assert_true(fixture_logged(&e->f, "a writer whose key was revoked by it may be believed"));
}

/* --- Heads -------------------------------------------------------------------------------------------------------- */

static void test_rollback(void **state)
{
	struct env *e = *state;
	struct id web[3], db;
	size_t withheld;

	for (int i = 0; i < 3; i++)
		web[i] = publish(e, e->writer, "web", NOON + i * MINUTE);
	db = publish(e, e->writer, "db", NOON + 10 * MINUTE);
	begin(e);
	assert_int_equal(look(e, &withheld), 4);
	/* Older ones may be forgotten. */
	forget(e, &web[1]);
	begin(e);
	assert_int_equal(look(e, &withheld), 3);
	assert_int_equal(withheld, 0);
	/* The newest of a host may not, also when another host has a newer one. */
	forget(e, &web[2]);
	begin(e);
	assert_int_equal(look(e, &withheld), 2);
	assert_int_equal(withheld, 1);
	assert_true(fixture_logged(&e->f, "2024-01-01 12:02:00 was here, and now there is neither it nor a newer one"));
	/* It is told once, and is missing as long as it is. */
	fixture_log_clear(&e->f);
	assert_int_equal(look(e, &withheld), 2);
	assert_int_equal(withheld, 1);
	assert_false(fixture_logged(&e->f, "was here"));
	/* Until there is a newer one. */
	publish(e, e->writer, "web", NOON + 20 * MINUTE);
	begin(e);
	assert_int_equal(look(e, &withheld), 3);
	assert_int_equal(withheld, 0);
	/* Forgotten on this machine it is not missed. */
	forget(e, &db);
	witness_forgotten(e->opts.witness, &db);
	begin(e);
	look(e, &withheld);
	assert_int_equal(withheld, 0);
}

/* Nothing is known but by what was seen. */
static void test_not_seen(void **state)
{
	struct env *e = *state;
	struct id a = publish(e, e->writer, "web", NOON);
	size_t withheld;

	begin(e);
	forget(e, &a);
	look(e, &withheld);
	assert_int_equal(withheld, 0);
}

/* --- Sightings ---------------------------------------------------------------------------------------------------- */

static void list(struct witness *p, const struct id *ids, size_t n, int64_t now)
{
	struct witness_listing l = { .snapshots = ids, .nsnapshots = n, .begun_ns = now };
	struct witness_missing m;

	assert_int_equal(witness_listed(p, &l, &m), 0);
	witness_missing_free(&m);
}

static void test_made_late(void **state)
{
	struct env *e = *state;
	struct id ids[3] = { { { 9 } }, { { 5 } }, { { 1 } } };
	struct witness *p;

	begin(e);
	p = e->opts.witness;
	list(p, ids, 1, NOON);
	/* What was there at first sight may be of any time. */
	assert_false(witness_made_late(p, &ids[0], NOON - 100 * DAY));
	list(p, ids, 2, NOON + 10 * DAY);
	assert_false(witness_made_late(p, &ids[0], NOON - 100 * DAY));
	assert_true(witness_made_late(p, &ids[1], NOON - DAY - 1));
	assert_false(witness_made_late(p, &ids[1], NOON - DAY));
	assert_false(witness_made_late(p, &ids[1], 0));
	begin(e);
	p = e->opts.witness;
	assert_true(witness_made_late(p, &ids[1], NOON - DAY - 1));
	list(p, ids, 3, NOON + 20 * DAY);
	assert_true(witness_made_late(p, &ids[1], NOON - DAY - 1));
	assert_false(witness_made_late(p, &ids[1], NOON + 8 * DAY));
	assert_true(witness_made_late(p, &ids[2], NOON + 8 * DAY));
	assert_false(witness_made_late(p, &ids[2], NOON + 9 * DAY));
	/* One that was deleted, and is put back, is as old as it was. */
	list(p, ids + 1, 2, NOON + 30 * DAY);
	list(p, ids, 3, NOON + 40 * DAY);
	assert_false(witness_made_late(p, &ids[0], NOON));
	assert_true(witness_made_late(p, &ids[2], NOON + 8 * DAY));
	assert_false(witness_made_late(p, &ids[2], NOON + 9 * DAY));
}

/* An expired key that is used again, with an old date. */
static void test_expired_key(void **state)
{
	struct env *e = *state;
	struct cert_limits limits = { .expires_ns = when_now_ns() - 2 * DAY };
	struct secrets *brief = secrets_for_role(e->f.secrets, ROLE_WRITER, "brief", &limits, NOON);
	struct id before, after;
	size_t withheld;

	assert_non_null(brief);
	before = publish(e, brief, "web", NOON);
	begin(e);
	assert_int_equal(look(e, &withheld), 1);
	after = publish(e, brief, "web", NOON + MINUTE);
	assert_int_equal(look(e, &withheld), 1);
	assert_int_equal(read_one(e, &before), 0);
	assert_int_equal(read_one(e, &after), -EKEYREJECTED);
	assert_true(fixture_logged(&e->f, "is not as old as it says"));
	secrets_free(brief);
}

/* --- Identity ----------------------------------------------------------------------------------------------------- */

static int open_other(struct env *e, const struct secrets *s, bool recipient, bool trust)
{
	struct witness_options o = {
		.cache_dir = e->dir, .url = "mem:", .secrets = s, .recipient = recipient, .trust = trust,
		.listings = true, .log = e->f.log,
	};
	struct witness *p;
	int rc;

	fixture_log_clear(&e->f);
	rc = witness_open(&o, &p);
	if (rc == 0)
		witness_close(p);
	return rc;
}

static void test_another_repository(void **state)
{
	static const uint8_t repo_id[16] = { 1 }, third_id[16] = { 2 };
	struct env *e = *state;
	struct secrets *other = secrets_generate(repo_id, "mallory", NOON);
	struct secrets *third = secrets_generate(third_id, "carol", NOON);
	struct secrets *same_id = secrets_generate(e->f.secrets->repo_id, "mallory", NOON);

	begin(e);
	assert_int_equal(open_other(e, e->f.secrets, true, false), 0);
	assert_int_equal(open_other(e, other, true, false), -EBADMSG);
	assert_true(fixture_logged(&e->f, "is another repository than the one that was here before, and anybody"));
	assert_int_equal(open_other(e, other, true, false), -EBADMSG);
	assert_int_equal(open_other(e, other, true, true), 0);
	assert_int_equal(open_other(e, other, true, false), 0);
	assert_int_equal(open_other(e, e->f.secrets, true, false), 0);
	/* Who knew a passphrase knows what he is doing. */
	assert_int_equal(open_other(e, third, false, false), 0);
	assert_true(fixture_logged(&e->f, "is another repository than the one that was here before"));
	assert_int_equal(open_other(e, third, false, false), 0);
	assert_false(fixture_logged(&e->f, "another"));
	assert_int_equal(open_other(e, same_id, false, false), -EBADMSG);
	assert_true(fixture_logged(&e->f, "has another owner than before"));
	assert_int_equal(open_other(e, same_id, false, true), 0);
	secrets_free(other);
	secrets_free(third);
	secrets_free(same_id);
}

/* --- The file ----------------------------------------------------------------------------------------------------- */

static void path_of_witness(struct env *e, struct buf *out)
{
	char hex[33], url[ID_HEX_SIZE];
	struct id id;

	crypt_hash("mem:", 4, &id);
	hex_encode(e->f.secrets->repo_id, 16, hex);
	assert_int_equal(buf_printf(out, "%s/seen/%.32s/%s", e->dir, id_hex(&id, url), hex), 0);
}

static void test_damaged_file(void **state)
{
	struct env *e = *state;
	struct buf path = BUF_INIT;
	struct id ids[2] = { { { 1 } }, { { 2 } } };
	FILE *f;

	begin(e);
	list(e->opts.witness, ids, 1, NOON);
	path_of_witness(e, &path);
	f = fopen((const char *)path.data, "r+");
	assert_non_null(f);
	assert_int_equal(fseek(f, 45, SEEK_SET), 0);
	fputc(0x55, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(open_other(e, e->f.secrets, true, false), 0);
	assert_true(fixture_logged(&e->f, "believed as if it were seen for the first time"));
	begin(e);
	list(e->opts.witness, ids, 2, NOON + 10 * DAY);
	assert_false(witness_made_late(e->opts.witness, &ids[1], NOON - 10 * DAY));
	assert_int_equal(open_other(e, e->f.secrets, true, false), 0);
	assert_false(fixture_logged(&e->f, "first time"));
	buf_free(&path);
}

/* Two processes use one file: what either has seen is in it. */
static void test_two_processes(void **state)
{
	struct env *e = *state;
	struct witness_options o = {
		.cache_dir = e->dir, .url = "mem:", .secrets = e->f.secrets, .listings = true, .log = e->f.log,
	};
	struct id ids[3] = { { { 1 } }, { { 2 } }, { { 3 } } };
	struct witness_listing l = { .snapshots = &ids[2], .nsnapshots = 1, .begun_ns = NOON + 2 };
	struct witness_missing m;
	struct witness *a, *b;

	begin(e);
	assert_int_equal(witness_open(&o, &a), 0);
	assert_int_equal(witness_open(&o, &b), 0);
	list(a, ids, 3, NOON);
	list(b, ids, 3, NOON + 1);
	witness_saw(a, "web", &ids[0], NOON);
	witness_saw(b, "db", &ids[1], NOON);
	witness_close(a);
	witness_close(b);
	assert_int_equal(witness_listed(e->opts.witness, &l, &m), 0);
	assert_int_equal(m.nheads, 2);
	witness_missing_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_revoked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_revoked_after_reading, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_the_owners, setup, teardown),
		cmocka_unit_test_setup_teardown(test_withheld_revocation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rollback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_made_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expired_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_repository, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_processes, setup, teardown),
	};

	if (crypt_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
