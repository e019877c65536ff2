/*
 * What a key can do if its holder does not keep to the program: for tests/15-roles.sh, which shows that a role lacks
 * the key for what it may not do, and not just the will.
 *
 *   roleprobe packs|trees               open all packs of that kind, with every secret that the bundle has in the place
 *                                       of the one that is needed; print "opened N of M"
 *   roleprobe publish HOW TIME_NS HOST  publish the newest snapshot once more, as one of another time and host, with
 *                                       neither limits nor revocations heeded; print its id.  HOW is
 *       own      signed with the bundle's key, under its certificate
 *       self     signed with a new key, under a certificate by a new owner
 *       stolen   signed with a new key, under the certificate of the newest snapshot
 *
 * Repository and secret come from the environment, as for varve.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/access/access.h"
#include "repo/repo.h"
#include "repo/snapshot/manifest/manifest_impl.h"
#include "tests/tools/lib/tool.h"

static void write_log(void *arg, enum log_level level, const char *message)
{
	(void)arg;
	(void)level;
	fprintf(stderr, "roleprobe: %s\n", message);
}

static const struct log log_of = { write_log, NULL, LOG_LEVEL_WARNING };

static struct repo *open_repo(void)
{
	struct access access = { .no_prompt = true, .log = &log_of };
	struct repo_options ro = { .credentials = access_credentials, .arg = &access, .log = &log_of };
	struct repo *repo;

	if (access_store_options(&access, 10000, &ro.store) != 0 || repo_open(&ro, &repo) != 0)
		die("the repository does not open");
	access_destroy(&access);
	return repo;
}

/* --- Opening packs ------------------------------------------------------------------------------------------------ */

struct probe {
	struct repo *repo;
	struct seal_domain domains[16]; /* each with another secret */
	unsigned ndomains;
	unsigned packs, opened;
};

/* Any 32 bytes, whatever they are meant for, as secret and for the mixing key. */
static void add_domain(struct probe *p, bool data, const void *secret, const void *mix, const char *purpose)
{
	const struct config *c = &p->repo->config;
	struct seal_domain *d = &p->domains[p->ndomains++];

	*d = (struct seal_domain){ .cipher = c->cipher, .pk = data ? c->data : c->metadata, .can_seal = true,
		.can_open = true };
	memcpy(d->sk.b, secret, sizeof(d->sk.b));
	crypt_derive(mix, purpose, d->mix.b);
}

static void add_domains(struct probe *p, bool data)
{
	const struct secrets *s = p->repo->secrets;
	const uint8_t *all[] = { s->data.b, s->metadata.b, s->object_id.b, s->signing.b, s->owner.b };
	const char *purpose = data ? "varve data mix" : "varve metadata mix";

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		add_domain(p, data, all[i], s->object_id.b, purpose);
		add_domain(p, data, all[i], s->metadata.b, purpose);
	}
}

/* The first segment of the pack is tried, whose length is in the table, which all roles can read. */
static int first_place(void *arg, const struct id *id, const struct place *place)
{
	(void)id;
	*(struct place *)arg = *place;
	return 1;
}

static bool opens(struct probe *p, const struct seal_domain *d, const struct pack_info *info, const struct place *place)
{
	char name[PACK_NAME_SIZE];
	struct aead_key key;
	uint32_t len = place->box[0];
	uint8_t *box = xmalloc(len);
	bool open = seal_open_key(d, info->wrapped, &key) == 0 &&
	    store_get(p->repo->store, pack_name(info->kind, &info->id, name), place->offset, len, box) == 0 &&
	    pack_open_segment(d->cipher, info->kind, &key, place->offset, box, len, box) == 0;

	free(box);
	return open;
}

/* Where the table does not open, it is not known where a segment ends: then the pack's key is what is tried. */
static bool key_opens(struct probe *p, const char *name)
{
	uint8_t head[PACK_HEADER_LEN];
	struct aead_key key;

	if (store_get(p->repo->store, name, 0, sizeof(head), head) != 0)
		die("%s: cannot be read", name);
	for (unsigned i = 0; i < p->ndomains; i++)
		if (seal_open_key(&p->domains[i], head + PACK_HEADER_LEN - CRYPT_WRAPPED_LEN, &key) == 0)
			return true;
	return false;
}

