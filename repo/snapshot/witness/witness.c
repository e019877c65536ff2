/*
 * Witness: what was seen, and what follows from it.
 *
 * The file is what counts: each listing is compared with it as it is then, and it is replaced if something has changed,
 * all under its lock.  What is learned between two listings (heads) waits in ${p->state} for the next.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/snapshot/witness/witness_impl.h"

/* --- Files -------------------------------------------------------------------------------------------------------- */

static int set_paths(struct witness *p)
{
	char url[ID_HEX_SIZE], repo[33];
	struct id id;
	int rc;

	crypt_hash(p->opts.url, strlen(p->opts.url), &id);
	hex_encode(p->opts.secrets->repo_id, 16, repo);
	rc = buf_printf(&p->dir, "%s/seen/%.32s", p->opts.cache_dir, id_hex(&id, url));
	return rc == 0 ? buf_printf(&p->path, "%s/%s", (const char *)p->dir.data, repo) : rc;
}

int witness_reread(struct witness *p)
{
	struct witness_state f;
	int rc = witness_file_read((const char *)p->path.data, &f);

	if (rc == 0) {
		witness_state_free(&p->state);
		p->state = f;
	}
	return rc == -ENOMEM ? rc : 0;
}

void witness_write(struct witness *p)
{
	int rc;

	p->state.owner = p->opts.secrets->owner_public;
	rc = witness_file_write((const char *)p->path.data, &p->state);
	if (rc < 0 && !p->unwritable)
		log_warn(p->opts.log, "%s: %s: what is seen of the repository is not remembered",
		    (const char *)p->path.data, ERR(rc));
	p->unwritable = p->unwritable || rc < 0;
}

int witness_enter_seen(struct witness *p)
{
	int rc = 0, changed = 0;

	for (size_t i = 0; i < p->nseen && rc >= 0; i++) {
		rc = witness_set_head(&p->state, &p->seen[i]);
		changed |= rc > 0;
	}
	p->nseen = 0;
	return rc < 0 ? rc : changed;
}

/* --- Opening ------------------------------------------------------------------------------------------------------ */

/* Nothing is known of this repository at this URL.  Is anything of another one? */
static int first_time(const struct witness *p)
{
	const struct witness_options *o = &p->opts;

	if (!witness_file_others((const char *)p->dir.data) || o->trust)
		return 0;
	if (!o->recipient) {
		log_warn(o->log, "%s: is another repository than the one that was here before", o->url);
		return 0;
	}
	log_error(o->log, "%s: is another repository than the one that was here before, and anybody who knows your "
	    "public key could have made it for you (to accept it: varve key trust)", o->url);
	return -EBADMSG;
}

static bool same_owner(const struct witness *p)
{
	return crypt_equal(p->state.owner.b, p->opts.secrets->owner_public.b, sizeof(p->state.owner.b));
}

static int load(struct witness *p)
{
	int rc;

	if (p->opts.trust)
		unlink((const char *)p->path.data);
	rc = witness_file_read((const char *)p->path.data, &p->state);
	if (rc == -ENOENT) {
		rc = first_time(p);
		if (rc == 0) {
			witness_file_make_dirs((const char *)p->path.data);
			witness_write(p);
		}
	} else if (rc == 0 && !same_owner(p)) {
		log_error(p->opts.log, "%s: has another owner than before (to accept it: varve key trust)",
		    p->opts.url);
		rc = -EBADMSG;
	} else if (rc != 0 && rc != -ENOMEM) {
		log_warn(p->opts.log, "%s: %s: the repository is believed as if it were seen for the first time",
		    (const char *)p->path.data, ERR(rc));
		rc = 0;
	}
	return rc;
}

int witness_open(const struct witness_options *opts, struct witness **out)
{
	struct witness *p = calloc(1, sizeof(*p));
	int rc;

	if (p == NULL)
		return -ENOMEM;
	p->opts = *opts;
	pthread_mutex_init(&p->lock, NULL);
	crypt_derive(opts->secrets->metadata.b, "hosts, as this machine has seen them", p->hosts.b);
	rc = set_paths(p);
	if (rc == 0)
		rc = load(p);
	if (rc == 0) {
		*out = p;
	} else {
		p->opts.listings = false;
		witness_close(p);
	}
	return rc;
}

