/*
 * generation.h, grant.h and what of seal.h is about them: who is granted a generation has its secrets, nobody else;
 * what is sealed in any of them opens for who has them all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "repo/crypt/keys/generation.h"
#include "repo/crypt/keys/keyslot.h"
#include "repo/crypt/seal.h"

#define NOW INT64_C(1700000000000000000)

enum { OWNER, WRITER, READER, AUDITOR, NROLES };

static const enum role roles[NROLES] = { ROLE_OWNER, ROLE_WRITER, ROLE_READER, ROLE_AUDITOR };
static const uint8_t repo_id[16] = { 7 };

struct env {
	struct secrets *who[NROLES];
	struct grant grant[NROLES];
	struct config config;
	struct buf object; /* a generation for all */
	struct id id;
};

static void own_grant(const struct secrets *s, struct grant *out)
{
	assert_int_equal(grant_open(s->grant.data, s->grant.len, s->repo_id, &s->owner_public, out), 0);
}

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	e->who[OWNER] = secrets_generate(repo_id, "alice", NOW);
	assert_non_null(e->who[OWNER]);
	for (size_t i = WRITER; i < NROLES; i++) {
		e->who[i] = secrets_for_role(e->who[OWNER], roles[i], role_name(roles[i]), NULL, NOW);
		assert_non_null(e->who[i]);
	}
	for (size_t i = 0; i < NROLES; i++)
		own_grant(e->who[i], &e->grant[i]);
	e->config.cipher = CIPHER_XCHACHA20_POLY1305;
	crypt_box_public(&e->who[OWNER]->metadata, &e->config.metadata);
	crypt_box_public(&e->who[OWNER]->data, &e->config.data);
	assert_int_equal(generation_new(e->who[OWNER], e->grant, NROLES, NOW, &e->object, &e->id), 0);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	for (size_t i = 0; i < NROLES; i++)
		secrets_free(e->who[i]);
	buf_free(&e->object);
	free(e);
	return 0;
}

/* What ${s} has of a generation. */
static int take(const struct secrets *s, const struct buf *object, const struct id *id, struct generation_secrets *out)
{
	struct generation g;
	int rc = generation_open(object->data, object->len, s, &g);

	return rc == 0 ? generation_secrets(&g, s, id, out) : rc;
}

/* ${s} takes it in. */
static void join(struct secrets *s, const struct buf *object, const struct id *id)
{
	struct generation_secrets g;

	assert_int_equal(take(s, object, id, &g), 0);
	assert_int_equal(secrets_add_generation(s, &g), 0);
}

/* A further generation, which everybody takes in. */
static void rotate(struct env *e)
{
	struct buf object = BUF_INIT;
	struct id id;

	assert_int_equal(generation_new(e->who[OWNER], e->grant, NROLES, NOW, &object, &id), 0);
	for (size_t i = 0; i < NROLES; i++)
		join(e->who[i], &object, &id);
	buf_free(&object);
}

/* --- Grants ------------------------------------------------------------------------------------------------------- */

static void test_grants(void **state)
{
	struct env *e = *state;
	struct grant g = e->grant[READER], back;
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < NROLES; i++) {
		assert_int_equal(e->grant[i].role, roles[i]);
		assert_int_equal(e->grant[i].signs, i == OWNER || i == WRITER);
		assert_string_equal(e->grant[i].name, i == OWNER ? "alice" : role_name(roles[i]));
	}
	/* By another key than the owner's, for another repository, or changed. */
	assert_int_equal(grant_sign(&g, repo_id, &e->who[WRITER]->signing, &b), 0);
	assert_int_equal(grant_open(b.data, b.len, repo_id, &e->who[OWNER]->owner_public, &back), -EKEYREJECTED);
	buf_clear(&b);
	assert_int_equal(grant_sign(&g, repo_id, &e->who[OWNER]->owner, &b), 0);
	assert_int_equal(grant_open(b.data, b.len, repo_id, &e->who[OWNER]->owner_public, &back), 0);
	assert_int_equal(grant_open(b.data, b.len, (const uint8_t[16]){ 8 }, &e->who[OWNER]->owner_public, &back),
	    -EKEYREJECTED);
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 1;
		assert_true(grant_open(b.data, b.len, repo_id, &e->who[OWNER]->owner_public, &back) < 0);
		b.data[i] ^= 1;
	}
	/* A role that signs needs the key, and no other has one. */
	buf_clear(&b);
	g.signs = true;
	assert_int_equal(grant_sign(&g, repo_id, &e->who[OWNER]->owner, &b), 0);
	assert_int_equal(grant_open(b.data, b.len, repo_id, &e->who[OWNER]->owner_public, &back), -EBADMSG);
	buf_free(&b);
}

