/*
 * Keyslots of a repository: unlocking, adding, listing, removing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/rotate.h"
#include "repo/unlock.h"
#include "repo/util/text/when.h"

#define KEYS_PREFIX "keys/"
#define LAST_USED "last/keyslot" /* in the index's store of kept objects */
#define NKEYSLOTS_MAX 10000      /* that are looked at */

struct id_list {
	struct id *ids;
	size_t n, cap;
};

char *keyslot_object_name(const struct id *id, char out[KEYSLOT_NAME_SIZE])
{
	memcpy(out, KEYS_PREFIX, strlen(KEYS_PREFIX));
	id_hex(id, out + strlen(KEYS_PREFIX));
	return out;
}

static int collect_keyslot(void *arg, const char *name, uint64_t size)
{
	struct id_list *l = arg;
	struct id *grown;

	(void)size;
	if (l->n == l->cap) {
		grown = realloc(l->ids, (l->cap * 2 + 16) * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		l->ids = grown;
		l->cap = l->cap * 2 + 16;
	}
	if (id_parse(name + strlen(KEYS_PREFIX), &l->ids[l->n]) == 0 && l->n < NKEYSLOTS_MAX)
		l->n++;
	return 0;
}

static int list_keyslots(const struct repo *r, struct id_list *out)
{
	int rc;

	memset(out, 0, sizeof(*out));
	rc = store_list(r->store, KEYS_PREFIX, collect_keyslot, out);
	if (rc != 0)
		free(out->ids);
	return rc;
}

static int read_keyslot(const struct repo *r, const struct id *id, struct buf *out)
{
	char name[KEYSLOT_NAME_SIZE];
	int rc;

	buf_clear(out);
	rc = store_get_all(r->store, keyslot_object_name(id, name), KEYSLOT_MAX, out);
	/* Where another copy may be good, ask once more. */
	if (rc == 0 && !keyslot_has_id(out->data, out->len, id) && store_distrust(r->store, name, 0, out->len) == 0) {
		buf_clear(out);
		rc = store_get_all(r->store, name, KEYSLOT_MAX, out);
	}
	return rc;
}

/* The keyslot that this machine used last goes to the front. */
static void last_used_first(const struct repo *r, struct id_list *l)
{
	struct buf last = BUF_INIT;

	if (index_kept(r->index, LAST_USED, &last) == 0 && last.len == ID_LEN) {
		for (size_t i = 1; i < l->n; i++) {
			if (memcmp(l->ids[i].b, last.data, ID_LEN) == 0) {
				struct id first = l->ids[0];

				l->ids[0] = l->ids[i];
				l->ids[i] = first;
				break;
			}
		}
	}
	buf_free(&last);
}

/* The bundle that ${r} has from the keyslot ${name}: is the config its config? */
static int match_config(struct repo *r, const char *name)
{
	if (config_matches(&r->config, r->secrets) == 0)
		return 0;
	secrets_free(r->secrets);
	r->secrets = NULL;
	log_error(r->log, "%s: config is not the one that keyslot %.8s.. was made for", store_url(r->store),
	    name + strlen(KEYS_PREFIX));
	return -EBADMSG;
}

/*
 * One try.  Return 0 with ${r->secrets}; -EKEYREJECTED if it is not for ${cred}; else what is wrong with it
 * (logged).  What opens is taken under any name, as it has been authenticated.
 */
static int try_keyslot(struct repo *r, const struct id *id, const struct credentials *cred, struct buf *raw)
{
	char name[KEYSLOT_NAME_SIZE];
	int rc;

	keyslot_object_name(id, name);
	rc = read_keyslot(r, id, raw);
	if (rc != 0)
		return rc;
	rc = keyslot_open(raw->data, raw->len, cred, &r->secrets);
	if (rc == 0) {
		keyslot_kind(raw->data, raw->len, &r->keyslot_kind);
		return match_config(r, name);
	}
	/* Damaged bytes look like those for another secret, or of a newer program. */
	if (!keyslot_has_id(raw->data, raw->len, id)) {
		log_error(r->log, "%s: damaged: its bytes do not hash to its name", name);
		return -EBADMSG;
	}
	if (rc != -EKEYREJECTED)
		log_error(r->log, "%s: %s", name, ERR(rc));
	return rc;
}

/* None of ${n} keyslots opens, ${rejected} of them because they are sound and for another secret. */
static void log_none_opens(const struct repo *r, size_t n, size_t rejected)
{
	if (n == 0)
		log_error(r->log, "%s: there are no keyslots", store_url(r->store));
	else if (rejected > 0)
		log_error(r->log, "%s: wrong passphrase or key: none of %zu %skeyslot%s opens", store_url(r->store),
		    rejected, rejected < n ? "other " : "", rejected == 1 ? "" : "s");
}

int unlock_repo(struct repo *r, const struct credentials *cred)
{
	struct buf raw = BUF_INIT;
	struct id_list l;
	size_t rejected = 0;
	int rc, worst = -EKEYREJECTED;

	rc = list_keyslots(r, &l);
	if (rc != 0)
		return rc;
	last_used_first(r, &l);
	for (size_t i = 0; i < l.n; i++) {
		rc = try_keyslot(r, &l.ids[i], cred, &raw);
		if (rc == 0) {
			r->keyslot = l.ids[i];
			index_keep(r->index, LAST_USED, l.ids[i].b, ID_LEN);
			goto out;
		}
		if (rc == -EKEYREJECTED)
			rejected++;
		else if (rc != -ENOENT)
			worst = rc;
	}
	rc = worst;
	if (rc == -EKEYREJECTED && rejected == 0 && l.n > 0) {
		log_error(r->log, "none of the %zu keyslots that are listed is there", l.n);
		rc = -EIO;
	} else {
		log_none_opens(r, l.n, rejected);
	}
out:
	buf_free(&raw);
	free(l.ids);
	return rc;
}

/* --- Adding ------------------------------------------------------------------------------------------------------- */

/* The bundle to wrap: this one, or a new one of ${k->role}.  ${*made} is the caller's to free if it is not NULL. */
static int choose_bundle(const struct repo *r, const struct repo_new_keyslot *k, const struct secrets **bundle,
    struct secrets **made)
{
	*made = NULL;
	if (k->same_bundle) {
		*bundle = r->secrets;
		return 0;
	}
	if (!(r->secrets->mask & SECRET_OWNER)) {
		log_error(r->log, "only the owner's key can add a keyslot for a role, this one has the role \"%s\"",
		    role_name(r->secrets->role));
		return -EPERM;
	}
	*made = secrets_for_role(r->secrets, k->role, k->name, &k->limits, when_now_ns());
	*bundle = *made;
	if (*made == NULL && errno == EINVAL)
		log_error(r->log, "name and limits are too long for a certificate, or there are too many");
	return *made == NULL ? -errno : 0;
}

/* Its certificate and grant stay the bundle's. */
static void fill_label(const struct repo_new_keyslot *k, const struct secrets *bundle, struct keyslot_label *label)
{
	memset(label, 0, sizeof(*label));
	label->role = bundle->role;
	label->created_ns = when_now_ns();
	label->cert = bundle->cert;
	label->grant = bundle->grant;
	if (k->name != NULL)
		strncpy(label->name, k->name, sizeof(label->name) - 1);
}

int repo_add_keyslot(const struct repo *r, const struct repo_new_keyslot *k, struct id *id)
{
	struct keyslot_params params = k->params;
	const struct secrets *bundle;
	struct keyslot_label label;
	struct buf raw = BUF_INIT;
	struct secrets *made;
	char name[KEYSLOT_NAME_SIZE];
	int rc;

	rc = choose_bundle(r, k, &bundle, &made);
	if (rc != 0)
		return rc;
	if (params.passes == 0)
		params.passes = KEYSLOT_PASSES;
	if (params.memory_kib == 0)
		params.memory_kib = KEYSLOT_MEMORY_KIB;
	fill_label(k, bundle, &label);
	rc = keyslot_seal(bundle, &k->cred, &params, r->config.cipher, &r->metadata->pk, &label, &raw);
	if (rc != 0)
		log_error(r->log, "new keyslot: %s", ERR(rc));
	crypt_hash(raw.data, raw.len, id);
	if (rc == 0)
		rc = store_put(r->store, keyslot_object_name(id, name), raw.data, raw.len, STORE_EXCL);
	buf_free(&raw);
	secrets_free(made);
	return rc;
}

/* --- Listing and removing ----------------------------------------------------------------------------------------- */

static int by_creation(const void *a, const void *b)
{
	const struct repo_keyslot *x = a, *y = b;

	if (x->label.created_ns != y->label.created_ns)
		return x->label.created_ns < y->label.created_ns ? -1 : 1;
	return id_compare(&x->id, &y->id);
}

/* By the grant in its label, as anybody could have made the label. */
static void look_at_grant(const struct repo *r, struct repo_keyslot *s)
{
	const struct buf *grant = &s->label.grant;

	if (!s->readable || !s->sound || grant->len == 0 ||
	    grant_open(grant->data, grant->len, r->config.repo_id, &r->config.owner, &s->grant) != 0)
		return;
	s->renewal = repo_expelled(r, &s->grant) ? RENEWAL_REVOKED : RENEWAL_GRANTED;
}

/* What the bytes ${raw} of the keyslot ${s->id} say. */
static void look_at_keyslot(const struct repo *r, const struct buf *raw, struct repo_keyslot *s)
{
	s->sound = keyslot_has_id(raw->data, raw->len, &s->id);
	s->readable = keyslot_kind(raw->data, raw->len, &s->kind) == 0 &&
	    keyslot_read_label(raw->data, raw->len, r->config.cipher, r->secrets, &s->label) == 0;
	s->certified = s->readable && s->label.cert.len > 0 &&
	    cert_open(s->label.cert.data, s->label.cert.len, &r->config.owner, &s->cert) == 0;
	s->revoked = s->certified && r->revocations != NULL &&
	    revocations_find(r->revocations, &s->cert.key, &s->revoked_ns);
	if (s->readable && s->kind == KEYSLOT_RECIPIENT)
		keyslot_addressee(raw->data, raw->len, &s->recipient);
	look_at_grant(r, s);
}

void repo_keyslots_free(struct repo_keyslot *slots, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		keyslot_label_destroy(&slots[i].label);
		cert_destroy(&slots[i].cert);
	}
	free(slots);
}

