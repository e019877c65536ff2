/*
 * secrets.h: each role has exactly its secrets, bundles and certificates come back as they went in, and what does not
 * belong together is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "repo/crypt/keys/secrets.h"
#include "repo/util/bytes/tlv.h"
#include "tests/unit/crypt/crypt_vectors.h"

#define NOW INT64_C(1700000000000000000)

static const uint8_t repo_id[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
static const enum role all_roles[] = { ROLE_OWNER, ROLE_WRITER, ROLE_READER, ROLE_AUDITOR };

#define NROLES (sizeof(all_roles) / sizeof(all_roles[0]))

static struct secrets *make_owner(void)
{
	struct secrets *s = secrets_generate(repo_id, "alice", NOW);

	assert_non_null(s);
	return s;
}

/* With at most one host and one tag; NULL: none. */
static struct secrets *for_role(const struct secrets *owner, enum role role, const char *name, const char *host,
    const char *tag, int64_t expires_ns)
{
	struct cert_limits limits = {
		.hosts = &host, .nhosts = host != NULL, .tags = &tag, .ntags = tag != NULL, .expires_ns = expires_ns,
	};

	return secrets_for_role(owner, role, name, &limits, NOW);
}

static bool holds(const void *secret, unsigned mask, unsigned bit)
{
	static const uint8_t zero[32];
	bool present = memcmp(secret, zero, sizeof(zero)) != 0;

	assert_int_equal(present, (mask & bit) != 0);
	return present;
}

static void assert_same(const struct secrets *a, const struct secrets *b)
{
	assert_int_equal(a->role, b->role);
	assert_int_equal(a->mask, b->mask);
	assert_memory_equal(a->repo_id, b->repo_id, sizeof(a->repo_id));
	assert_memory_equal(&a->owner_public, &b->owner_public, sizeof(a->owner_public));
	assert_memory_equal(&a->object_id, &b->object_id, sizeof(a->object_id));
	assert_memory_equal(&a->metadata, &b->metadata, sizeof(a->metadata));
	assert_memory_equal(&a->data, &b->data, sizeof(a->data));
	assert_memory_equal(&a->signing, &b->signing, sizeof(a->signing));
	assert_memory_equal(&a->owner, &b->owner, sizeof(a->owner));
	assert_int_equal(a->cert.len, b->cert.len);
	if (a->cert.len)
		assert_memory_equal(a->cert.data, b->cert.data, a->cert.len);
}

static void test_role_names(void **state)
{
	enum role r;

	(void)state;
	for (size_t i = 0; i < NROLES; i++) {
		assert_int_equal(role_parse(role_name(all_roles[i]), &r), 0);
		assert_int_equal(r, all_roles[i]);
	}
	assert_string_equal(role_name(ROLE_AUDITOR), "auditor");
	assert_null(role_name((enum role)0));
	assert_null(role_name((enum role)5));
	assert_int_equal(role_parse("Owner", &r), -EINVAL);
	assert_int_equal(role_mask((enum role)5), 0);
}

static void check_cert(const struct secrets *s, const char *name, const char *host, const char *tag, int64_t expires)
{
	struct sign_public pk;
	struct cert c;

	assert_int_equal(cert_open(s->cert.data, s->cert.len, &s->owner_public, &c), 0);
	crypt_sign_public(&s->signing, &pk);
	assert_memory_equal(&c.key, &pk, sizeof(pk));
	assert_string_equal(c.name, name);
	assert_int_equal(c.issued_ns, NOW);
	assert_int_equal(c.expires_ns, expires);
	assert_int_equal(c.nhosts, host != NULL);
	assert_int_equal(c.ntags, tag != NULL);
	if (host)
		assert_string_equal(c.hosts[0], host);
	if (tag)
		assert_string_equal(c.tags[0], tag);
	cert_destroy(&c);
	cert_destroy(&c);
}

static void test_generate(void **state)
{
	struct secrets *a = make_owner(), *b = make_owner();
	struct sign_public pk;

	(void)state;
	assert_int_equal(a->role, ROLE_OWNER);
	assert_int_equal(a->mask, 31);
	assert_memory_equal(a->repo_id, repo_id, sizeof(repo_id));
	crypt_sign_public(&a->owner, &pk);
	assert_memory_equal(&a->owner_public, &pk, sizeof(pk));
	check_cert(a, "alice", NULL, NULL, 0);
	assert_memory_not_equal(&a->object_id, &b->object_id, 32);
	assert_memory_not_equal(&a->metadata, &b->metadata, 32);
	assert_memory_not_equal(&a->data, &b->data, 32);
	assert_memory_not_equal(&a->signing, &b->signing, 32);
	assert_memory_not_equal(&a->owner, &b->owner, 32);
	assert_memory_not_equal(&a->owner, &a->signing, 32);
	secrets_free(a);
	secrets_free(b);
	secrets_free(NULL);
}

