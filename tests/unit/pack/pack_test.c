/*
 * Packs: written, read back, damaged in every byte, cut at every length, and on stores that fail.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/store/dir/store_dir.h"
#include "repo/store/mem/store_mem.h"
#include "tests/lib/packs.h"

struct seen {
	uint64_t first;
	unsigned n;
	struct place last;
	unsigned stop_at;
};

/* Objects of packs_put_pack() come in the order that they were entered. */
static int expect_object(void *arg, const struct id *id, const struct place *place)
{
	struct seen *s = arg;
	struct id want;

	packs_id(s->first + s->n, &want);
	assert_true(id_equal(id, &want));
	assert_int_equal(place->pack, 0);
	s->n++;
	s->last = *place;
	return s->stop_at != 0 && s->n == s->stop_at ? 42 : 0;
}

static int read_table(struct packs_world *w, const struct pack_info *info, struct seen *s)
{
	struct pack_info got;
	int rc;

	memset(&got, 0xee, sizeof(got));
	rc = pack_read_table(w->store, info->kind, &info->id, &w->k.metadata, PACKS_SEGMENT_SIZE, &got, expect_object,
	    s);
	if (s->n > 0)
		assert_true(packs_same_info(&got, info));
	return rc;
}

static void test_name(void **state)
{
	char name[PACK_NAME_SIZE], hex[ID_HEX_SIZE];
	enum pack_kind kind;
	struct id id, got;

	(void)state;
	packs_id(1, &id);
	id_hex(&id, hex);
	pack_name(PACK_TREE, &id, name);
	assert_int_equal(strlen(name), 9 + 64);
	assert_memory_equal(name, "trees/", 6);
	assert_memory_equal(name + 6, hex, 2);
	assert_string_equal(name + 9, hex);
	assert_int_equal(pack_name_parse(name, &kind, &got), 0);
	assert_int_equal(kind, PACK_TREE);
	assert_true(id_equal(&id, &got));
	pack_name(PACK_DATA, &id, name);
	assert_memory_equal(name, "packs/", 6);
	assert_int_equal(pack_name_parse(name, &kind, &got), 0);
	assert_int_equal(kind, PACK_DATA);

	assert_int_equal(pack_name_parse("packs/", &kind, &got), -EINVAL);
	assert_int_equal(pack_name_parse("", &kind, &got), -EINVAL);
	name[6] = name[6] == '0' ? '1' : '0';
	assert_int_equal(pack_name_parse(name, &kind, &got), -EINVAL);
	pack_name(PACK_DATA, &id, name);
	memcpy(name, "picks/", 6);
	assert_int_equal(pack_name_parse(name, &kind, &got), -EINVAL);
	pack_name(PACK_DATA, &id, name);
	name[20] = 'G';
	assert_int_equal(pack_name_parse(name, &kind, &got), -EINVAL);
	pack_name(PACK_DATA, &id, name);
	name[strlen(name) - 1] = '\0';
	assert_int_equal(pack_name_parse(name, &kind, &got), -EINVAL);
}

static void round_trip(struct packs_world *w, enum pack_kind kind, const struct seal_domain *domain)
{
	struct pack_info info = packs_put_pack(w->store, &w->k, kind, 100, 30);
	struct seen s = { .first = 100 };
	char name[PACK_NAME_SIZE];
	struct aead_key key;
	uint64_t size;
	uint8_t box[2000], plain[2000];

	assert_int_equal(store_stat(w->store, pack_name(kind, &info.id, name), &size), 0);
	assert_int_equal(size, info.size);
	assert_int_equal(read_table(w, &info, &s), 0);
	assert_int_equal(s.n, 30);
	assert_int_equal(pack_verify(w->store, kind, &info.id), 0);

	/* The last segment has the last 30 % 8 objects. */
	assert_int_equal(seal_open_key(domain, info.wrapped, &key), 0);
	assert_int_equal(s.last.shared_len, 600);
	assert_int_equal(s.last.box[0], 600 + 1 + CRYPT_TAG_LEN);
	assert_int_equal(store_get(w->store, name, s.last.offset, s.last.box[0], box), 0);
	assert_int_equal(pack_open_segment(domain->cipher, kind, &key, s.last.offset, box, s.last.box[0], plain), 0);
	assert_int_equal(plain[0], 0);
	assert_int_equal(plain[1 + s.last.shared_skip], 129);
	assert_int_equal(pack_open_segment(domain->cipher, kind, &key, s.last.offset + 1, box, s.last.box[0], plain),
	    -EBADMSG);
	assert_int_equal(pack_open_segment(domain->cipher, kind == PACK_DATA ? PACK_TREE : PACK_DATA, &key,
	    s.last.offset, box, s.last.box[0], plain), -EBADMSG);
	assert_int_equal(pack_open_segment(domain->cipher, kind, &key, s.last.offset, box, 3, plain), -EBADMSG);
	/* In place, as the reader of objects does it. */
	assert_int_equal(pack_open_segment(domain->cipher, kind, &key, s.last.offset, box, s.last.box[0], box), 0);
	assert_int_equal(box[0], 0);
	assert_int_equal(box[600], 129);
}

