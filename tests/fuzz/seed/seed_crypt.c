/*
 * Writes the seed corpora of the fuzz targets config, bundle, cert, grant, keyslot, generation, revocation, witness and
 * segment below the directory given.
 * Keys are fixed, the same as in the targets; keyslots have random salts, so that their seeds differ from run to run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/config.h"
#include "repo/crypt/keys/generation.h"
#include "repo/crypt/keys/keyslot.h"
#include "repo/crypt/keys/revocation.h"
#include "repo/object/compress.h"
#include "repo/snapshot/witness/witness_impl.h"
#include "repo/util/bytes/tlv.h"
#include "tests/fuzz/seed/seed.h"

#define NOW INT64_C(1700000000000000000)

static _Noreturn void fail(int err)
{
	fprintf(stderr, "seed_crypt: %s\n", strerror(-err));
	exit(1);
}

/* The owner's bundle with fixed keys. */
static struct secrets *fixed_owner(void)
{
	struct cert c = { .issued_ns = NOW, .expires_ns = NOW + 1 };
	struct secrets *s = secrets_new();

	if (!s)
		fail(-ENOMEM);
	s->role = ROLE_OWNER;
	s->mask = role_mask(ROLE_OWNER);
	memset(&s->object_id, 0x11, sizeof(s->object_id));
	memset(&s->metadata, 0x22, sizeof(s->metadata));
	memset(&s->data, 0x33, sizeof(s->data));
	memset(&s->signing, 0x44, sizeof(s->signing));
	memset(&s->owner, 0x55, sizeof(s->owner));
	crypt_sign_public(&s->owner, &s->owner_public);
	crypt_sign_public(&s->signing, &c.key);
	c.name = strdup("alice");
	seed_need(cert_add_hosts(&c, (const char *const []){ "host.example", "*.host.example" }, 2));
	seed_need(cert_add_tags(&c, (const char *const []){ "daily", "weekly" }, 2));
	seed_need(cert_sign(&c, &s->owner, &s->cert));
	cert_destroy(&c);
	return s;
}

static void put_config(const char *dir, const struct secrets *s)
{
	struct config c = { .version = FORMAT_VERSION, .cipher = CIPHER_XCHACHA20_POLY1305, .created_ns = NOW };
	struct buf b = BUF_INIT;

	c.owner = s->owner_public;
	crypt_box_public(&s->metadata, &c.metadata);
	crypt_box_public(&s->data, &c.data);
	c.chunk_avg = CHUNK_AVG_DEFAULT;
	c.segment_size = SEGMENT_SIZE_DEFAULT;
	c.pack_size = PACK_SIZE_DEFAULT;
	seed_need(config_encode(&c, &s->owner, &b));
	seed_put(dir, "config", "default", b.data, b.len);
	seed_put(dir, "config", "cut", b.data, b.len / 2);
	b.data[8]++;
	seed_put(dir, "config", "newer", b.data, b.len);
	buf_clear(&b);
	c.cipher = CIPHER_AES256_GCM;
	seed_need(config_encode(&c, &s->owner, &b));
	seed_put(dir, "config", "aes", b.data, b.len);
	buf_free(&b);
}

static void put_bundles(const char *dir, const struct secrets *owner)
{
	static const enum role roles[] = { ROLE_WRITER, ROLE_READER, ROLE_AUDITOR };
	struct buf b = BUF_INIT;

	seed_need(secrets_encode(owner, &b));
	seed_put(dir, "bundle", "owner", b.data, b.len);
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		struct secrets *s = secrets_for_role(owner, roles[i], "bob", NULL, NOW);

		if (!s)
			fail(-errno);
		buf_clear(&b);
		seed_need(secrets_encode(s, &b));
		seed_put(dir, "bundle", role_name(roles[i]), b.data, b.len);
		if (roles[i] == ROLE_WRITER)
			seed_put(dir, "cert", "writer", s->cert.data, s->cert.len);
		secrets_free(s);
	}
	seed_put(dir, "cert", "owner", owner->cert.data, owner->cert.len);
	buf_wipe(&b);
}