static void test_roles(void **state)
{
	static const unsigned want[] = {
		SECRET_OBJECT_ID | SECRET_METADATA | SECRET_DATA | SECRET_SIGNING | SECRET_OWNER,
		SECRET_OBJECT_ID | SECRET_METADATA | SECRET_SIGNING,
		SECRET_OBJECT_ID | SECRET_METADATA | SECRET_DATA,
		SECRET_METADATA,
	};
	struct secrets *owner = make_owner();

	(void)state;
	for (size_t i = 0; i < NROLES; i++) {
		struct secrets *s = for_role(owner, all_roles[i], "bob", "h1", "t1", NOW + 1);

		assert_non_null(s);
		assert_int_equal(s->role, all_roles[i]);
		assert_int_equal(s->mask, want[i]);
		assert_int_equal(role_mask(all_roles[i]), want[i]);
		assert_memory_equal(s->repo_id, repo_id, sizeof(repo_id));
		assert_memory_equal(&s->owner_public, &owner->owner_public, 32);
		if (holds(&s->object_id, want[i], SECRET_OBJECT_ID))
			assert_memory_equal(&s->object_id, &owner->object_id, 32);
		if (holds(&s->metadata, want[i], SECRET_METADATA))
			assert_memory_equal(&s->metadata, &owner->metadata, 32);
		if (holds(&s->data, want[i], SECRET_DATA))
			assert_memory_equal(&s->data, &owner->data, 32);
		if (holds(&s->owner, want[i], SECRET_OWNER))
			assert_memory_equal(&s->owner, &owner->owner, 32);
		if (holds(&s->signing, want[i], SECRET_SIGNING)) {
			assert_memory_not_equal(&s->signing, &owner->signing, 32);
			check_cert(s, "bob", "h1", "t1", NOW + 1);
		} else {
			assert_int_equal(s->cert.len, 0);
		}
		secrets_free(s);
	}
	secrets_free(owner);
}

static void test_role_errors(void **state)
{
	struct secrets *owner = make_owner(), *writer;
	char longest[CERT_NAME_MAX + 2];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[CERT_NAME_MAX + 1] = '\0';
	writer = for_role(owner, ROLE_WRITER, longest + 1, NULL, NULL, 0);
	assert_non_null(writer);
	check_cert(writer, longest + 1, NULL, NULL, 0);
	errno = 0;
	assert_null(for_role(writer, ROLE_READER, "bob", NULL, NULL, 0));
	assert_int_equal(errno, EPERM);
	assert_null(for_role(owner, (enum role)9, "bob", NULL, NULL, 0));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(for_role(owner, ROLE_WRITER, longest, NULL, NULL, 0));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(for_role(owner, ROLE_WRITER, "bob", "", NULL, 0));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(for_role(owner, ROLE_WRITER, "bob", NULL, longest, 0));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(secrets_generate(repo_id, "", NOW));
	assert_int_equal(errno, EINVAL);
	secrets_free(writer);
	secrets_free(owner);
}

static void test_bundle(void **state)
{
	struct secrets *owner = make_owner();
	struct buf b = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < NROLES; i++) {
		struct secrets *s = for_role(owner, all_roles[i], "bob", NULL, "t", 0), *back = NULL;

		assert_non_null(s);
		assert_int_equal(secrets_encode(s, &b), 0);
		assert_int_equal(secrets_decode(b.data, b.len, &back), 0);
		assert_same(s, back);
		secrets_free(back);
		for (size_t n = 0; n < b.len; n++) {
			/* There were bundles without a renewal secret and its grant, which are the last two fields. */
			if (n == b.len - s->grant.len - sizeof(s->renewal) - 12) {
				assert_int_equal(secrets_decode(b.data, n, &back), 0);
				secrets_free(back);
			} else {
				assert_int_not_equal(secrets_decode(b.data, n, &back), 0);
			}
		}
		buf_clear(&b);
		secrets_free(s);
	}
	buf_wipe(&b);
	secrets_free(owner);
}