static void test_round_trip(void **state)
{
	struct packs_world *w = *state;

	round_trip(w, PACK_DATA, &w->k.data);
	round_trip(w, PACK_TREE, &w->k.metadata);
}

static void test_in_a_directory(void **state)
{
	struct packs_world *w = *state;
	char dir[] = "/tmp/varve-pack-XXXXXX";

	assert_non_null(mkdtemp(dir));
	store_close(w->store);
	assert_int_equal(store_dir_open(dir, true, NULL, &w->store), 0);
	round_trip(w, PACK_DATA, &w->k.data);
	packs_remove_tree(dir);
}

static void test_empty(void **state)
{
	struct packs_world *w = *state;
	struct pack_info info = packs_put_pack(w->store, &w->k, PACK_DATA, 0, 0);
	struct seen s = { 0 };

	assert_int_equal(read_table(w, &info, &s), 0);
	assert_int_equal(s.n, 0);
	assert_int_equal(pack_verify(w->store, PACK_DATA, &info.id), 0);
}

/* A table that does not fit what is read of the end at first. */
static void test_large_table(void **state)
{
	struct packs_world *w = *state;
	struct pack_info info = packs_put_pack(w->store, &w->k, PACK_DATA, 5, 3000);
	struct seen s = { .first = 5 };

	assert_int_equal(read_table(w, &info, &s), 0);
	assert_int_equal(s.n, 3000);
	s = (struct seen){ .first = 5, .stop_at = 1000 };
	assert_int_equal(read_table(w, &info, &s), 42);
	assert_int_equal(s.n, 1000);
}

static void test_every_bit(void **state)
{
	struct packs_world *w = *state;
	struct pack_info info = packs_put_pack(w->store, &w->k, PACK_DATA, 0, 3);
	struct buf b = BUF_INIT;
	char name[PACK_NAME_SIZE];
	unsigned rejected = 0, boxes = 3 * 100 + 1 + CRYPT_TAG_LEN;
	int rc;

	pack_name(PACK_DATA, &info.id, name);
	assert_int_equal(store_get_all(w->store, name, 1 << 20, &b), 0);
	for (size_t i = 0; i < b.len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct seen s = { 0 };

			b.data[i] ^= (uint8_t)(1u << bit);
			assert_int_equal(store_mem_replace(w->store, name, b.data, b.len), 0);
			rc = read_table(w, &info, &s);
			if (rc == 0)
				assert_in_range(i, PACK_HEADER_LEN, PACK_HEADER_LEN + boxes - 1);
			else
				assert_true(rc == -EBADMSG || (i == 7 && rc == -EPROTONOSUPPORT));
			rejected += rc != 0;
			assert_true(rc == 0 || s.n == 0);
			assert_int_equal(pack_verify(w->store, PACK_DATA, &info.id), -EBADMSG);
			b.data[i] ^= (uint8_t)(1u << bit);
		}
	}
	assert_int_equal(rejected, (b.len - boxes) * 8);
	buf_free(&b);
}

static void test_every_length(void **state)
{
	struct packs_world *w = *state;
	struct pack_info info = packs_put_pack(w->store, &w->k, PACK_TREE, 0, 20);
	struct buf b = BUF_INIT;
	char name[PACK_NAME_SIZE];

	pack_name(PACK_TREE, &info.id, name);
	assert_int_equal(store_get_all(w->store, name, 1 << 20, &b), 0);
	assert_int_equal(buf_u8(&b, 0), 0);
	for (size_t len = 0; len <= b.len; len++) {
		struct seen s = { 0 };

		if (len == info.size)
			continue;
		assert_int_equal(store_mem_replace(w->store, name, b.data, len), 0);
		assert_int_equal(read_table(w, &info, &s), -EBADMSG);
		assert_int_equal(s.n, 0);
		assert_int_equal(pack_verify(w->store, PACK_TREE, &info.id), -EBADMSG);
	}
	buf_free(&b);
}