static int try_pack(void *arg, const char *name, uint64_t size)
{
	struct probe *p = arg;
	struct pack_info info;
	struct place place;
	enum pack_kind kind;
	bool open = false;
	struct id id;
	int rc;

	(void)size;
	if (pack_name_parse(name, &kind, &id) != 0)
		die("%s: not the name of a pack", name);
	rc = pack_read_table(p->repo->store, kind, &id, p->repo->metadata, p->repo->config.segment_size, &info,
	    first_place, &place);
	if (rc == -EACCES)
		open = key_opens(p, name);
	else if (rc != 1)
		die("%s: its table does not open", name);
	for (unsigned i = 0; i < p->ndomains && rc == 1 && !open; i++)
		open = opens(p, &p->domains[i], &info, &place);
	p->packs++;
	p->opened += open;
	return 0;
}

static void open_packs(struct repo *repo, bool data)
{
	struct probe p = { .repo = repo };

	add_domains(&p, data);
	if (store_list(repo->store, data ? "packs/" : "trees/", try_pack, &p) != 0)
		die("packs cannot be listed");
	printf("opened %u of %u\n", p.opened, p.packs);
}

/* --- Publishing --------------------------------------------------------------------------------------------------- */

/* The key and certificate to sign with. */
static void choose_signer(const struct repo *repo, const char *how, struct manifest *m, struct sign_secret *key)
{
	struct cert c = { .issued_ns = 1 };
	struct sign_secret owner;
	struct sign_public pk;

	crypt_sign_keypair(key, &c.key);
	if (strcmp(how, "own") == 0) {
		*key = repo->secrets->signing;
		buf_clear(&m->cert);
		if (buf_append(&m->cert, repo->secrets->cert.data, repo->secrets->cert.len) != 0)
			die("no memory");
	} else if (strcmp(how, "self") == 0) {
		crypt_sign_keypair(&owner, &pk);
		c.name = xstrdup("myself");
		buf_clear(&m->cert);
		if (cert_sign(&c, &owner, &m->cert) != 0)
			die("no certificate");
		cert_destroy(&c);
	}
}

static void sign_and_put(struct repo *repo, const struct manifest *m, const struct sign_secret *key)
{
	static const uint8_t header[16] = "VARVESN1";
	struct buf plain = BUF_INIT, bytes = BUF_INIT, object = BUF_INIT;
	char name[SNAPSHOT_NAME_SIZE];
	struct signature sig;
	struct id id;
	size_t len;

	if (manifest_encode(m, &plain) != 0 || buf_append(&bytes, repo->secrets->repo_id, 16) != 0 ||
	    buf_append(&bytes, plain.data, plain.len) != 0)
		die("the manifest cannot be made");
	crypt_sign(key, MANIFEST_CONTEXT, bytes.data, bytes.len, &sig);
	len = sizeof(header) + plain.len + sizeof(sig.b) + CRYPT_BLOB_OVERHEAD;
	if (buf_append(&plain, sig.b, sizeof(sig.b)) != 0 || buf_append(&object, header, sizeof(header)) != 0 ||
	    buf_reserve(&object, len) != 0)
		die("no memory");
	seal_blob(repo->metadata, header, sizeof(header), plain.data, plain.len, object.data + object.len);
	object.len = len;
	snapshot_id_make(repo->secrets, object.data, object.len, m->time_ns, &id);
	if (store_put(repo->store, snapshot_object_name(&id, name), object.data, object.len, 0) != 0)
		die("the manifest cannot be put");
	puts(strchr(name, '/') + 1);
	buf_free(&plain);
	buf_free(&bytes);
	buf_free(&object);
}

static void publish(struct repo *repo, const char *how, const char *time_ns, const char *host)
{
	struct sign_secret key;
	struct manifest m;
	struct catalog *c;

	if (repo_catalog(repo, &c) != 0 || catalog_count(c) == 0 || catalog_manifest(c, catalog_count(c) - 1, &m) != 0)
		die("there is no snapshot to make another of");
	catalog_free(c);
	m.time_ns = strtoll(time_ns, NULL, 10);
	free(m.host);
	m.host = xstrdup(host);
	choose_signer(repo, how, &m, &key);
	sign_and_put(repo, &m, &key);
	manifest_destroy(&m);
}

int main(int argc, char **argv)
{
	struct repo *repo = open_repo();
	bool known = true;

	if (argc == 2 && (strcmp(argv[1], "packs") == 0 || strcmp(argv[1], "trees") == 0))
		open_packs(repo, strcmp(argv[1], "packs") == 0);
	else if (argc == 5 && strcmp(argv[1], "publish") == 0)
		publish(repo, argv[2], argv[3], argv[4]);
	else
		known = false;
	repo_close(repo);
	if (!known)
		fputs("usage: roleprobe packs | trees | publish own|self|stolen TIME_NS HOST\n", stderr);
	return known ? 0 : 2;
}
