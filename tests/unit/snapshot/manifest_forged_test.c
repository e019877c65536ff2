/*
 * Manifests that were tampered with, forged, or made by somebody who may not.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "repo/snapshot/manifest/manifest.h"
#include "tests/unit/snapshot/manifest_rig.h"

static void test_tampering(void **state)
{
	struct buf object = BUF_INIT;
	struct manifest_rig *e = *state;
	struct manifest m;
	struct id id, hash;
	size_t step;

	assert_int_equal(manifest_rig_seal(e, e->owner, &object, &id), 0);
	step = 1 + object.len / 200;
	for (size_t i = 0; i < object.len; i += step) {
		object.data[i] ^= 1;
		assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &m), -EBADMSG);
		/* A name that fits the bytes does not help. */
		crypt_hash(object.data, object.len, &hash);
		assert_int_equal(manifest_rig_open(e, &object, &hash, e->owner, &m),
		    i == 7 ? -EPROTONOSUPPORT : -EBADMSG);
		object.data[i] ^= 1;
	}
	for (size_t len = 0; len < object.len; len += step)
		assert_int_equal(manifest_open(object.data, len, &id, e->owner, &e->metadata, &m), -EBADMSG);
	for (int i = 0; i < ID_LEN; i++) {
		id.b[i] ^= 1;
		assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &m), -EBADMSG);
		id.b[i] ^= 1;
	}
	object.data[7] = '2';
	crypt_hash(object.data, object.len, &hash);
	assert_int_equal(manifest_rig_open(e, &object, &hash, e->owner, &m), -EPROTONOSUPPORT);
	object.data[7] = '1';
	assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &m), 0);
	manifest_destroy(&m);
	buf_free(&object);
}

static struct secrets *writer(struct manifest_rig *e, const char *host, const char *tag, int64_t expires_ns)
{
	struct cert_limits limits = {
		.hosts = &host, .nhosts = host != NULL, .tags = &tag, .ntags = tag != NULL, .expires_ns = expires_ns,
	};
	struct secrets *s = secrets_for_role(e->owner, ROLE_WRITER, "writer", &limits, MANIFEST_RIG_TIME);

	assert_non_null(s);
	return s;
}

static void test_entitled(void **state)
{
	struct manifest_rig *e = *state;
	const struct { const char *host, *tag; int64_t expires_ns; int rc; } cases[] = {
		{ NULL, NULL, 0, 0 },
		{ "web", NULL, 0, 0 },
		{ "db", NULL, 0, -EKEYREJECTED },
		{ "w*", NULL, 0, 0 },
		{ "w*x", NULL, 0, -EKEYREJECTED },
		{ NULL, "weekly", 0, 0 },
		{ NULL, "daily", 0, -EKEYREJECTED },
		{ NULL, NULL, MANIFEST_RIG_TIME, 0 },
		{ NULL, NULL, MANIFEST_RIG_TIME - 1, -EKEYREJECTED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct secrets *s = writer(e, cases[i].host, cases[i].tag, cases[i].expires_ns);
		struct sign_public pk;
		struct buf object = BUF_INIT;
		struct manifest m;
		struct id id;

		assert_int_equal(manifest_rig_seal(e, s, &object, &id), cases[i].rc);
		assert_int_equal(object.len > 0, cases[i].rc == 0);
		if (cases[i].rc == 0) {
			assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &m), 0);
			assert_string_equal(m.writer, "writer");
			assert_int_equal(m.writer_expires_ns, cases[i].expires_ns);
			crypt_sign_public(&s->signing, &pk);
			assert_memory_equal(&m.writer_key, &pk, sizeof(pk));
			manifest_destroy(&m);
		}
		buf_free(&object);
		secrets_free(s);
	}
}

/* Make the end of an id say this time, as the header describes it. */
static void set_time(struct manifest_rig *e, int64_t time_ns, struct id *id)
{
	struct hash_key key;
	struct id mask;

	crypt_derive(e->owner->metadata.b, "varve snapshot time", key.b);
	crypt_object_id(&key, id->b, 24, &mask);
	for (int i = 0; i < 8; i++)
		id->b[24 + i] = (uint8_t)((uint64_t)time_ns >> (56 - 8 * i)) ^ mask.b[i];
}

