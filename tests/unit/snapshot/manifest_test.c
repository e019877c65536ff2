/*
 * Unit tests of repo/snapshot/manifest/manifest.h.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/snapshot/manifest/manifest.h"
#include "repo/tree/page/page.h"
#include "repo/util/bytes/le.h"
#include "repo/util/text/when.h"

#define TIME (1704119400 * NS_PER_SEC + 123456789)

struct env {
	struct config config;
	struct secrets *owner;
	struct seal_domain metadata;
};

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	assert_int_equal(crypt_init(), 0);
	crypt_random(e->config.repo_id, sizeof(e->config.repo_id));
	e->config.cipher = CIPHER_XCHACHA20_POLY1305;
	e->owner = secrets_generate(e->config.repo_id, "tester", TIME);
	assert_non_null(e->owner);
	crypt_box_public(&e->owner->metadata, &e->config.metadata);
	crypt_box_public(&e->owner->data, &e->config.data);
	seal_metadata_domain(&e->config, e->owner, &e->metadata);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	secrets_free(e->owner);
	free(e);
	return 0;
}

static struct tree_entry root_entry(void)
{
	struct tree_entry e = {
		.name = "whatever",
		.name_len = 8,
		.type = ENTRY_DIR,
		.flags = ENTRY_HAS_CHILD,
		.mode = 0755,
		.uid = 1000,
		.nlink = 20,
		.below = 12345,
	};

	memset(e.child.b, 0xee, ID_LEN);
	return e;
}

static void set_string(char **out, const char *s)
{
	free(*out);
	*out = strdup(s);
	assert_non_null(*out);
}

static void make(struct manifest *m)
{
	static const uint8_t place[32 + 80 + 17] = { 1, 2, 3 };
	const struct tree_entry root = root_entry();

	manifest_init(m);
	m->time_ns = TIME;
	m->zone_s = -3600;
	set_string(&m->host, "web");
	set_string(&m->user, "alice");
	set_string(&m->profile, "daily");
	set_string(&m->program, "varve 0.1.0");
	assert_int_equal(manifest_add_path(m, "/etc"), 0);
	assert_int_equal(manifest_add_path(m, "/srv/\xff\n"), 0);
	assert_int_equal(manifest_add_path(m, "/var"), 0);
	assert_int_equal(manifest_add_tag(m, "weekly"), 0);
	m->has_parent = true;
	memset(m->parent.b, 1, ID_LEN);
	m->has_previous = true;
	memset(m->previous.b, 2, ID_LEN);
	m->unreadable = 1;
	m->files = 2;
	m->dirs = 3;
	m->others = 4;
	m->bytes = 5;
	m->added = 6;
	m->stored = UINT64_MAX;
	m->duration_ns = 8;
	assert_int_equal(buf_append(&m->root_place, place, sizeof(place)), 0);
	m->root_pack_size = 123456;
	assert_int_equal(manifest_set_root(m, &root), 0);
}

/* A sealed manifest of ${s}. */
static int seal(struct env *e, const struct secrets *s, struct buf *out, struct id *id)
{
	struct manifest m;
	int rc;

	make(&m);
	rc = manifest_seal(&m, s, &e->metadata, out, id);
	manifest_destroy(&m);
	return rc;
}

static int open_as(struct env *e, const struct buf *object, const struct id *id, const struct secrets *s,
    struct manifest *out)
{
	return manifest_open(object->data, object->len, id, s, &e->metadata, out);
}

