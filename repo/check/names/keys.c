/*
 * Config and keyslots: as far as they can be judged without a key, and the labels with one.
 *
 * A keyslot's bundle authenticates only to whoever has its passphrase or key; that it is what was once put is told by
 * its name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/check_impl.h"

#define KEYS_PREFIX "keys/"

static int any_object(void *arg, const char *name, uint64_t size)
{
	(void)arg;
	(void)name;
	(void)size;
	return 1;
}

/* Without a config it is a repository that has lost it only if there is what nothing else has. */
static int missing_config(struct check *c)
{
	int rc = store_list(c->store, KEYS_PREFIX, any_object, NULL);

	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	finding_add(c, CHECK_CONFIG, "config", "missing");
	return 0;
}

static int read_config(struct check *c, struct config *out)
{
	struct buf raw = BUF_INIT;
	int rc;

	rc = store_get_all(c->store, "config", CONFIG_MAX, &raw);
	if (rc == 0)
		rc = config_decode(raw.data, raw.len, out);
	if (rc == -EBADMSG && store_distrust(c->store, "config", 0, raw.len) == 0) {
		buf_clear(&raw);
		rc = store_get_all(c->store, "config", CONFIG_MAX, &raw);
		if (rc == 0)
			rc = config_decode(raw.data, raw.len, out);
	}
	buf_free(&raw);
	return rc;
}

int check_config(struct check *c)
{
	struct config config;
	int rc = read_config(c, &config);

	if (rc == -ENOENT)
		return missing_config(c);
	if (rc != 0) {
		rc = object_fails(c, CHECK_CONFIG, "config", rc, ERR(rc));
		return rc < 0 ? rc : 0;
	}
	memcpy(c->repo_id, config.repo_id, sizeof(c->repo_id));
	c->has_repo_id = true;
	if (c->r != NULL && config_matches(&config, c->r->secrets) != 0)
		finding_add(c, CHECK_CONFIG, "config", "not the one that the keyslots were made for");
	return 0;
}

/* Can its frame and label be read?  0: nothing is wrong that can be seen. */
static int judge_keyslot(const struct check *c, const struct buf *raw)
{
	struct keyslot_label label;
	enum keyslot_kind kind;
	int rc = keyslot_kind(raw->data, raw->len, &kind);

	if (rc == 0 && c->r != NULL)
		rc = keyslot_read_label(raw->data, raw->len, c->r->config.cipher, c->r->secrets, &label);
	if (rc == 0 && c->r != NULL)
		keyslot_label_destroy(&label);
	return rc;
}

/* Is it that of its name, and as far as can be seen well-formed?  ${*what} is set if not. */
static int read_keyslot(struct check *c, const char *name, const struct id *id, const char **what)
{
	struct buf raw = BUF_INIT;
	int rc;

	rc = store_get_all(c->store, name, KEYSLOT_MAX, &raw);
	if (rc == 0 && !keyslot_has_id(raw.data, raw.len, id) && store_distrust(c->store, name, 0, raw.len) == 0) {
		buf_clear(&raw);
		rc = store_get_all(c->store, name, KEYSLOT_MAX, &raw);
	}
	if (rc == 0 && !keyslot_has_id(raw.data, raw.len, id)) {
		*what = "its bytes do not hash to its name";
		rc = -EBADMSG;
	} else if (rc == 0) {
		rc = judge_keyslot(c, &raw);
	}
	buf_free(&raw);
	return rc;
}

static int look_at_keyslot(void *arg, const char *name, uint64_t size)
{
	struct check *c = arg;
	const char *what = NULL;
	struct id id;
	int rc;

	(void)size;
	if (id_parse(name + strlen(KEYS_PREFIX), &id) < 0) {
		log_debug(&c->log, "%s: not the name of a keyslot, ignored", name);
		return 0;
	}
	rc = read_keyslot(c, name, &id, &what);
	if (rc == -ENOENT) /* removed since it was listed */
		return 0;
	c->out->keyslots++;
	if (rc != 0)
		rc = object_fails(c, CHECK_KEYSLOT, name, rc, what != NULL ? what : ERR(rc));
	return rc < 0 ? rc : 0;
}

int check_keyslots(struct check *c)
{
	int rc = store_list(c->store, KEYS_PREFIX, look_at_keyslot, c);

	if (rc == 0 && c->out->keyslots == 0)
		finding_add(c, CHECK_KEYSLOT, KEYS_PREFIX, "there are no keyslots");
	return rc;
}