/*
 * Seal ${m} with whatever certificate it has, as somebody would who holds the metadata secret and is not stopped by
 * manifest_seal(): the reader must notice by itself.  The object's fields are encoded here again.
 */
static void forge(struct manifest_rig *e, const struct manifest *m, const struct sign_secret *key, const char *context,
    struct buf *out, struct id *id)
{
	struct buf fields = BUF_INIT, signed_bytes = BUF_INIT;
	const uint8_t head[16] = "VARVESN1";
	struct signature sig;

	assert_int_equal(tlv_put_u64(&fields, MANIFEST_TIME, (uint64_t)m->time_ns), 0);
	assert_int_equal(tlv_put(&fields, MANIFEST_HOST, m->host, strlen(m->host)), 0);
	for (uint32_t i = 0; i < m->ntags; i++)
		assert_int_equal(tlv_put(&fields, MANIFEST_TAG, m->tags[i], strlen(m->tags[i])), 0);
	assert_int_equal(tlv_put(&fields, MANIFEST_ROOT, m->root_page.data, m->root_page.len), 0);
	assert_int_equal(tlv_put(&fields, MANIFEST_CERT, m->cert.data, m->cert.len), 0);
	assert_int_equal(buf_append(&signed_bytes, e->owner->repo_id, 16), 0);
	assert_int_equal(buf_append(&signed_bytes, fields.data, fields.len), 0);
	crypt_sign(key, context, signed_bytes.data, signed_bytes.len, &sig);
	assert_int_equal(buf_append(&fields, sig.b, sizeof(sig.b)), 0);

	buf_clear(out);
	assert_int_equal(buf_append(out, head, sizeof(head)), 0);
	assert_int_equal(buf_reserve(out, fields.len + CRYPT_BLOB_OVERHEAD), 0);
	seal_blob(&e->metadata, head, sizeof(head), fields.data, fields.len, out->data + 16);
	out->len += fields.len + CRYPT_BLOB_OVERHEAD;

	crypt_hash(out->data, out->len, id);
	set_time(e, m->time_ns, id);
	buf_free(&fields);
	buf_free(&signed_bytes);
}

static void test_forged(void **state)
{
	struct manifest_rig *e = *state;
	struct secrets *stranger = secrets_generate(e->config.repo_id, "stranger", MANIFEST_RIG_TIME);
	struct secrets *limited = writer(e, "db", "daily", MANIFEST_RIG_TIME), *plain = writer(e, NULL, NULL, 0);
	struct buf object = BUF_INIT;
	struct manifest m, out;
	struct id id;

	assert_non_null(stranger);
	manifest_rig_make(&m);
	assert_int_equal(buf_append(&m.cert, plain->cert.data, plain->cert.len), 0);
	forge(e, &m, &plain->signing, MANIFEST_CONTEXT, &object, &id);
	assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &out), 0); /* the forger's tools are right */
	manifest_destroy(&out);
	/* Another's certificate, and a signature of something else. */
	forge(e, &m, &limited->signing, MANIFEST_CONTEXT, &object, &id);
	assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &out), -EKEYREJECTED);
	forge(e, &m, &plain->signing, "varve other", &object, &id);
	assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &out), -EKEYREJECTED);
	/* A certificate of another owner. */
	buf_clear(&m.cert);
	assert_int_equal(buf_append(&m.cert, stranger->cert.data, stranger->cert.len), 0);
	forge(e, &m, &stranger->signing, MANIFEST_CONTEXT, &object, &id);
	assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &out), -EKEYREJECTED);
	/* Limits: host, tag, time. */
	buf_clear(&m.cert);
	assert_int_equal(buf_append(&m.cert, limited->cert.data, limited->cert.len), 0);
	forge(e, &m, &limited->signing, MANIFEST_CONTEXT, &object, &id);
	assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &out), -EKEYREJECTED);
	manifest_rig_set_string(&m.host, "db");
	forge(e, &m, &limited->signing, MANIFEST_CONTEXT, &object, &id);
	assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &out), -EKEYREJECTED);
	assert_int_equal(manifest_add_tag(&m, "daily"), 0);
	forge(e, &m, &limited->signing, MANIFEST_CONTEXT, &object, &id);
	assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &out), -EKEYREJECTED);
	manifest_rig_set_string(&m.tags[0], "daily");
	forge(e, &m, &limited->signing, MANIFEST_CONTEXT, &object, &id);
	assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &out), 0);
	manifest_destroy(&out);
	m.time_ns++;
	forge(e, &m, &limited->signing, MANIFEST_CONTEXT, &object, &id);
	assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &out), -EKEYREJECTED);
	manifest_destroy(&m);
	buf_free(&object);
	secrets_free(stranger);
	secrets_free(limited);
	secrets_free(plain);
}