void witness_close(struct witness *p)
{
	int fd;

	if (p == NULL)
		return;
	if (p->nseen > 0) {
		fd = witness_file_lock((const char *)p->dir.data);
		if (witness_reread(p) == 0 && witness_enter_seen(p) > 0)
			witness_write(p);
		if (fd >= 0)
			close(fd);
	}
	witness_state_free(&p->state);
	free(p->seen);
	free(p->now);
	free(p->told);
	buf_free(&p->dir);
	buf_free(&p->path);
	crypt_wipe(&p->hosts, sizeof(p->hosts));
	pthread_mutex_destroy(&p->lock);
	free(p);
}

bool witness_has_id(const struct id *ids, size_t n, const struct id *id)
{
	for (size_t i = 0; i < n; i++)
		if (id_equal(&ids[i], id))
			return true;
	return false;
}

const char *witness_path(const struct witness *p)
{
	return (const char *)p->dir.data;
}

/* --- Heads -------------------------------------------------------------------------------------------------------- */

void witness_host(const struct witness *p, const char *host, struct id *out)
{
	crypt_object_id(&p->hosts, host, strlen(host), out);
}

/* Under the lock.  Without memory it is not remembered. */
static void add_seen(struct witness *p, const struct witness_head *h)
{
	struct witness_head *grown;

	for (size_t i = 0; i < p->nseen; i++) {
		if (id_equal(&p->seen[i].host, &h->host)) {
			if (p->seen[i].time_ns < h->time_ns)
				p->seen[i] = *h;
			return;
		}
	}
	grown = p->nseen < WITNESS_HEADS_MAX ? reallocarray(p->seen, p->nseen + 1, sizeof(*grown)) : NULL;
	if (grown == NULL)
		return;
	p->seen = grown;
	p->seen[p->nseen++] = *h;
}

static const struct witness_head *head_of(const struct witness *p, const struct id *host)
{
	for (size_t i = 0; i < p->state.nheads; i++)
		if (id_equal(&p->state.heads[i].host, host))
			return &p->state.heads[i];
	return NULL;
}

void witness_saw(struct witness *p, const char *host, const struct id *id, int64_t time_ns)
{
	struct witness_head h = { .id = *id, .time_ns = time_ns };
	const struct witness_head *known;

	if (!p->opts.listings)
		return;
	witness_host(p, host, &h.host);
	pthread_mutex_lock(&p->lock);
	known = head_of(p, &h.host);
	if (known == NULL || known->time_ns < time_ns)
		add_seen(p, &h);
	pthread_mutex_unlock(&p->lock);
}

void witness_tell(struct witness *p, const struct id *what)
{
	struct id *grown;

	pthread_mutex_lock(&p->lock);
	grown = reallocarray(p->told, p->ntold + 1, sizeof(*grown));
	if (grown != NULL) {
		p->told = grown;
		p->told[p->ntold++] = *what;
	}
	pthread_mutex_unlock(&p->lock);
}

bool witness_was_told(struct witness *p, const struct id *what)
{
	bool told;

	pthread_mutex_lock(&p->lock);
	told = witness_has_id(p->told, p->ntold, what);
	pthread_mutex_unlock(&p->lock);
	return told;
}

static bool is_head(const struct witness_head *heads, size_t n, const struct id *id)
{
	for (size_t i = 0; i < n; i++)
		if (id_equal(&heads[i].id, id))
			return true;
	return false;
}

void witness_forgotten(struct witness *p, const struct id *id)
{
	bool found = false;
	int fd;

	pthread_mutex_lock(&p->lock);
	if (!is_head(p->state.heads, p->state.nheads, id) && !is_head(p->seen, p->nseen, id)) {
		pthread_mutex_unlock(&p->lock);
		return;
	}
	fd = witness_file_lock((const char *)p->dir.data);
	witness_reread(p);
	witness_enter_seen(p);
	for (size_t i = 0; i < p->state.nheads && !found; i++) {
		found = id_equal(&p->state.heads[i].id, id);
		if (found)
			p->state.heads[i] = p->state.heads[--p->state.nheads];
	}
	if (found)
		witness_write(p);
	if (fd >= 0)
		close(fd);
	pthread_mutex_unlock(&p->lock);
}
