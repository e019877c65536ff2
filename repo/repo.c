/*
 * Repository: opening, unlocking, making.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/connect.h"
#include "repo/repo.h"
#include "repo/unlock.h"
#include "repo/util/text/when.h"

/* Keys and domains, together in one locked allocation. */
struct key_memory {
	struct seal_domain data, metadata;
	struct seal_ring data_ring, metadata_ring;
	struct hash_key object_id, tree_id;
};

/*
 * Where the index of this session is.  Listings of replicas may lag, and an index that was brought up to date by one
 * names packs that a prune has deleted: a backup of another process must not store by it.
 */
static char *index_dir(const char *cache_dir, bool replicas)
{
	char *dir = NULL;

	if (cache_dir == NULL || !replicas)
		return cache_dir != NULL ? strdup(cache_dir) : NULL;
	return asprintf(&dir, "%s/replicas", cache_dir) < 0 ? NULL : dir;
}

static struct repo *repo_new(const struct repo_options *opts)
{
	struct repo *r = calloc(1, sizeof(*r));
	struct key_memory *k = crypt_secret_alloc(sizeof(*k));

	if (r == NULL || k == NULL)
		goto fail;
	r->log = opts->log;
	r->keys = k;
	r->data = &k->data;
	r->metadata = &k->metadata;
	r->index_dir = index_dir(opts->cache_dir, opts->store.nreplicas > 0);
	if (opts->cache_dir != NULL && ((r->cache_dir = strdup(opts->cache_dir)) == NULL || r->index_dir == NULL))
		goto fail;
	return r;
fail:
	crypt_secret_free(k);
	if (r != NULL) {
		free(r->cache_dir);
		free(r->index_dir);
	}
	free(r);
	return NULL;
}

void repo_close(struct repo *r)
{
	if (r == NULL)
		return;
	tree_free(r->tree);
	object_reader_free(r->reader);
	revocations_free(r->revocations);
	witness_close(r->witness);
	generations_free(r->generations);
	index_close(r->index);
	secrets_free(r->secrets);
	crypt_secret_free(r->keys);
	store_close(r->store);
	free(r->cache_dir);
	free(r->index_dir);
	free(r);
}

/* Fill in what follows from the secrets. */
static void derive_keys(struct repo *r)
{
	struct key_memory *k = r->keys;

	seal_data_domain(&r->config, r->secrets, r->data);
	seal_metadata_domain(&r->config, r->secrets, r->metadata);
	seal_data_ring(&r->config, r->secrets, &k->data_ring);
	seal_metadata_ring(&r->config, r->secrets, &k->metadata_ring);
	r->data->ring = &k->data_ring;
	r->metadata->ring = &k->metadata_ring;
	seal_tree_id_key(r->secrets, &k->tree_id);
	r->tree_id = &k->tree_id;
	if (r->secrets->mask & SECRET_OBJECT_ID) {
		k->object_id = r->secrets->object_id;
		r->object_id = &k->object_id;
	}
}

static int open_index(struct repo *r)
{
	struct index_options io = {
		.store = r->store,
		.metadata = r->metadata,
		.cache_dir = r->index_dir,
		.repo_id = r->config.repo_id,
		.segment_size = r->config.segment_size,
		.log = r->log,
	};

	return index_open(&io, &r->index);
}

/* Whoever was left out may read what he could, and must not go on writing with secrets that are out of date. */
static int judge_generations(const struct repo *r)
{
	char when[WHEN_SIZE] = "an unknown date";
	int64_t time_ns;

	if (!generations_behind(r->generations, &time_ns))
		return 0;
	if (time_ns != 0)
		when_format(time_ns, WHEN_HUMAN, false, when);
	log_error(r->log, "the repository's secrets were rotated on %s, and this key has not got the new ones: the "
	    "owner has to give it another keyslot", when);
	return -EKEYREJECTED;
}

static int open_generations(struct repo *r, const struct repo_options *opts)
{
	struct generations_options o = {
		.store = r->store,
		.index = r->index,
		.config = &r->config,
		.secrets = r->secrets,
		.look = opts->exact,
		.listings = !opts->offline && opts->store.nreplicas == 0,
		.trust = opts->trust,
		.log = r->log,
	};
	int rc = generations_new(&o, &r->generations);

	return rc == 0 && opts->exact ? judge_generations(r) : rc;
}

static int open_readers(struct repo *r, const struct repo_options *opts)
{
	struct object_reader_options ro = {
		.store = r->store,
		.index = r->index,
		.data = r->data,
		.metadata = r->metadata,
		.object_id = r->object_id,
		.tree_id = r->tree_id,
		.segment_size = r->config.segment_size,
		.cache_bytes = opts->segment_cache_bytes ? opts->segment_cache_bytes : REPO_SEGMENT_CACHE_DEFAULT,
		.log = r->log,
	};
	size_t tree_bytes = opts->tree_cache_bytes ? opts->tree_cache_bytes : REPO_TREE_CACHE_DEFAULT;
	int rc;

	rc = object_reader_new(&ro, &r->reader);
	if (rc == 0)
		rc = tree_new(r->reader, tree_bytes, r->log, &r->tree);
	return rc;
}