/* Encode as it stands, whatever sense that makes, and decode. */
static int recode(const struct secrets *s, uint16_t extra_tag)
{
	struct secrets *back = NULL;
	struct buf b = BUF_INIT;
	int err;

	assert_int_equal(secrets_encode(s, &b), 0);
	if (extra_tag)
		assert_int_equal(tlv_put(&b, extra_tag, "?", 1), 0);
	err = secrets_decode(b.data, b.len, &back);
	if (err == 0)
		secrets_free(back);
	else
		assert_null(back);
	buf_wipe(&b);
	return err;
}

static void test_bundle_mismatch(void **state)
{
	struct secrets *s = make_owner(), *other = make_owner();
	struct sign_secret seed;

	(void)state;
	assert_int_equal(recode(s, 0), 0);
	assert_int_equal(recode(s, TLV_OPTIONAL + 1), 0);
	assert_int_equal(recode(s, 13), -EPROTONOSUPPORT);
	assert_int_equal(recode(s, TLV_OPTIONAL - 1), -EPROTONOSUPPORT);
	for (unsigned bit = 1; bit <= SECRET_OWNER; bit <<= 1) {
		s->mask = 31 & ~bit; /* one is missing */
		assert_int_equal(recode(s, 0), -EBADMSG);
	}
	s->mask = 31;
	s->role = ROLE_READER; /* some are too much */
	assert_int_equal(recode(s, 0), -EBADMSG);
	s->role = (enum role)5;
	assert_int_equal(recode(s, 0), -EPROTONOSUPPORT);
	s->role = ROLE_OWNER;
	seed = s->owner;
	s->owner = other->owner;
	assert_int_equal(recode(s, 0), -EBADMSG);
	s->owner = seed;
	seed = s->signing;
	s->signing = other->signing;
	assert_int_equal(recode(s, 0), -EBADMSG);
	s->signing = seed;
	assert_int_equal(recode(s, 0), 0);
	s->cert.len -= 1;
	assert_int_equal(recode(s, 0), -EBADMSG);
	s->cert.len = 0;
	assert_int_equal(recode(s, 0), -EBADMSG);
	secrets_free(s);
	secrets_free(other);
}

/* What the second implementation of vectors made, to the byte. */
static void test_vectors(void **state)
{
	struct sign_secret owner;
	struct sign_public owner_pk;
	struct secrets *s = NULL;
	struct buf b = BUF_INIT;
	uint8_t *bundle, *cert;
	size_t len, cert_len;
	struct cert c;

	(void)state;
	memset(&owner, 0x55, sizeof(owner));
	crypt_sign_public(&owner, &owner_pk);
	cert = vector_bytes(vector_cert, &cert_len);
	assert_int_equal(cert_open(cert, cert_len, &owner_pk, &c), 0);
	assert_string_equal(c.name, "vector");
	assert_int_equal(c.nhosts, 1);
	assert_string_equal(c.hosts[0], "host.example");
	assert_int_equal(c.ntags, 1);
	assert_string_equal(c.tags[0], "daily");
	assert_int_equal(c.issued_ns, NOW);
	assert_int_equal(c.expires_ns, NOW + 1000000000);
	assert_int_equal(cert_sign(&c, &owner, &b), 0);
	assert_int_equal(b.len, cert_len);
	assert_memory_equal(b.data, cert, cert_len);
	cert_destroy(&c);
	buf_clear(&b);

	bundle = vector_bytes(vector_bundle, &len);
	assert_int_equal(secrets_decode(bundle, len, &s), 0);
	assert_int_equal(s->role, ROLE_OWNER);
	assert_memory_equal(s->repo_id, repo_id, sizeof(repo_id));
	assert_int_equal(s->data.b[31], 0x33);
	assert_int_equal(s->cert.len, cert_len);
	assert_int_equal(secrets_encode(s, &b), 0);
	assert_int_equal(b.len, len);
	assert_memory_equal(b.data, bundle, len);
	buf_wipe(&b);
	secrets_free(s);
	free(bundle);
	free(cert);
}