/* A generation for the reader that generation_fuzz.c is, and a writer; and a bundle that has one. */
static void put_generations(const char *dir, struct secrets *s)
{
	struct grant members[2] = { { .role = ROLE_WRITER, .signs = true, .name = "web" },
		{ .role = ROLE_READER, .name = "bob" } };
	struct generation_secrets fresh;
	struct box_secret renewal;
	struct buf b = BUF_INIT;
	struct generation g;
	struct id id;

	memset(&renewal, 0x77, sizeof(renewal));
	crypt_box_public(&renewal, &members[1].renewal);
	s->renewal = renewal;
	s->renewal.b[0] ^= 8;
	crypt_box_public(&s->renewal, &members[0].renewal);
	crypt_sign_public(&s->signing, &members[0].signing);
	for (size_t i = 0; i < 2; i++) {
		buf_clear(&b);
		seed_need(grant_sign(&members[i], s->repo_id, &s->owner, &b));
		seed_put(dir, "grant", role_name(members[i].role), b.data, b.len);
	}
	members[0].role = ROLE_OWNER;
	seed_need(grant_sign(&members[0], s->repo_id, &s->owner, &s->grant));
	buf_clear(&b);
	seed_need(generation_new(s, members, 2, NOW, &b, &id));
	seed_put(dir, "generation", "object", b.data, b.len);
	seed_put(dir, "generation", "fields", b.data + 16, b.len - 16 - sizeof(struct signature));
	seed_need(generation_open(b.data, b.len, s, &g));
	seed_need(generation_secrets(&g, s, &id, &fresh));
	seed_need(secrets_add_generation(s, &fresh));
	buf_clear(&b);
	seed_need(secrets_encode(s, &b));
	seed_put(dir, "bundle", "two-generations", b.data, b.len);
	buf_free(&b);
}

static void put_keyslot(const char *dir, const char *name, const struct secrets *s, const char *passphrase,
    const uint8_t *file, const struct box_public *recipient)
{
	struct keyslot_params params = { .passes = 1, .memory_kib = KEYSLOT_MEMORY_KIB_MIN, .recipient = recipient };
	struct keyslot_label label = { .role = ROLE_OWNER, .created_ns = NOW, .name = "alice", .cert = s->cert };
	struct credentials cred = { .passphrase = passphrase, .key_file = file, .key_file_len = file ? 32 : 0 };
	struct box_public metadata;
	struct buf b = BUF_INIT;

	cred.passphrase_len = passphrase ? strlen(passphrase) : 0;
	crypt_box_public(&s->metadata, &metadata);
	seed_need(keyslot_seal(s, &cred, &params, CIPHER_XCHACHA20_POLY1305, &metadata, &label, &b));
	seed_put(dir, "keyslot", name, b.data, b.len);
	buf_free(&b);
}

static void put_keyslots(const char *dir, const struct secrets *s)
{
	struct box_secret sk;
	struct box_public pk;
	struct buf label = BUF_INIT;
	uint8_t file[32];

	seed_need(tlv_put_u32(&label, LABEL_ROLE, ROLE_OWNER));
	seed_need(tlv_put(&label, LABEL_NAME, "alice", 5));
	seed_need(tlv_put_u64(&label, LABEL_CREATED, NOW));
	seed_need(tlv_put(&label, LABEL_CERT, s->cert.data, s->cert.len));
	memset(file, 0x66, sizeof(file));
	memset(&sk, 0x99, sizeof(sk));
	crypt_box_public(&sk, &pk);
	put_keyslot(dir, "passphrase", s, "fuzz", NULL, NULL);
	put_keyslot(dir, "key-file", s, NULL, file, NULL);
	put_keyslot(dir, "both", s, "fuzz", file, NULL);
	put_keyslot(dir, "recipient", s, NULL, NULL, &pk);
	seed_put(dir, "keyslot", "label", label.data, label.len);
	buf_free(&label);
}