static int open_revocations(struct repo *r)
{
	struct revocations_options o = {
		.store = r->store,
		.index = r->index,
		.secrets = r->secrets,
		.metadata = r->metadata,
		.log = r->log,
	};

	return revocations_new(&o, &r->revocations);
}

/* Replicas may lag, and what is cached is of the past: nothing follows from such listings. */
static int open_witness(struct repo *r, const struct repo_options *opts, bool trust)
{
	const char *path = store_local_path(r->store);
	struct witness_options o = {
		.cache_dir = r->cache_dir,
		.url = path != NULL ? path : store_url(r->store),
		.secrets = r->secrets,
		.recipient = r->keyslot_kind == KEYSLOT_RECIPIENT,
		.trust = trust,
		.listings = !opts->offline && opts->store.nreplicas == 0,
		.log = r->log,
	};

	return r->cache_dir != NULL ? witness_open(&o, &r->witness) : 0;
}

/* The store of a repository that is there, and its config. */
static int connect_repo(struct repo *r, const struct repo_options *opts)
{
	struct connect_options co = {
		.store = &opts->store,
		.cache_dir = r->cache_dir,
		.cache_bytes = opts->cache_bytes,
		.offline = opts->offline,
		.exact = opts->exact,
		.uncached = opts->uncached,
		.log = r->log,
	};

	return connect_store(&co, &r->config, &r->store);
}

/* The store of one that is to be made. */
static int make_store(struct repo *r, const struct repo_options *opts)
{
	struct store_options so = opts->store;

	so.create = true;
	so.log = r->log;
	return store_open(&so, &r->store);
}

int repo_open(const struct repo_options *opts, struct repo **out)
{
	struct credentials cred = { 0 };
	struct repo *r;
	int rc;

	rc = crypt_init();
	if (rc != 0)
		return rc;
	r = repo_new(opts);
	if (r == NULL)
		return -ENOMEM;
	rc = connect_repo(r, opts);
	if (rc == 0)
		rc = opts->credentials(opts->arg, &cred);
	if (rc == 0)
		rc = open_index(r);
	if (rc == 0)
		rc = unlock_repo(r, &cred);
	if (rc == 0)
		rc = open_generations(r, opts);
	if (rc == 0) {
		derive_keys(r);
		generations_serve(r->generations, r->data, r->metadata);
		rc = open_witness(r, opts, opts->trust);
	}
	if (rc == 0)
		rc = open_readers(r, opts);
	if (rc == 0)
		rc = open_revocations(r);
	if (rc == 0)
		*out = r;
	else
		repo_close(r);
	return rc;
}

/* --- Making ------------------------------------------------------------------------------------------------------- */

static int any_object(void *arg, const char *name, uint64_t size)
{
	(void)size;
	if (strcmp(name, "config") == 0)
		*(bool *)arg = true;
	return 1;
}

/* What is in the local directory at ${path}: nothing (0), a repository (-EEXIST), something else (-ENOTEMPTY). */
static int check_empty_dir(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;
	int rc = 0;

	if (d == NULL)
		return -errno;
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (strcmp(e->d_name, "config") == 0) {
			rc = -EEXIST;
			break;
		}
		rc = -ENOTEMPTY;
	}
	closedir(d);
	return rc;
}

static int check_empty(const struct repo_options *opts)
{
	struct store_options so = opts->store;
	struct store *s = NULL;
	bool config = false;
	int rc;

	so.create = false;
	so.log = NULL;
	rc = store_open(&so, &s);
	if (rc == -ENOENT)
		return 0;
	if (rc == 0 && store_local_path(s) != NULL) {
		rc = check_empty_dir(store_local_path(s));
	} else if (rc == 0) {
		rc = store_list(s, "", any_object, &config);
		if (rc == -ENOENT)
			rc = 0;
		if (rc > 0)
			rc = config ? -EEXIST : -ENOTEMPTY;
	}
	store_close(s);
	if (rc == -EEXIST)
		log_error(opts->log, "%s: there is a repository already", opts->store.url);
	else if (rc == -ENOTEMPTY)
		log_error(opts->log, "%s: not empty", opts->store.url);
	else if (rc != 0)
		log_error(opts->log, "%s: %s", opts->store.url, ERR(rc));
	return rc;
}