/* Under the other kind's name, of another repository, without the key, and not there at all. */
static void test_strangers(void **state)
{
	struct packs_world *w = *state;
	struct pack_info info = packs_put_pack(w->store, &w->k, PACK_DATA, 0, 3), got;
	struct packs_keys other;
	struct seal_domain blind = w->k.metadata;
	struct buf b = BUF_INIT;
	char name[PACK_NAME_SIZE];
	struct seen s = { 0 };

	packs_keys_make(&other);
	assert_int_equal(pack_read_table(w->store, PACK_DATA, &info.id, &other.metadata, PACKS_SEGMENT_SIZE, &got,
	    expect_object, &s), -EBADMSG);
	blind.can_open = false;
	assert_int_equal(pack_read_table(w->store, PACK_DATA, &info.id, &blind, PACKS_SEGMENT_SIZE, &got, expect_object,
	    &s), -EACCES);
	assert_int_equal(pack_read_table(w->store, PACK_TREE, &info.id, &w->k.metadata, PACKS_SEGMENT_SIZE, &got,
	    expect_object, &s), -ENOENT);
	assert_int_equal(pack_verify(w->store, PACK_TREE, &info.id), -ENOENT);
	assert_int_equal(store_get_all(w->store, pack_name(PACK_DATA, &info.id, name), 1 << 20, &b), 0);
	assert_int_equal(store_mem_replace(w->store, pack_name(PACK_TREE, &info.id, name), b.data, b.len), 0);
	assert_int_equal(pack_read_table(w->store, PACK_TREE, &info.id, &w->k.metadata, PACKS_SEGMENT_SIZE, &got,
	    expect_object, &s), -EBADMSG);
	assert_int_equal(s.n, 0);
	/* A segment size that the places contradict is damage too. */
	assert_int_equal(pack_read_table(w->store, PACK_DATA, &info.id, &w->k.metadata, 100, &got, expect_object, &s),
	    -EBADMSG);
	buf_free(&b);
}

/* Places before the first box or behind the last are refused, even if whoever sealed them had the keys. */
static void test_places_outside(void **state)
{
	static const struct { uint32_t offset; int rc; } cases[] = { { 95, -EBADMSG }, { 96, 0 }, { 97, -EBADMSG } };
	struct packs_world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct place place = { .offset = cases[i].offset, .len = 3, .box = { 20 }, .shared_len = 3 };
		uint8_t segment[4 + CRYPT_TAG_LEN] = { 0 };
		struct pack_writer *p;
		struct pack_info info;
		struct seen s = { 0 };
		uint32_t offset, box;
		struct id id;

		packs_id(0, &id);
		assert_int_equal(pack_begin(w->store, PACK_DATA, &w->k.data, &w->k.metadata, &p), 0);
		assert_int_equal(pack_append(p, segment, 4, &offset, &box), 0);
		assert_int_equal(pack_length(p), 96 + 20);
		assert_int_equal(pack_enter(p, &id, &place), 0);
		assert_int_equal(pack_commit(p, &info), 0);
		assert_int_equal(read_table(w, &info, &s), cases[i].rc);
	}
}

static unsigned count_objects(struct store *store);

static void test_full_store(void **state)
{
	struct packs_world *w = *state;
	struct store_fault_rule full = { .fault = STORE_FAULT_NOSPACE, .ops = STORE_OP_PUT, .prefix = "" };
	uint8_t segment[1000 + CRYPT_TAG_LEN];
	struct pack_writer *p;
	struct pack_info info;
	uint32_t offset, box;

	for (full.amount = 0; full.amount < 1400; full.amount += 50) {
		store_mem_set_faults(w->store, &full, 1);
		memset(segment, 0, sizeof(segment));
		if (pack_begin(w->store, PACK_DATA, &w->k.data, &w->k.metadata, &p) == 0) {
			pack_append(p, segment, 1000, &offset, &box);
			assert_int_equal(pack_commit(p, &info), full.amount < 1224 ? -ENOSPC : 0);
		}
		assert_int_equal(count_objects(w->store), full.amount < 1224 ? 0 : 1);
		if (full.amount >= 1224)
			break;
	}
	assert_true(full.amount >= 1224);
}

static int count_one(void *arg, const char *name, uint64_t size)
{
	(void)name;
	(void)size;
	++*(unsigned *)arg;
	return 0;
}

static unsigned count_objects(struct store *store)
{
	unsigned n = 0;

	assert_int_equal(store_list(store, "", count_one, &n), 0);
	return n;
}

static void test_abort(void **state)
{
	struct packs_world *w = *state;
	struct seal_domain blind = w->k.data;
	struct pack_writer *p;

	assert_int_equal(pack_begin(w->store, PACK_DATA, &w->k.data, &w->k.metadata, &p), 0);
	pack_abort(p);
	pack_abort(NULL);
	blind.can_seal = false;
	assert_int_equal(pack_begin(w->store, PACK_DATA, &blind, &w->k.metadata, &p), -EACCES);
	assert_int_equal(count_objects(w->store), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name),
		cmocka_unit_test_setup_teardown(test_round_trip, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_in_a_directory, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_empty, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_large_table, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_every_bit, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_every_length, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_strangers, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_places_outside, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_full_store, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_abort, packs_setup, packs_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
