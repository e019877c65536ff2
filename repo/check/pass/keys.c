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

int check_config(struct check *c)
{
	struct buf raw = BUF_INIT;
	struct config config;
	int rc;

	rc = store_get_all(c->store, "config", CONFIG_MAX, &raw);
	if (rc == -ENOENT)
		return missing_config(c);
	if (rc == 0)
		rc = config_decode(raw.data, raw.len, &config);
	if (rc == 0 && c->r != NULL && config_matches(&config, c->r->secrets) != 0)
		finding_add(c, CHECK_CONFIG, "config", "not the one that the keyslots were made for");
	else if (rc != 0 && rc != -ENOMEM)
		finding_add(c, CHECK_CONFIG, "config", "%s", ERR(rc));
	buf_free(&raw);
	return rc == -ENOMEM ? rc : 0;
}

/* Can its frame and label be read?  0: nothing is wrong that can be seen. */
static int judge_keyslot(const struct check *c, const struct buf *raw)
{
	struct keyslot_label label;
	enum keyslot_kind kind;
	int rc = keyslot_kind(raw->data, raw->len, &kind);

	if (rc == 0 && c->r != NULL)
		rc = keyslot_label(raw->data, raw->len, c->r->config.cipher, &c->r->config.metadata,
		    &c->r->secrets->metadata, &label);
	return rc;
}

static int look_at_keyslot(void *arg, const char *name, uint64_t size)
{
	struct check *c = arg;
	struct buf raw = BUF_INIT;
	struct id id;
	bool named;
	int rc;

	(void)size;
	if (id_parse(name + strlen(KEYS_PREFIX), &id) < 0) {
		log_debug(&c->log, "%s: not the name of a keyslot, ignored", name);
		return 0;
	}
	rc = store_get_all(c->store, name, KEYSLOT_MAX, &raw);
	named = rc != 0 || keyslot_has_id(raw.data, raw.len, &id);
	if (rc == 0 && named)
		rc = judge_keyslot(c, &raw);
	buf_free(&raw);
	if (rc == -ENOENT) /* removed since it was listed */
		return 0;
	c->out->keyslots++;
	if (!named)
		finding_add(c, CHECK_KEYSLOT, name, "its bytes do not hash to its name");
	else if (rc != 0 && rc != -ENOMEM)
		finding_add(c, CHECK_KEYSLOT, name, "%s", ERR(rc));
	return rc == -ENOMEM ? rc : 0;
}

int check_keyslots(struct check *c)
{
	int rc = store_list(c->store, KEYS_PREFIX, look_at_keyslot, c);

	if (rc == 0 && c->out->keyslots == 0)
		finding_add(c, CHECK_KEYSLOT, KEYS_PREFIX, "there are no keyslots");
	return rc;
}