static int fill_config(struct repo *r, const struct repo_init_params *p)
{
	struct config *c = &r->config;

	c->version = FORMAT_VERSION;
	c->cipher = p->cipher ? p->cipher : CIPHER_XCHACHA20_POLY1305;
	c->chunk_avg = p->chunk_avg ? p->chunk_avg : CHUNK_AVG_DEFAULT;
	c->segment_size = SEGMENT_SIZE_DEFAULT;
	c->pack_size = p->pack_size ? p->pack_size : PACK_SIZE_DEFAULT;
	c->grace_s = p->grace_s;
	c->created_ns = when_now_ns();
	crypt_random(c->repo_id, sizeof(c->repo_id));
	if (!crypt_available(c->cipher)) {
		log_error(r->log, "cipher %s: not available on this machine", crypt_cipher_name(c->cipher));
		return -ENOTSUP;
	}
	if (c->chunk_avg < CHUNK_AVG_MIN || c->chunk_avg > CHUNK_AVG_MAX || (c->chunk_avg & (c->chunk_avg - 1))) {
		log_error(r->log, "chunk size %u: not a power of two from %u to %u", c->chunk_avg, CHUNK_AVG_MIN,
		    CHUNK_AVG_MAX);
		return -EINVAL;
	}
	if (c->pack_size < PACK_SIZE_MIN || c->pack_size > PACK_SIZE_MAX) {
		log_error(r->log, "pack size %u: not from %u to %u", c->pack_size, PACK_SIZE_MIN, PACK_SIZE_MAX);
		return -EINVAL;
	}
	if (c->grace_s > GRACE_MAX) {
		log_error(r->log, "a grace of %u seconds: more than %u", c->grace_s, GRACE_MAX);
		return -EINVAL;
	}
	return 0;
}

static int make_secrets(struct repo *r, const char *owner_name)
{
	struct secrets *s = secrets_generate(r->config.repo_id, owner_name, r->config.created_ns);

	if (s == NULL)
		return -ENOMEM;
	r->secrets = s;
	r->config.owner = s->owner_public;
	crypt_box_public(&s->metadata, &r->config.metadata);
	crypt_box_public(&s->data, &r->config.data);
	return 0;
}

static int put_config(struct repo *r)
{
	struct buf raw = BUF_INIT;
	int rc;

	rc = config_encode(&r->config, &r->secrets->owner, &raw);
	if (rc == 0)
		rc = store_put(r->store, "config", raw.data, raw.len, STORE_EXCL);
	if (rc == -EEXIST)
		log_error(r->log, "%s: somebody else has just made a repository here", store_url(r->store));
	buf_free(&raw);
	return rc;
}

/* The first keyslot, then config: from then on it is a repository, and one that can be opened. */
static int put_first_objects(struct repo *r, const struct repo_init_params *p, const struct credentials *cred)
{
	struct repo_new_keyslot slot = {
		.role = ROLE_OWNER,
		.cred = *cred,
		.params = p->keyslot,
		.name = p->owner_name,
		.same_bundle = true,
	};
	char name[KEYSLOT_NAME_SIZE];
	int rc;

	rc = repo_add_keyslot(r, &slot, &r->keyslot);
	if (rc != 0)
		return rc;
	rc = put_config(r);
	if (rc != 0)
		store_delete(r->store, keyslot_object_name(&r->keyslot, name));
	return rc;
}

int repo_init(const struct repo_options *opts, const struct repo_init_params *params, struct repo **out)
{
	struct credentials cred = { 0 };
	struct repo *r;
	int rc;

	rc = crypt_init();
	if (rc == 0)
		rc = check_empty(opts);
	if (rc != 0)
		return rc;
	r = repo_new(opts);
	if (r == NULL)
		return -ENOMEM;
	rc = fill_config(r, params);
	if (rc == 0)
		rc = opts->credentials(opts->arg, &cred);
	if (rc == 0)
		rc = make_secrets(r, params->owner_name);
	if (rc == 0)
		rc = make_store(r, opts);
	if (rc == 0) {
		derive_keys(r);
		rc = put_first_objects(r, params, &cred);
	}
	if (rc == 0)
		rc = open_index(r);
	if (rc == 0)
		rc = open_readers(r, opts);
	if (rc == 0)
		rc = open_revocations(r);
	if (rc == 0)
		rc = open_witness(r, opts, true);
	if (rc == 0)
		*out = r;
	else
		repo_close(r);
	return rc;
}

struct catalog_options repo_catalog_options(const struct repo *r)
{
	struct catalog_options o = {
		.store = r->store,
		.index = r->index,
		.secrets = r->secrets,
		.metadata = r->metadata,
		.revocations = r->revocations,
		.witness = r->witness,
		.log = r->log,
	};

	return o;
}

int repo_catalog(const struct repo *r, struct catalog **out)
{
	struct catalog_options o = repo_catalog_options(r);

	return catalog_load(&o, out);
}