/* --- Bundles ------------------------------------------------------------------------------------------------------ */

static void test_bundles(void **state)
{
	struct env *e = *state;
	struct secrets *back, *later;
	struct buf b = BUF_INIT;

	rotate(e);
	rotate(e);
	for (size_t i = 0; i < NROLES; i++) {
		buf_clear(&b);
		assert_int_equal(secrets_encode(e->who[i], &b), 0);
		assert_int_equal(secrets_decode(b.data, b.len, &back), 0);
		assert_int_equal(back->ngenerations, 2);
		assert_int_equal(secrets_newest(back), 2);
		assert_memory_equal(back->generations, e->who[i]->generations, 2 * sizeof(back->generations[0]));
		assert_memory_equal(&back->renewal, &e->who[i]->renewal, sizeof(back->renewal));
		secrets_free(back);
		/* Who comes later has what his role has. */
		later = secrets_for_role(e->who[OWNER], roles[i], "later", NULL, NOW);
		assert_non_null(later);
		assert_memory_equal(later->generations, e->who[i]->generations, 2 * sizeof(later->generations[0]));
		assert_memory_not_equal(&later->renewal, &e->who[i]->renewal, sizeof(later->renewal));
		secrets_free(later);
	}
	buf_wipe(&b);
}

static void expect_refused(const struct secrets *s)
{
	struct secrets *back;
	struct buf b = BUF_INIT;

	assert_int_equal(secrets_encode(s, &b), 0);
	assert_int_equal(secrets_decode(b.data, b.len, &back), -EBADMSG);
	buf_wipe(&b);
}

static void test_bundles_that_do_not_fit(void **state)
{
	struct env *e = *state;
	struct secrets *s = e->who[READER];
	struct generation_secrets first;
	struct buf grant = s->grant;

	rotate(e);
	rotate(e);
	first = s->generations[0];
	s->generations[0] = s->generations[1];
	expect_refused(s);
	s->generations[1] = first;
	expect_refused(s);
	s->generations[0] = first;
	s->generations[1].number = 0;
	expect_refused(s);
	s->generations[1].number = 2;
	s->generations[1].data.b[0] ^= 8;
	expect_refused(s);
	s->generations[1].data.b[0] ^= 8;
	/* The grant of somebody else. */
	s->grant = e->who[AUDITOR]->grant;
	expect_refused(s);
	s->grant = grant;
	s->renewal.b[1] ^= 1;
	expect_refused(s);
}

static void test_order(void **state)
{
	struct env *e = *state;
	struct secrets *s = e->who[OWNER];
	struct generation_secrets g = { .number = 2 };

	assert_int_equal(secrets_newest(s), 0);
	for (uint8_t i = 5; i > 2; i--) {
		g.id.b[0] = i;
		assert_int_equal(secrets_add_generation(s, &g), 0);
		assert_int_equal(secrets_add_generation(s, &g), -EEXIST);
	}
	g.number = 1;
	assert_int_equal(secrets_add_generation(s, &g), 0);
	assert_int_equal(s->ngenerations, 4);
	assert_int_equal(s->generations[0].number, 1);
	assert_int_equal(s->generations[1].id.b[0], 3);
	assert_int_equal(s->generations[3].id.b[0], 5);
	assert_int_equal(secrets_newest(s), 2);
	for (g.number = 3; s->ngenerations < GENERATIONS_MAX; g.number++)
		assert_int_equal(secrets_add_generation(s, &g), 0);
	assert_int_equal(secrets_add_generation(s, &g), -ENOSPC);
	assert_int_equal(generation_new(s, e->grant, 1, NOW, &e->object, &e->id), -ENOSPC);
}

/* --- The object --------------------------------------------------------------------------------------------------- */

static void test_members(void **state)
{
	struct env *e = *state;
	static const struct box_secret none;
	struct generation_secrets of[NROLES];
	struct generation g;
	struct id hash;

	crypt_hash(e->object.data, e->object.len, &hash);
	assert_true(id_equal(&hash, &e->id));
	assert_int_equal(generation_open(e->object.data, e->object.len, e->who[READER], &g), 0);
	assert_int_equal(g.number, 1);
	assert_int_equal(g.time_ns, NOW);
	assert_int_equal(g.nenvelopes, NROLES);
	for (size_t i = 0; i < NROLES; i++) {
		bool data = i == OWNER || i == READER;

		assert_int_equal(take(e->who[i], &e->object, &e->id, &of[i]), 0);
		assert_memory_equal(&of[i].metadata, &of[0].metadata, sizeof(of[i].metadata));
		assert_memory_equal(&of[i].data, data ? &of[0].data : &none, sizeof(of[i].data));
		assert_memory_equal(&of[i].data_public, &g.data, sizeof(g.data));
	}
	assert_memory_not_equal(&of[0].metadata, &e->who[0]->metadata, sizeof(of[0].metadata));
	assert_memory_not_equal(&of[0].data, &e->who[0]->data, sizeof(of[0].data));
}

