/*
 * What needs no key: config, keyslots, revocations, manifests, records of doomed packs.
 */
#include <errno.h>
#include <string.h>

#include "repo/check/mend/mend.h"
#include "repo/check/names/names.h"
#include "repo/crypt/keys/generation.h"
#include "repo/crypt/keys/revocation.h"

#define KEYS "keys/"

/* Our own config, empty if it is missing or damaged. */
static int read_own(struct mend *m, struct buf *out)
{
	struct config config;
	int rc = store_get_all(m->store, "config", CONFIG_MAX, out);

	if (rc == 0)
		rc = config_decode(out->data, out->len, &config);
	if (rc == -ENOENT || rc == -EBADMSG) {
		buf_clear(out);
		rc = 0;
	}
	return rc;
}

static int mend_config(struct mend *m, const struct buf *own)
{
	struct repair_event e = { .action = REPAIR_FETCHED, .object = "config" };
	struct buf theirs = BUF_INIT;
	int which = own->len > 0 ? -1 : mend_find_config(m, &theirs), rc = 0;

	if (which >= 0) {
		e.from = store_url(m->o->from[which]);
		if (!m->o->dry_run)
			rc = store_put(m->store, "config", theirs.data, theirs.len, STORE_REPLACE);
		if (rc == 0) {
			m->out->fetched++;
			m->out->fetched_bytes += theirs.len;
			mend_tell(m, &e);
		}
	} else if (own->len == 0) {
		mend_leave(m, "config", "no copy of it is known (--from URL)");
	}
	buf_free(&theirs);
	return rc;
}

/* An object of a kind whose names begin with a hash. */
struct plain {
	struct mend *m;
	size_t prefix;  /* bytes of the name before the id */
	size_t hash_len;
	uint64_t sound;
	const char *why; /* what is said if it stays damaged */
};

static int look_at(void *arg, const char *name, uint64_t size)
{
	struct plain *p = arg;
	struct id id;
	int rc;

	(void)size;
	if (mend_cancelled(p->m))
		return -EINTR;
	if (id_parse(name + p->prefix, &id) < 0)
		return 0;
	rc = name_verify(p->m->store, name, id.b, p->hash_len);
	if (rc == -EBADMSG) {
		rc = mend_fetch(p->m, name, id.b, p->hash_len);
		if (rc == 0)
			mend_leave(p->m, name, p->m->unasked ? "a copy could not be asked for it" : p->why);
		p->sound += rc == 1;
		return rc < 0 ? rc : 0;
	}
	p->sound += rc == 0;
	return rc == -ENOENT ? 0 : rc;
}

/* A keyslot of a copy, when we have none. */
static int take_keyslot(void *arg, const char *name, uint64_t size)
{
	struct plain *p = arg;
	struct id id;
	int rc = 0;

	(void)size;
	if (id_parse(name + p->prefix, &id) == 0)
		rc = mend_fetch(p->m, name, id.b, ID_LEN);
	p->sound += rc == 1;
	return rc < 0 ? rc : 0;
}

/*
 * Keyslots that are missing have been removed, perhaps for a reason; but not the last one.  A copy that has another
 * config than ours was refused before.
 */
static int mend_keyslots(struct mend *m)
{
	struct plain p = { .m = m, .prefix = strlen(KEYS), .hash_len = ID_LEN,
		.why = "no copy has it (\"varve key remove\" takes it away)" };
	int rc = store_list_names(m->store, KEYS, look_at, &p);

	for (unsigned i = 0; i < m->o->nfrom && rc == 0 && p.sound == 0; i++)
		rc = store_list_names(m->o->from[i], KEYS, take_keyslot, &p);
	if (rc == 0 && p.sound == 0)
		mend_leave(m, KEYS, "there is no keyslot, and no copy of any is known");
	return rc;
}

/* What is told if an object stays damaged. */
static const struct {
	const char *prefix, *why;
	size_t hash_len;
} rest[] = {
	{ GENERATIONS_PREFIX, "no copy has it: what was stored with the secrets in it can be read by those only who "
	    "have used them already", ID_LEN },
	{ REVOKED_PREFIX, "no copy has it", ID_LEN },
	{ "snapshots/", "no copy has it: this snapshot is lost", SNAPSHOT_HASH_LEN },
	{ "doomed/", "no copy has it; \"varve prune\" gives it up, in two calls that are the grace apart", ID_LEN },
};

static int mend_rest(struct mend *m)
{
	int rc = 0;

	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]) && rc == 0; i++) {
		struct plain p = { .m = m, .prefix = strlen(rest[i].prefix), .hash_len = rest[i].hash_len,
			.why = rest[i].why };

		rc = store_list_names(m->store, rest[i].prefix, look_at, &p);
	}
	return rc;
}

int repair_plain(struct store *store, const struct repair_options *o, struct repair_result *out)
{
	struct mend m = { .o = o, .out = out, .store = store, .log = store_log(store) };
	struct buf own = BUF_INIT;
	int rc = crypt_init();

	if (rc == 0)
		rc = read_own(&m, &own);
	if (rc == 0)
		rc = mend_same_repository(&m, &own);
	if (rc == 0)
		rc = mend_config(&m, &own);
	if (rc == 0)
		rc = mend_keyslots(&m);
	if (rc == 0)
		rc = mend_rest(&m);
	buf_free(&own);
	return rc == -ECANCELED ? -EINTR : rc;
}