static void put_revocations(const char *dir, const struct secrets *s)
{
	struct seal_domain metadata = { .cipher = CIPHER_XCHACHA20_POLY1305, .can_seal = true };
	struct revocation r = { .key = s->owner_public, .time_ns = NOW };
	uint8_t ids[2 * ID_LEN] = { 1 };
	struct buf b = BUF_INIT;
	struct id id;

	r.name = strdup("alice");
	seed_need(revocation_encode(&r, &b));
	seed_put(dir, "revocation", "nothing-stays", b.data, b.len);
	buf_clear(&b);
	ids[ID_LEN] = 2;
	seed_need(buf_append(&r.keeps, ids, sizeof(ids)));
	seed_need(revocation_encode(&r, &b));
	seed_put(dir, "revocation", "two-stay", b.data, b.len);
	buf_clear(&b);
	crypt_box_public(&s->metadata, &metadata.pk);
	seed_need(revocation_seal(&r, s, &metadata, &b, &id));
	seed_put(dir, "revocation", "object", b.data, b.len);
	revocation_destroy(&r);
	buf_free(&b);
}

static void put_witness(const char *dir, const struct secrets *s)
{
	struct witness_state p = { .owner = s->owner_public, .listed_ns = NOW };
	struct witness_head head = { .time_ns = NOW };
	struct id revoked = { { 7 } };
	struct buf b = BUF_INIT;

	seed_need(witness_state_encode(&p, &b));
	seed_put(dir, "witness", "empty", b.data, b.len - ID_LEN);
	buf_clear(&b);
	p.sightings = calloc(2, sizeof(*p.sightings));
	if (!p.sightings || witness_set_head(&p, &head) != 1 || witness_set_revoked(&p, &revoked) != 1)
		fail(-ENOMEM);
	p.nsightings = 2;
	p.sightings[1] = (struct sighting){ .id = { 9 }, .absent_ns = NOW };
	seed_need(witness_state_encode(&p, &b));
	seed_put(dir, "witness", "some", b.data, b.len - ID_LEN);
	witness_state_free(&p);
	buf_free(&b);
}

static void put_segment(const char *dir, const char *name, const uint8_t *in, size_t len)
{
	struct compressor *c = compressor_new(COMPRESS_LEVEL_DEFAULT);
	size_t cap = compress_bound(len), n;
	uint8_t *out = malloc(2 + cap);

	if (!c || !out)
		fail(-ENOMEM);
	n = compress_segment(c, in, len, out + 2, cap);
	out[0] = (uint8_t)len;
	out[1] = (uint8_t)(len >> 8);
	seed_put(dir, "segment", name, out, 2 + n);
	compressor_free(c);
	free(out);
}

static void put_segments(const char *dir)
{
	uint8_t text[3000], noise[100];
	size_t n = 0;

	for (unsigned i = 0; n + 40 < sizeof(text); i++)
		n += (size_t)snprintf((char *)text + n, sizeof(text) - n, "line %u of %x\n", i, i * 2654435761u);
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * 197 + i * i * 31);
	put_segment(dir, "text", text, n);
	put_segment(dir, "noise", noise, sizeof(noise));
	put_segment(dir, "empty", text, 0);
	memset(text, 0, sizeof(text));
	put_segment(dir, "zeros", text, sizeof(text));
}

int main(int argc, char **argv)
{
	struct secrets *s;

	if (argc != 2) {
		fprintf(stderr, "usage: seed_crypt CORPUS\n");
		return 2;
	}
	seed_need(crypt_init());
	s = fixed_owner();
	put_config(argv[1], s);
	put_bundles(argv[1], s);
	put_revocations(argv[1], s);
	put_witness(argv[1], s);
	put_keyslots(argv[1], s);
	put_segments(argv[1]);
	put_generations(argv[1], s);
	secrets_free(s);
	return 0;
}