static void test_cert_tamper(void **state)
{
	struct sign_secret owner;
	struct sign_public pk, other;
	uint8_t *cert, *cut;
	struct cert c;
	size_t len;

	(void)state;
	memset(&owner, 0x55, sizeof(owner));
	crypt_sign_public(&owner, &pk);
	cert = vector_bytes(vector_cert, &len);
	for (size_t i = 0; i < len; i++) {
		cert[i] ^= 1;
		assert_int_equal(cert_open(cert, len, &pk, &c), -EBADMSG);
		cert[i] ^= 1;
	}
	for (size_t n = 0; n < len; n++) {
		cut = malloc(n ? n : 1);
		assert_non_null(cut);
		memcpy(cut, cert, n);
		assert_int_equal(cert_open(cut, n, &pk, &c), -EBADMSG);
		free(cut);
	}
	memset(&owner, 0x56, sizeof(owner));
	crypt_sign_public(&owner, &other);
	assert_int_equal(cert_open(cert, len, &other, &c), -EBADMSG);
	free(cert);
}

/* Sign ${fields} as a certificate, well-formed or not, and open that. */
static int open_fields(struct buf *fields)
{
	struct sign_secret owner;
	struct sign_public pk;
	struct signature sig;
	struct cert c;
	int err;

	crypt_sign_keypair(&owner, &pk);
	crypt_sign(&owner, CERT_CONTEXT, fields->data, fields->len, &sig);
	assert_int_equal(buf_append(fields, &sig, sizeof(sig)), 0);
	err = cert_open(fields->data, fields->len, &pk, &c);
	if (err == 0)
		cert_destroy(&c);
	buf_clear(fields);
	return err;
}

static void put_cert(struct buf *b, size_t name_len)
{
	static const uint8_t key[32];
	char name[300];

	memset(name, 'n', sizeof(name));
	assert_int_equal(tlv_put(b, CERT_KEY, key, sizeof(key)), 0);
	assert_int_equal(tlv_put_u64(b, CERT_ISSUED, 1), 0);
	assert_int_equal(tlv_put_u64(b, CERT_EXPIRES, 0), 0);
	assert_int_equal(tlv_put(b, CERT_NAME, name, name_len), 0);
}

/* Signed rightly, but not what a certificate may be. */
static void test_cert_fields(void **state)
{
	static uint8_t big[CERT_MAX];
	struct buf b = BUF_INIT;

	(void)state;
	put_cert(&b, CERT_NAME_MAX);
	assert_int_equal(open_fields(&b), 0);
	put_cert(&b, CERT_NAME_MAX + 1);
	assert_int_equal(open_fields(&b), -EBADMSG);
	put_cert(&b, 0);
	assert_int_equal(open_fields(&b), -EBADMSG);
	put_cert(&b, 1);
	assert_int_equal(tlv_put(&b, CERT_HOST, "a\0b", 3), 0);
	assert_int_equal(open_fields(&b), -EBADMSG);
	put_cert(&b, 1);
	assert_int_equal(tlv_put(&b, CERT_NAME, "m", 1), 0); /* twice */
	assert_int_equal(open_fields(&b), -EBADMSG);
	put_cert(&b, 1);
	assert_int_equal(tlv_put(&b, CERT_TAG + 1, "?", 1), 0);
	assert_int_equal(open_fields(&b), -EPROTONOSUPPORT);
	put_cert(&b, 1);
	assert_int_equal(tlv_put(&b, TLV_OPTIONAL, "?", 1), 0);
	assert_int_equal(tlv_put(&b, TLV_OPTIONAL, "?", 1), 0);
	assert_int_equal(open_fields(&b), 0);
	put_cert(&b, 1);
	assert_int_equal(tlv_put(&b, TLV_OPTIONAL, big, sizeof(big)), 0);
	assert_int_equal(open_fields(&b), -EBADMSG);
	assert_int_equal(tlv_put(&b, CERT_NAME, "x", 1), 0); /* the rest is missing */
	assert_int_equal(open_fields(&b), -EBADMSG);
	assert_int_equal(open_fields(&b), -EBADMSG);
	buf_free(&b);
}