/* A name that says the right time, of other bytes. */
static void test_wrong_hash(void **state)
{
	struct buf object = BUF_INIT;
	struct manifest_rig *e = *state;
	struct manifest m;
	struct id id;

	assert_int_equal(manifest_rig_seal(e, e->owner, &object, &id), 0);
	id.b[23] ^= 1;
	set_time(e, MANIFEST_RIG_TIME, &id);
	assert_int_equal(snapshot_id_time(e->owner, &id), MANIFEST_RIG_TIME);
	assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &m), -EBADMSG);
	buf_free(&object);
}

/* The name says another time than the manifest. */
static void test_wrong_time(void **state)
{
	struct buf object = BUF_INIT;
	struct manifest_rig *e = *state;
	struct manifest m;
	struct id id;

	assert_int_equal(manifest_rig_seal(e, e->owner, &object, &id), 0);
	id.b[31] ^= 1;
	assert_int_equal(snapshot_id_time(e->owner, &id), MANIFEST_RIG_TIME ^ 1);
	assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &m), -EBADMSG);
	buf_free(&object);
}

static void test_roles(void **state)
{
	struct buf object = BUF_INIT;
	struct manifest_rig *e = *state;
	struct secrets *reader = secrets_for_role(e->owner, ROLE_READER, "r", NULL, MANIFEST_RIG_TIME);
	struct secrets *auditor = secrets_for_role(e->owner, ROLE_AUDITOR, "a", NULL, MANIFEST_RIG_TIME);
	struct secrets *other = secrets_generate(e->config.repo_id, "other", MANIFEST_RIG_TIME);
	struct manifest m;
	struct id id;

	assert_non_null(reader);
	assert_non_null(auditor);
	assert_non_null(other);
	assert_int_equal(manifest_rig_seal(e, reader, &object, &id), -EACCES);
	assert_int_equal(manifest_rig_seal(e, auditor, &object, &id), -EACCES);
	assert_int_equal(manifest_rig_seal(e, e->owner, &object, &id), 0);
	assert_int_equal(manifest_rig_open(e, &object, &id, reader, &m), 0);
	manifest_destroy(&m);
	assert_int_equal(manifest_rig_open(e, &object, &id, auditor, &m), 0);
	manifest_destroy(&m);
	/* Pinned to another owner. */
	reader->owner_public = other->owner_public;
	assert_int_equal(manifest_rig_open(e, &object, &id, reader, &m), -EKEYREJECTED);
	/* Of another repository. */
	reader->owner_public = e->owner->owner_public;
	reader->repo_id[0] ^= 1;
	assert_int_equal(manifest_rig_open(e, &object, &id, reader, &m), -EKEYREJECTED);
	secrets_free(reader);
	secrets_free(auditor);
	secrets_free(other);
	buf_free(&object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tampering),
		cmocka_unit_test(test_entitled),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_wrong_hash),
		cmocka_unit_test(test_wrong_time),
		cmocka_unit_test(test_roles),
	};

	return cmocka_run_group_tests(tests, manifest_rig_setup, manifest_rig_teardown);
}