static void test_left_out(void **state)
{
	struct env *e = *state;
	struct generation_secrets g;
	struct buf object = BUF_INIT;
	struct secrets *other;
	struct id id;

	assert_int_equal(generation_new(e->who[OWNER], e->grant, READER, NOW, &object, &id), 0);
	assert_int_equal(take(e->who[WRITER], &object, &id, &g), 0);
	assert_int_equal(take(e->who[READER], &object, &id, &g), -ENOENT);
	assert_int_equal(take(e->who[AUDITOR], &object, &id, &g), -ENOENT);
	/* Another repository's. */
	other = secrets_generate((const uint8_t[16]){ 9 }, "mallory", NOW);
	assert_non_null(other);
	assert_int_equal(take(other, &object, &id, &g), -EKEYREJECTED);
	secrets_free(other);
	buf_free(&object);
}

static void test_only_the_owner(void **state)
{
	struct env *e = *state;
	struct secrets *w = e->who[WRITER];
	struct generation_secrets g;
	struct buf object = BUF_INIT;
	struct id id;

	for (size_t i = WRITER; i < NROLES; i++)
		assert_int_equal(generation_new(e->who[i], e->grant, NROLES, NOW, &object, &id), -EPERM);
	/* With what he has in the place of the owner's key. */
	w->mask |= SECRET_OWNER;
	w->owner = w->signing;
	assert_int_equal(generation_new(w, e->grant, NROLES, NOW, &object, &id), 0);
	for (size_t i = 0; i < NROLES; i++)
		assert_int_equal(take(e->who[i], &object, &id, &g), -EKEYREJECTED);
	buf_free(&object);
}

static void test_every_bit_counts(void **state)
{
	struct env *e = *state;
	struct generation_secrets g;
	struct buf *b = &e->object;

	for (size_t i = 0; i < b->len; i++) {
		b->data[i] ^= 0x10;
		assert_true(take(e->who[READER], b, &e->id, &g) < 0);
		b->data[i] ^= 0x10;
	}
	for (size_t len = 0; len < b->len; len += 13) {
		struct buf cut = { .data = b->data, .len = len };

		assert_true(take(e->who[READER], &cut, &e->id, &g) < 0);
	}
	b->data[7] = '2';
	assert_int_equal(take(e->who[READER], b, &e->id, &g), -EPROTONOSUPPORT);
}

/* --- Sealing ------------------------------------------------------------------------------------------------------ */

/* Both domains of a role, with their rings. */
struct domains {
	struct seal_domain data, metadata;
	struct seal_ring data_ring, metadata_ring;
};

static void make_domains(const struct env *e, const struct secrets *s, struct domains *d)
{
	memset(d, 0, sizeof(*d));
	seal_data_domain(&e->config, s, &d->data);
	seal_metadata_domain(&e->config, s, &d->metadata);
	seal_data_ring(&e->config, s, &d->data_ring);
	seal_metadata_ring(&e->config, s, &d->metadata_ring);
	d->data.ring = &d->data_ring;
	d->metadata.ring = &d->metadata_ring;
}

static void opens(const struct seal_domain *from, const struct seal_domain *to, int want)
{
	uint8_t wrapped[CRYPT_WRAPPED_LEN];
	struct aead_key key, got;

	seal_new_key(from, &key, wrapped);
	assert_int_equal(seal_open_key(to, wrapped, &got), want);
	if (want == 0)
		assert_memory_equal(&key, &got, sizeof(key));
}

static void test_old_and_new(void **state)
{
	struct env *e = *state;
	struct domains before[4], now;

	for (size_t g = 0; g < 4; g++) {
		make_domains(e, e->who[WRITER], &before[g]);
		rotate(e);
	}
	make_domains(e, e->who[READER], &now);
	for (unsigned round = 0; round < 2; round++) {
		for (size_t g = 0; g < 4; g++) {
			opens(&before[g].data, &now.data, 0);
			opens(&before[g].metadata, &now.metadata, 0);
		}
	}
	/* Names are for ever. */
	{
		struct hash_key a, b;

		seal_tree_id_key(e->who[WRITER], &a);
		e->who[WRITER]->ngenerations = 0;
		seal_tree_id_key(e->who[WRITER], &b);
		assert_memory_equal(&a, &b, sizeof(a));
	}
	/* And who has left does not open what is new, and can write but not seal it. */
	make_domains(e, e->who[WRITER], &before[0]);
	opens(&now.metadata, &before[0].metadata, -EBADMSG);
	before[0].metadata_ring.behind = true;
	opens(&now.metadata, &before[0].metadata, -EACCES);
	before[0].data.pk = now.data.pk;
	{
		uint8_t wrapped[CRYPT_WRAPPED_LEN];
		struct aead_key key, got;

		seal_new_key(&before[0].data, &key, wrapped);
		assert_int_equal(seal_open_key(&now.data, wrapped, &got), 0);
		assert_memory_not_equal(&key, &got, sizeof(key));
	}
}