static void test_round_trip(void **state)
{
	struct buf object = BUF_INIT;
	struct env *e = *state;
	struct manifest m;
	struct id id;

	assert_int_equal(buf_u8(&object, 0), 0); /* appended to what was there */
	assert_int_equal(seal(e, e->owner, &object, &id), 0);
	memmove(object.data, object.data + 1, --object.len);
	assert_memory_equal(object.data, "VARVESN1\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(snapshot_id_time(e->owner, &id), TIME);
	assert_int_equal(open_as(e, &object, &id, e->owner, &m), 0);
	assert_int_equal(m.time_ns, TIME);
	assert_int_equal(m.zone_s, -3600);
	assert_string_equal(m.host, "web");
	assert_string_equal(m.user, "alice");
	assert_string_equal(m.profile, "daily");
	assert_string_equal(m.program, "varve 0.1.0");
	assert_string_equal(m.writer, "tester");
	assert_int_equal(m.npaths, 3);
	assert_string_equal(m.paths[0], "/etc");
	assert_string_equal(m.paths[1], "/srv/\xff\n");
	assert_string_equal(m.paths[2], "/var");
	assert_int_equal(m.ntags, 1);
	assert_string_equal(m.tags[0], "weekly");
	assert_true(m.has_parent && m.parent.b[31] == 1);
	assert_true(m.has_previous && m.previous.b[31] == 2);
	assert_int_equal(m.unreadable, 1);
	assert_int_equal(m.files, 2);
	assert_int_equal(m.dirs, 3);
	assert_int_equal(m.others, 4);
	assert_int_equal(m.bytes, 5);
	assert_int_equal(m.added, 6);
	assert_true(m.stored == UINT64_MAX);
	assert_int_equal(m.duration_ns, 8);
	assert_int_equal(m.root_place.len, 129);
	assert_int_equal(m.root_pack_size, 123456);
	assert_int_equal(m.root.below, 12345);
	assert_int_equal(m.root.uid, 1000);
	assert_memory_equal(m.root.name, "root", 4);
	assert_int_equal(m.root.child.b[0], 0xee);
	manifest_destroy(&m);
	manifest_destroy(&m);
	buf_free(&object);
}

/* Only what must be there. */
static void test_least(void **state)
{
	struct tree_entry root = { .type = ENTRY_DIR, .name = "r", .name_len = 1 };
	struct buf object = BUF_INIT;
	struct env *e = *state;
	struct manifest m;
	struct id id;

	manifest_init(&m);
	assert_int_equal(manifest_seal(&m, e->owner, &e->metadata, &object, &id), -EINVAL);
	set_string(&m.host, "h");
	assert_int_equal(manifest_seal(&m, e->owner, &e->metadata, &object, &id), -EINVAL);
	assert_int_equal(manifest_set_root(&m, &root), 0);
	m.time_ns = -1;
	assert_int_equal(manifest_seal(&m, e->owner, &e->metadata, &object, &id), 0);
	manifest_destroy(&m);
	assert_int_equal(snapshot_id_time(e->owner, &id), -1);
	assert_int_equal(open_as(e, &object, &id, e->owner, &m), 0);
	assert_int_equal(m.time_ns, -1);
	assert_null(m.user);
	assert_int_equal(m.npaths, 0);
	assert_false(m.has_parent);
	assert_false(m.root.flags & ENTRY_HAS_CHILD);
	manifest_destroy(&m);
	buf_free(&object);
}

static void test_bounds(void **state)
{
	char *text = malloc(MANIFEST_PATH_MAX + 2);
	struct buf object = BUF_INIT;
	struct env *e = *state;
	struct tree_entry root = root_entry();
	struct manifest m;
	struct id id;

	assert_non_null(text);
	memset(text, 'p', MANIFEST_PATH_MAX + 1);
	text[MANIFEST_PATH_MAX + 1] = '\0';
	make(&m);
	assert_int_equal(manifest_add_path(&m, text), -EINVAL);
	assert_int_equal(manifest_add_path(&m, text + 1), 0);
	assert_int_equal(manifest_add_tag(&m, text + MANIFEST_PATH_MAX - MANIFEST_STRING_MAX), -EINVAL);
	for (uint32_t i = m.ntags; i < MANIFEST_LIST_MAX; i++)
		assert_int_equal(manifest_add_tag(&m, "t"), 0);
	assert_int_equal(manifest_add_tag(&m, "t"), -EINVAL);
	assert_int_equal(m.ntags, MANIFEST_LIST_MAX);
	assert_int_equal(manifest_seal(&m, e->owner, &e->metadata, &object, &id), 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(manifest_add_path(&m, text + 1), 0);
	assert_int_equal(manifest_seal(&m, e->owner, &e->metadata, &object, &id), -EFBIG);
	manifest_destroy(&m);

	make(&m);
	set_string(&m.user, text + MANIFEST_PATH_MAX - MANIFEST_STRING_MAX);
	assert_int_equal(manifest_seal(&m, e->owner, &e->metadata, &object, &id), -EINVAL);
	set_string(&m.user, "u");
	m.zone_s = 100000;
	assert_int_equal(manifest_seal(&m, e->owner, &e->metadata, &object, &id), -EINVAL);
	m.zone_s = 0;
	m.root_place.len = 100;
	assert_int_equal(manifest_seal(&m, e->owner, &e->metadata, &object, &id), -EINVAL);
	root.type = ENTRY_REG;
	assert_int_equal(manifest_set_root(&m, &root), -EINVAL);
	root = root_entry();
	root.below = 0;
	assert_int_equal(manifest_set_root(&m, &root), -EINVAL);
	assert_int_equal(m.root.below, 12345);
	manifest_destroy(&m);
	buf_free(&object);
	free(text);
}

static void test_names(void **state)
{
	char name[SNAPSHOT_NAME_SIZE];
	struct id id, back;

	(void)state;
	memset(&id, 0xab, sizeof(id));
	snapshot_object_name(&id, name);
	assert_int_equal(strlen(name), 10 + 64);
	assert_memory_equal(name, "snapshots/abab", 14);
	assert_int_equal(snapshot_object_parse(name, &back), 0);
	assert_true(id_equal(&id, &back));
	name[73] = 'A';
	assert_int_equal(snapshot_object_parse(name, &back), -EINVAL);
	name[73] = '\0';
	assert_int_equal(snapshot_object_parse(name, &back), -EINVAL);
	assert_int_equal(snapshot_object_parse("snapshots/", &back), -EINVAL);
	assert_int_equal(snapshot_object_parse("snapshot", &back), -EINVAL);
	assert_int_equal(snapshot_object_parse("", &back), -EINVAL);
	assert_true(id_equal(&id, &back));
}

/* Ids of equal times do not show that they are. */
static void test_ids_hide_times(void **state)
{
	struct buf a = BUF_INIT, b = BUF_INIT;
	struct env *e = *state;
	struct id ia, ib;

	assert_int_equal(seal(e, e->owner, &a, &ia), 0);
	assert_int_equal(seal(e, e->owner, &b, &ib), 0);
	assert_memory_not_equal(ia.b, ib.b, 24);
	assert_memory_not_equal(ia.b + 24, ib.b + 24, 8);
	buf_free(&a);
	buf_free(&b);
}

static void test_tampering(void **state)
{
	struct buf object = BUF_INIT;
	struct env *e = *state;
	struct manifest m;
	struct id id, hash;
	size_t step;

	assert_int_equal(seal(e, e->owner, &object, &id), 0);
	step = 1 + object.len / 200;
	for (size_t i = 0; i < object.len; i += step) {
		object.data[i] ^= 1;
		assert_int_equal(open_as(e, &object, &id, e->owner, &m), -EBADMSG);
		/* A name that fits the bytes does not help. */
		crypt_hash(object.data, object.len, &hash);
		assert_int_equal(open_as(e, &object, &hash, e->owner, &m), i == 7 ? -EPROTONOSUPPORT : -EBADMSG);
		object.data[i] ^= 1;
	}
	for (size_t len = 0; len < object.len; len += step)
		assert_int_equal(manifest_open(object.data, len, &id, e->owner, &e->metadata, &m), -EBADMSG);
	for (int i = 0; i < ID_LEN; i++) {
		id.b[i] ^= 1;
		assert_int_equal(open_as(e, &object, &id, e->owner, &m), -EBADMSG);
		id.b[i] ^= 1;
	}
	object.data[7] = '2';
	crypt_hash(object.data, object.len, &hash);
	assert_int_equal(open_as(e, &object, &hash, e->owner, &m), -EPROTONOSUPPORT);
	object.data[7] = '1';
	assert_int_equal(open_as(e, &object, &id, e->owner, &m), 0);
	manifest_destroy(&m);
	buf_free(&object);
}

static struct secrets *writer(struct env *e, const char *host, const char *tag, int64_t expires_ns)
{
	struct cert_limits limits = {
		.hosts = &host, .nhosts = host != NULL, .tags = &tag, .ntags = tag != NULL, .expires_ns = expires_ns,
	};
	struct secrets *s = secrets_for_role(e->owner, ROLE_WRITER, "writer", &limits, TIME);

	assert_non_null(s);
	return s;
}

static void test_entitled(void **state)
{
	struct env *e = *state;
	const struct { const char *host, *tag; int64_t expires_ns; int rc; } cases[] = {
		{ NULL, NULL, 0, 0 },
		{ "web", NULL, 0, 0 },
		{ "db", NULL, 0, -EKEYREJECTED },
		{ "w*", NULL, 0, 0 },
		{ "w*x", NULL, 0, -EKEYREJECTED },
		{ NULL, "weekly", 0, 0 },
		{ NULL, "daily", 0, -EKEYREJECTED },
		{ NULL, NULL, TIME, 0 },
		{ NULL, NULL, TIME - 1, -EKEYREJECTED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct secrets *s = writer(e, cases[i].host, cases[i].tag, cases[i].expires_ns);
		struct sign_public pk;
		struct buf object = BUF_INIT;
		struct manifest m;
		struct id id;

		assert_int_equal(seal(e, s, &object, &id), cases[i].rc);
		assert_int_equal(object.len > 0, cases[i].rc == 0);
		if (cases[i].rc == 0) {
			assert_int_equal(open_as(e, &object, &id, e->owner, &m), 0);
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
static void set_time(struct env *e, int64_t time_ns, struct id *id)
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
static void forge(struct env *e, const struct manifest *m, const struct sign_secret *key, const char *context,
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
	struct env *e = *state;
	struct secrets *stranger = secrets_generate(e->config.repo_id, "stranger", TIME);
	struct secrets *limited = writer(e, "db", "daily", TIME), *plain = writer(e, NULL, NULL, 0);
	struct buf object = BUF_INIT;
	struct manifest m, out;
	struct id id;

	assert_non_null(stranger);
	make(&m);
	assert_int_equal(buf_append(&m.cert, plain->cert.data, plain->cert.len), 0);
	forge(e, &m, &plain->signing, MANIFEST_CONTEXT, &object, &id);
	assert_int_equal(open_as(e, &object, &id, e->owner, &out), 0); /* the forger's tools are right */
	manifest_destroy(&out);
	/* Another's certificate, and a signature of something else. */
	forge(e, &m, &limited->signing, MANIFEST_CONTEXT, &object, &id);
	assert_int_equal(open_as(e, &object, &id, e->owner, &out), -EKEYREJECTED);
	forge(e, &m, &plain->signing, "varve other", &object, &id);
	assert_int_equal(open_as(e, &object, &id, e->owner, &out), -EKEYREJECTED);
	/* A certificate of another owner. */
	buf_clear(&m.cert);
	assert_int_equal(buf_append(&m.cert, stranger->cert.data, stranger->cert.len), 0);
	forge(e, &m, &stranger->signing, MANIFEST_CONTEXT, &object, &id);
	assert_int_equal(open_as(e, &object, &id, e->owner, &out), -EKEYREJECTED);
	/* Limits: host, tag, time. */
	buf_clear(&m.cert);
	assert_int_equal(buf_append(&m.cert, limited->cert.data, limited->cert.len), 0);
	forge(e, &m, &limited->signing, MANIFEST_CONTEXT, &object, &id);
	assert_int_equal(open_as(e, &object, &id, e->owner, &out), -EKEYREJECTED);
	set_string(&m.host, "db");
	forge(e, &m, &limited->signing, MANIFEST_CONTEXT, &object, &id);
	assert_int_equal(open_as(e, &object, &id, e->owner, &out), -EKEYREJECTED);
	assert_int_equal(manifest_add_tag(&m, "daily"), 0);
	forge(e, &m, &limited->signing, MANIFEST_CONTEXT, &object, &id);
	assert_int_equal(open_as(e, &object, &id, e->owner, &out), -EKEYREJECTED);
	set_string(&m.tags[0], "daily");
	forge(e, &m, &limited->signing, MANIFEST_CONTEXT, &object, &id);
	assert_int_equal(open_as(e, &object, &id, e->owner, &out), 0);
	manifest_destroy(&out);
	m.time_ns++;
	forge(e, &m, &limited->signing, MANIFEST_CONTEXT, &object, &id);
	assert_int_equal(open_as(e, &object, &id, e->owner, &out), -EKEYREJECTED);
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
	struct env *e = *state;
	struct manifest m;
	struct id id;

	assert_int_equal(seal(e, e->owner, &object, &id), 0);
	id.b[23] ^= 1;
	set_time(e, TIME, &id);
	assert_int_equal(snapshot_id_time(e->owner, &id), TIME);
	assert_int_equal(open_as(e, &object, &id, e->owner, &m), -EBADMSG);
	buf_free(&object);
}

/* The name says another time than the manifest. */
static void test_wrong_time(void **state)
{
	struct buf object = BUF_INIT;
	struct env *e = *state;
	struct manifest m;
	struct id id;

	assert_int_equal(seal(e, e->owner, &object, &id), 0);
	id.b[31] ^= 1;
	assert_int_equal(snapshot_id_time(e->owner, &id), TIME ^ 1);
	assert_int_equal(open_as(e, &object, &id, e->owner, &m), -EBADMSG);
	buf_free(&object);
}

static void test_roles(void **state)
{
	struct buf object = BUF_INIT;
	struct env *e = *state;
	struct secrets *reader = secrets_for_role(e->owner, ROLE_READER, "r", NULL, TIME);
	struct secrets *auditor = secrets_for_role(e->owner, ROLE_AUDITOR, "a", NULL, TIME);
	struct secrets *other = secrets_generate(e->config.repo_id, "other", TIME);
	struct manifest m;
	struct id id;

	assert_non_null(reader);
	assert_non_null(auditor);
	assert_non_null(other);
	assert_int_equal(seal(e, reader, &object, &id), -EACCES);
	assert_int_equal(seal(e, auditor, &object, &id), -EACCES);
	assert_int_equal(seal(e, e->owner, &object, &id), 0);
	assert_int_equal(open_as(e, &object, &id, reader, &m), 0);
	manifest_destroy(&m);
	assert_int_equal(open_as(e, &object, &id, auditor, &m), 0);
	manifest_destroy(&m);
	/* Pinned to another owner. */
	reader->owner_public = other->owner_public;
	assert_int_equal(open_as(e, &object, &id, reader, &m), -EKEYREJECTED);
	/* Of another repository. */
	reader->owner_public = e->owner->owner_public;
	reader->repo_id[0] ^= 1;
	assert_int_equal(open_as(e, &object, &id, reader, &m), -EKEYREJECTED);
	secrets_free(reader);
	secrets_free(auditor);
	secrets_free(other);
	buf_free(&object);
}

/* --- The parser of the fields --- */

struct field {
	uint16_t tag;
	const void *value;
	size_t len;
};

static const struct field time_field = { MANIFEST_TIME, "12345678", 8 };
static const struct field host_field = { MANIFEST_HOST, "h", 1 };
static const struct field cert_field = { MANIFEST_CERT, "cert", 4 };

/* Decode the four that are needed and ${extra}, sorted by tag; ${leave} is left out. */
static int decode(const struct field *extra, uint16_t leave)
{
	const struct tree_entry root = root_entry();
	struct buf fields = BUF_INIT;
	struct manifest page, m;
	struct field all[6];
	size_t n = 0;
	int rc;

	manifest_init(&page);
	assert_int_equal(manifest_set_root(&page, &root), 0);
	all[n++] = time_field;
	all[n++] = host_field;
	all[n++] = (struct field){ MANIFEST_ROOT, page.root_page.data, page.root_page.len };
	all[n++] = cert_field;
	for (size_t at = n; extra != NULL; n++, extra = NULL) {
		for (; at > 0 && all[at - 1].tag > extra->tag; at--)
			all[at] = all[at - 1];
		all[at] = *extra;
	}
	for (size_t i = 0; i < n; i++) {
		if (all[i].tag != leave)
			assert_int_equal(tlv_put(&fields, all[i].tag, all[i].value, all[i].len), 0);
	}
	rc = manifest_decode(fields.data, fields.len, &m);
	if (rc == 0)
		manifest_destroy(&m);
	manifest_destroy(&page);
	buf_free(&fields);
	return rc;
}

static void test_decode(void **state)
{
	static const char zeros[80];
	const struct { struct field field; int rc; } cases[] = {
		{ { MANIFEST_TIME, "12345678", 8 }, -EBADMSG }, /* twice */
		{ { MANIFEST_HOST, "h", 1 }, -EBADMSG },
		{ { MANIFEST_ZONE, zeros, 4 }, 0 },
		{ { MANIFEST_ZONE, zeros, 8 }, -EBADMSG },
		{ { MANIFEST_ZONE, "\xff\xff\xff\x7f", 4 }, -EBADMSG },
		{ { MANIFEST_ZONE, "\0\0\0\x80", 4 }, -EBADMSG },
		{ { MANIFEST_USER, "a\0b", 3 }, -EBADMSG },
		{ { MANIFEST_USER, "", 0 }, 0 },
		{ { MANIFEST_PATH, "a\0b", 3 }, -EBADMSG },
		{ { MANIFEST_PATH, "/", 1 }, 0 },
		{ { MANIFEST_TAG, "a\0b", 3 }, -EBADMSG },
		{ { MANIFEST_PARENT, zeros, 31 }, -EBADMSG },
		{ { MANIFEST_PARENT, zeros, 32 }, 0 },
		{ { MANIFEST_PREVIOUS, zeros, 33 }, -EBADMSG },
		{ { MANIFEST_FILES, zeros, 4 }, -EBADMSG },
		{ { MANIFEST_FILES, zeros, 8 }, 0 },
		{ { 21, zeros, 8 }, -EPROTONOSUPPORT },
		{ { TLV_OPTIONAL - 1, zeros, 8 }, -EPROTONOSUPPORT },
		{ { TLV_OPTIONAL, zeros, 8 }, 0 },
		{ { MANIFEST_ROOT_PLACE, zeros, 80 }, -EBADMSG },
		{ { MANIFEST_ROOT_PACK_SIZE, zeros, 4 }, 0 },
		{ { MANIFEST_ROOT_PACK_SIZE, zeros, 8 }, -EBADMSG },
	};

	(void)state;
	assert_int_equal(decode(NULL, 0), 0);
	assert_int_equal(decode(NULL, MANIFEST_TIME), -EBADMSG);
	assert_int_equal(decode(NULL, MANIFEST_HOST), -EBADMSG);
	assert_int_equal(decode(NULL, MANIFEST_ROOT), -EBADMSG);
	assert_int_equal(decode(NULL, MANIFEST_CERT), -EBADMSG);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (decode(&cases[i].field, 0) != cases[i].rc)
			fail_msg("field %zu: not %d", i, cases[i].rc);
	}
}

/* What stands for the root must be one directory named "root". */
static void test_decode_root(void **state)
{
	struct tree_entry dir = root_entry(), file = { .name = "root", .name_len = 4, .type = ENTRY_REG };
	const struct { const char *first, *second; const struct tree_entry *base; int rc; } cases[] = {
		{ "root", NULL, &dir, 0 },
		{ "roof", NULL, &dir, -EBADMSG },
		{ "root", "z", &dir, -EBADMSG },
		{ "root", NULL, &file, -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tree_entry e = *cases[i].base;
		struct buf fields = BUF_INIT, page = BUF_INIT;
		struct tree_page_builder b;
		struct manifest m;

		tree_page_builder_init(&b, 0);
		for (int k = 0; k < 2 && (k == 0 || cases[i].second); k++) {
			e.name = k ? cases[i].second : cases[i].first;
			e.name_len = (uint16_t)strlen(e.name);
			assert_int_equal(tree_page_builder_add(&b, &e), 0);
		}
		assert_int_equal(tree_page_builder_finish(&b, &page), 0);
		assert_int_equal(tlv_put(&fields, MANIFEST_TIME, "12345678", 8), 0);
		assert_int_equal(tlv_put(&fields, MANIFEST_HOST, "h", 1), 0);
		assert_int_equal(tlv_put(&fields, MANIFEST_ROOT, page.data, page.len), 0);
		assert_int_equal(tlv_put(&fields, MANIFEST_CERT, "c", 1), 0);
		assert_int_equal(manifest_decode(fields.data, fields.len, &m), cases[i].rc);
		if (cases[i].rc == 0)
			manifest_destroy(&m);
		tree_page_builder_destroy(&b);
		buf_free(&fields);
		buf_free(&page);
	}
}

static void test_decode_long_list(void **state)
{
	struct buf fields = BUF_INIT;
	struct manifest m;

	(void)state;
	assert_int_equal(tlv_put(&fields, MANIFEST_TIME, "12345678", 8), 0);
	for (int i = 0; i <= MANIFEST_LIST_MAX; i++)
		assert_int_equal(tlv_put(&fields, MANIFEST_PATH, "/", 1), 0);
	assert_int_equal(manifest_decode(fields.data, fields.len, &m), -EBADMSG);
	buf_free(&fields);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_ids_hide_times),
		cmocka_unit_test(test_tampering),
		cmocka_unit_test(test_entitled),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_wrong_hash),
		cmocka_unit_test(test_wrong_time),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_decode_root),
		cmocka_unit_test(test_decode_long_list),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