int repo_keyslots(const struct repo *r, struct repo_keyslot **out, size_t *n)
{
	struct repo_keyslot *slots;
	struct buf raw = BUF_INIT;
	struct id_list l;
	int rc;

	rc = r->revocations != NULL ? revocations_refresh(r->revocations) : 0;
	if (rc == 0)
		rc = list_keyslots(r, &l);
	if (rc != 0)
		return rc;
	slots = calloc(l.n + 1, sizeof(*slots));
	if (slots == NULL) {
		free(l.ids);
		return -ENOMEM;
	}
	for (size_t i = 0; i < l.n; i++) {
		struct repo_keyslot *s = &slots[i];

		s->id = l.ids[i];
		s->current = id_equal(&s->id, &r->keyslot);
		if (read_keyslot(r, &s->id, &raw) == 0)
			look_at_keyslot(r, &raw, s);
	}
	qsort(slots, l.n, sizeof(*slots), by_creation);
	*out = slots;
	*n = l.n;
	buf_free(&raw);
	free(l.ids);
	return 0;
}

int repo_remove_keyslot(const struct repo *r, const struct id *id)
{
	char name[KEYSLOT_NAME_SIZE];
	struct repo_keyslot *slots;
	size_t n, other_owners = 0;
	bool found = false, is_owner = false;
	int rc;

	rc = repo_keyslots(r, &slots, &n);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		bool owner = slots[i].readable && slots[i].label.role == ROLE_OWNER;

		if (id_equal(&slots[i].id, id)) {
			found = true;
			is_owner = owner;
		} else {
			/* One that is damaged will not open. */
			other_owners += owner && slots[i].sound;
		}
	}
	repo_keyslots_free(slots, n);
	keyslot_object_name(id, name);
	if (!found) {
		log_error(r->log, "%s: no such keyslot", name);
		return -ENOENT;
	}
	if (is_owner && other_owners == 0) {
		log_error(r->log, "%s: the last keyslot of the owner stays", name);
		return -EBUSY;
	}
	return store_delete(r->store, name);
}