/* An auditor has no mixing key of data, in no generation. */
static void test_auditor(void **state)
{
	struct env *e = *state;
	struct domains d;

	rotate(e);
	make_domains(e, e->who[AUDITOR], &d);
	assert_false(d.data.can_seal);
	assert_false(d.data.can_open);
	assert_true(d.metadata.can_open);
	make_domains(e, e->who[WRITER], &d);
	assert_true(d.data.can_seal);
	assert_false(d.data.can_open);
}

struct renewal {
	struct env *e;
	struct domains *d;
	const struct generation_secrets *g;
	unsigned asked;
};

static int renew(void *arg)
{
	struct renewal *r = arg;

	if (r->asked++ == 0)
		return -ETIMEDOUT;
	if (r->asked == 2) {
		seal_data_ring_add(&r->d->data_ring, r->e->who[READER], r->g);
		seal_metadata_ring_add(&r->d->metadata_ring, r->g);
	}
	return 0;
}

/* One that is in use while the secrets are rotated. */
static void test_renewal(void **state)
{
	struct env *e = *state;
	struct domains d, fresh;
	struct generation_secrets g;
	struct renewal r = { .e = e, .d = &d, .g = &g };

	assert_int_equal(take(e->who[READER], &e->object, &e->id, &g), 0);
	make_domains(e, e->who[READER], &d);
	join(e->who[WRITER], &e->object, &e->id);
	make_domains(e, e->who[WRITER], &fresh);
	opens(&fresh.data, &d.data, -EBADMSG);
	d.data_ring.renew = d.metadata_ring.renew = renew;
	d.data_ring.arg = d.metadata_ring.arg = &r;
	opens(&d.data, &d.data, 0);
	assert_int_equal(r.asked, 0);
	opens(&fresh.data, &d.data, -EIO);
	opens(&fresh.data, &d.data, 0);
	opens(&fresh.metadata, &d.metadata, 0);
	assert_int_equal(r.asked, 2);
	opens(&d.data, &d.data, 0);
	/* What is damaged is damaged. */
	opens(&d.metadata, &d.data, -EBADMSG);
	assert_int_equal(r.asked, 3);
}

/* --- Labels ------------------------------------------------------------------------------------------------------- */

static void test_labels(void **state)
{
	struct env *e = *state;
	static const uint8_t file[32] = { 1 };
	struct credentials cred = { .key_file = file, .key_file_len = sizeof(file) };
	struct keyslot_params params = { .passes = 1, .memory_kib = KEYSLOT_MEMORY_KIB_MIN };
	struct keyslot_label label = { .role = ROLE_READER, .name = "bob", .grant = e->who[READER]->grant }, back;
	struct domains d;
	struct secrets *s;
	struct buf b = BUF_INIT;

	for (unsigned i = 0; i < 3; i++) {
		buf_clear(&b);
		make_domains(e, e->who[OWNER], &d);
		assert_int_equal(keyslot_seal(e->who[READER], &cred, &params, e->config.cipher, &d.metadata.pk, &label,
		    &b), 0);
		rotate(e);
		assert_int_equal(keyslot_read_label(b.data, b.len, e->config.cipher, e->who[AUDITOR], &back), 0);
		assert_string_equal(back.name, "bob");
		assert_int_equal(back.grant.len, label.grant.len);
		assert_memory_equal(back.grant.data, label.grant.data, back.grant.len);
		keyslot_label_destroy(&back);
		assert_int_equal(keyslot_open(b.data, b.len, &cred, &s), 0);
		assert_int_equal(s->ngenerations, i);
		secrets_free(s);
	}
	/* Who has none but the first does not read it. */
	e->who[WRITER]->ngenerations = 0;
	assert_int_equal(keyslot_read_label(b.data, b.len, e->config.cipher, e->who[WRITER], &back), -EBADMSG);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_grants, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bundles, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bundles_that_do_not_fit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_members, setup, teardown),
		cmocka_unit_test_setup_teardown(test_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_the_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_bit_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_and_new, setup, teardown),
		cmocka_unit_test_setup_teardown(test_auditor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_renewal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_labels, setup, teardown),
	};

	return crypt_init() != 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
