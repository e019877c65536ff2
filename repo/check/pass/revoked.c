/*
 * Revocations: each is what its name says, and, where there is a key to see that with, the owner's.
 */
#include <errno.h>
#include <string.h>

#include "repo/check/check_impl.h"

static int look_at_revocation(void *arg, const char *name, uint64_t size)
{
	struct check *c = arg;
	struct revocation v = { .name = NULL };
	struct buf raw = BUF_INIT;
	struct id id, hash;
	int rc;

	(void)size;
	if (id_parse(name + strlen(REVOKED_PREFIX), &id) < 0)
		return 0;
	rc = store_get_all(c->store, name, REVOCATION_MAX, &raw);
	crypt_hash(raw.data, raw.len, &hash);
	if (rc == 0 && !id_equal(&hash, &id))
		finding_add(c, CHECK_REVOCATION, name, "its bytes do not hash to its name");
	else if (rc == 0 && c->r != NULL)
		rc = revocation_open(raw.data, raw.len, c->r->secrets, c->r->metadata, &v);
	if (rc == -EKEYREJECTED)
		finding_add(c, CHECK_REVOCATION, name, "not made by the owner");
	else if (rc != 0 && rc != -ENOMEM && rc != -ENOENT)
		finding_add(c, CHECK_REVOCATION, name, "%s", ERR(rc));
	revocation_destroy(&v);
	buf_free(&raw);
	return rc == -ENOMEM ? rc : 0;
}

int check_revocations(struct check *c)
{
	return store_list_names(c->store, REVOKED_PREFIX, look_at_revocation, c);
}