static void test_cert_sign_errors(void **state)
{
	struct sign_secret owner = { { 1 } };
	char longest[CERT_NAME_MAX + 2];
	struct buf b = BUF_INIT;
	struct cert c = { 0 };

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[CERT_NAME_MAX + 1] = '\0';
	assert_int_equal(buf_append(&b, "before", 6), 0);
	assert_int_equal(cert_sign(&c, &owner, &b), -EINVAL);
	c.name = strdup("n");
	assert_int_equal(cert_add_hosts(&c, (const char *const []){ "" }, 1), -EINVAL);
	assert_int_equal(cert_add_tags(&c, (const char *const []){ "ok", longest }, 2), -EINVAL);
	assert_int_equal(c.ntags, 1);
	/* Each is short enough, but not all of them. */
	for (int i = 0; i < 16; i++)
		assert_int_equal(cert_add_hosts(&c, (const char *const []){ longest + 1 }, 1), 0);
	assert_int_equal(cert_sign(&c, &owner, &b), -EINVAL);
	assert_int_equal(b.len, 6);
	assert_memory_equal(b.data, "before", 6);
	for (int i = 16; i < CERT_LIST_MAX; i++)
		assert_int_equal(cert_add_hosts(&c, (const char *const []){ "h" }, 1), 0);
	assert_int_equal(cert_add_hosts(&c, (const char *const []){ "h" }, 1), -EINVAL);
	assert_int_equal(c.nhosts, CERT_LIST_MAX);
	cert_destroy(&c);
	buf_free(&b);
}

static void test_cert_covers(void **state)
{
	static const char *const hosts[] = { "db1", "web*.example.org" };
	static const char *const tags[] = { "daily", "weekly" };
	static const struct { int64_t time; const char *host, *tag1, *tag2; enum cert_verdict want; } cases[] = {
		{ NOW, "db1", "daily", NULL, CERT_COVERS },
		{ NOW - 1, "web.example.org", "weekly", "daily", CERT_COVERS },
		{ NOW + 1, "db1", "daily", NULL, CERT_EXPIRED },
		{ NOW, "db10", "daily", NULL, CERT_OTHER_HOST },
		{ NOW, "web1.example.org.evil", "daily", NULL, CERT_OTHER_HOST },
		{ NOW, "", "daily", NULL, CERT_OTHER_HOST },
		{ NOW, "db1", NULL, NULL, CERT_OTHER_TAG },
		{ NOW, "db1", "monthly", NULL, CERT_OTHER_TAG },
		{ NOW, "db1", "daily", "monthly", CERT_OTHER_TAG },
	};
	struct cert c = { .expires_ns = NOW }, any = { .expires_ns = 0 };

	(void)state;
	assert_int_equal(cert_add_hosts(&c, hosts, 2), 0);
	assert_int_equal(cert_add_tags(&c, tags, 2), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *have[] = { cases[i].tag1, cases[i].tag2 };
		size_t n = cases[i].tag2 ? 2 : cases[i].tag1 ? 1 : 0;

		assert_int_equal(cert_covers(&c, cases[i].time, cases[i].host, have, n), cases[i].want);
		assert_int_equal(cert_covers(&any, cases[i].time, cases[i].host, have, n), CERT_COVERS);
	}
	cert_destroy(&c);
}

static void test_host_patterns(void **state)
{
	static const struct { const char *pattern, *host; bool want; } cases[] = {
		{ "a", "a", true }, { "a", "b", false }, { "a", "", false }, { "a", "aa", false },
		{ "*", "", true }, { "*", "x", true }, { "**", "x", true }, { "?", "", false }, { "?", "x", true },
		{ "?", "xy", false }, { "a*", "a", true }, { "a*", "ba", false }, { "*a", "ba", true },
		{ "*a", "ab", false }, { "a*b*c", "aXbXbXc", true }, { "a*b*c", "aXcXb", false },
		{ "*ab", "aab", true }, { "*a?c", "abcabc", true }, { "[ab]", "a", false }, { "[ab]", "[ab]", true },
		{ "A", "a", false }, { "*.b", ".b", true },
	};
	char many[CERT_NAME_MAX + 1], host[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(cert_host_matches(cases[i].pattern, cases[i].host), cases[i].want);
	/* The worst that a pattern can ask for is no more than their product. */
	for (size_t i = 0; i < CERT_NAME_MAX; i++)
		many[i] = i % 2 ? 'a' : '*';
	many[CERT_NAME_MAX] = '\0';
	many[CERT_NAME_MAX - 1] = 'b';
	memset(host, 'a', sizeof(host));
	host[sizeof(host) - 1] = '\0';
	assert_false(cert_host_matches(many, host));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_role_names),
		cmocka_unit_test(test_generate),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_role_errors),
		cmocka_unit_test(test_bundle),
		cmocka_unit_test(test_bundle_mismatch),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_cert_tamper),
		cmocka_unit_test(test_cert_fields),
		cmocka_unit_test(test_cert_sign_errors),
		cmocka_unit_test(test_cert_covers),
		cmocka_unit_test(test_host_patterns),
	};

	if (crypt_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
