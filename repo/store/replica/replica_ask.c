/*
 * Replica: asking one of the stores.  See store_replica.h.
 */
#include <errno.h>
#include <string.h>

#include "repo/store/replica/replica_impl.h"

/* Kinds of messages about a member, each of which is told once in a while. */
enum { TOLD_GONE = 1, TOLD_BACK, TOLD_NO_CONFIG };

const char *replica_url(const struct store_replica *r, unsigned i)
{
	return r->member[i] != NULL ? r->member[i]->url : "the primary store";
}

bool replica_usable(struct store_replica *r, unsigned i)
{
	return r->member[i] != NULL && atomic_load(&r->identity[i]) != IDENTITY_OTHER;
}

int replica_transient(struct store_replica *r, unsigned i)
{
	char cause[sizeof(r->base.trouble.cause)];
	int64_t wait = store_last_trouble(r->member[i], cause, sizeof(cause)) - store_now_ms();

	return store_transient(&r->base, wait > 0 ? (unsigned)wait : 0, "%s", *cause != '\0' ? cause : "no answer");
}

/* --- The same repository? ----------------------------------------------------------------------------------------- */

/*
 * Compare the config of member ${i} with the others'.  Return 0; -EIO (logged) if it is another; -ENODEV if it is still
 * damaged, which was told.  Under the lock.
 */
static int judge(struct store_replica *r, unsigned i, const void *config, size_t len)
{
	int rc = 0;

	if (r->config.len == 0) {
		rc = buf_append(&r->config, config, len);
		r->config_of = i;
	} else if (r->config.len != len || memcmp(r->config.data, config, len) != 0) {
		if (health_distrusted(&r->health, i, STORE_CONFIG))
			return -ENODEV;
		log_error(r->base.log, "%s: not a copy of the repository at %s (another config); it is not used",
		    replica_url(r, i), replica_url(r, r->config_of));
		atomic_store(&r->identity[i], IDENTITY_OTHER);
		return -EIO;
	}
	if (rc == 0)
		atomic_store(&r->identity[i], IDENTITY_SAME);
	return rc;
}

/* The config of member ${i} has been read.  Return as judge(). */
static int identify_by(struct store_replica *r, unsigned i, const void *config, size_t len)
{
	int rc = 0;

	pthread_mutex_lock(&r->identity_lock);
	if (atomic_load(&r->identity[i]) == IDENTITY_UNKNOWN)
		rc = judge(r, i, config, len);
	else if (atomic_load(&r->identity[i]) == IDENTITY_OTHER)
		rc = -EIO;
	pthread_mutex_unlock(&r->identity_lock);
	return rc;
}

void replica_judge_anew(struct store_replica *r, unsigned i)
{
	pthread_mutex_lock(&r->identity_lock);
	if (atomic_load(&r->identity[i]) == IDENTITY_SAME) {
		buf_clear(&r->config);
		for (unsigned k = 0; k < r->n; k++)
			atomic_store(&r->identity[k], IDENTITY_UNKNOWN);
	}
	pthread_mutex_unlock(&r->identity_lock);
}

/* Make sure that member ${i} is of this repository.  Return 0, or an error; -EIO if it is not. */
static int identify(struct store_replica *r, unsigned i)
{
	struct buf config = BUF_INIT;
	int rc;

	if (atomic_load(&r->identity[i]) == IDENTITY_OTHER)
		return -EIO;
	/* Several may do so at once: they would else wait for each other, where this one hangs. */
	rc = store_get_all(r->member[i], STORE_CONFIG, REPLICA_CONFIG_MAX, &config);
	if (rc == 0)
		rc = identify_by(r, i, config.data, config.len);
	if (rc == -ENOENT || rc == -EBADMSG) {
		if (!told_before(&r->told, (uint64_t)TOLD_NO_CONFIG << 8 | i))
			log_error(r->base.log, "%s: not a repository (it has no config); it is not used",
			    replica_url(r, i));
		rc = -ENODEV;
	}
	buf_free(&config);
	return rc;
}

/* --- Asking ------------------------------------------------------------------------------------------------------- */

static void tell_gone(struct store_replica *r, unsigned i, int rc)
{
	char cause[sizeof(r->base.trouble.cause)];

	if (told_before(&r->told, (uint64_t)TOLD_GONE << 8 | i))
		return;
	if (rc == -EAGAIN)
		store_last_trouble(r->member[i], cause, sizeof(cause));
	log_warn(r->base.log, "%s: %s; passed over until it answers again", replica_url(r, i),
	    rc == -EAGAIN ? cause : ERR(rc));
}

/* Keep account of what came of asking. */
static void keep_account(struct store_replica *r, const struct ask *a, unsigned i, int rc, int64_t asked_ms)
{
	if (rc == -ECANCELED || rc == -ENOMEM) {
		health_unasked(&r->health, i);
	} else if (rc == 0 || a->final || rc == -ENOENT || rc == -EBADMSG) {
		if (health_well(&r->health, i) && !told_before(&r->told, (uint64_t)TOLD_BACK << 8 | i))
			log_warn(r->base.log, "%s: answers again", replica_url(r, i));
	} else if (health_failed(&r->health, i, rc, asked_ms) && rc != -ENODEV) {
		tell_gone(r, i, rc);
	}
}

int replica_ask(struct store_replica *r, struct ask *a, unsigned i)
{
	bool is_config = strcmp(a->name, STORE_CONFIG) == 0;
	size_t before = a->append != NULL ? a->append->len : 0;
	int64_t asked_ms = store_now_ms();
	int rc = 0;

	if (!is_config && atomic_load(&r->identity[i]) != IDENTITY_SAME)
		rc = identify(r, i);
	if (rc == 0)
		rc = a->fn(r->member[i], a);
	if (rc == 0 && is_config && a->append != NULL) {
		rc = identify_by(r, i, a->append->data + before, a->append->len - before);
		if (rc < 0)
			a->append->len = before;
	}
	keep_account(r, a, i, rc, asked_ms);
	if (rc == 0 && (a->into != NULL || a->append != NULL))
		health_served(&r->health, i, a->name);
	return rc == -ENODEV ? -EIO : rc;
}
