/*
 * Revocations: each is what its name says, and, where there is a key to see that with, the owner's.
 */
#include <errno.h>
#include <string.h>

#include "repo/check/check_impl.h"
#include "repo/check/names/names.h"

/* Is it the owner's, and that of its name?  ${*what} is set if there is more to say than the error. */
static int read_revocation(struct check *c, const char *name, const struct id *id, const char **what)
{
	struct revocation v = { .name = NULL };
	struct buf raw = BUF_INIT;
	int rc = name_verify(c->store, name, id->b, ID_LEN);

	if (rc == -EBADMSG)
		*what = "its bytes do not hash to its name";
	if (rc == 0)
		rc = store_get_all(c->store, name, REVOCATION_MAX, &raw);
	if (rc == 0 && c->r != NULL)
		rc = revocation_open(raw.data, raw.len, c->r->secrets, c->r->metadata, &v);
	if (rc == -EKEYREJECTED)
		*what = "not made by the owner";
	revocation_destroy(&v);
	buf_free(&raw);
	return rc;
}

static int look_at_revocation(void *arg, const char *name, uint64_t size)
{
	struct check *c = arg;
	const char *what = NULL;
	struct id id;
	int rc;

	(void)size;
	if (id_parse(name + strlen(REVOKED_PREFIX), &id) < 0)
		return 0;
	rc = read_revocation(c, name, &id, &what);
	if (rc != 0 && rc != -ENOENT)
		rc = object_fails(c, CHECK_REVOCATION, name, rc, what != NULL ? what : ERR(rc));
	return rc < 0 && rc != -ENOENT ? rc : 0;
}

int check_revocations(struct check *c)
{
	return store_list_names(c->store, REVOKED_PREFIX, look_at_revocation, c);
}
