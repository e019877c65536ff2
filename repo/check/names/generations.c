/*
 * Generations of the secrets: each is what its name says, and, where there is a key to see that with, the owner's, and
 * what it has for this key opens.
 */
#include <errno.h>
#include <string.h>

#include "repo/check/check_impl.h"
#include "repo/check/names/names.h"
#include "repo/crypt/keys/generation.h"

/* ${*what} is set if there is more to say than the error. */
static int judge(const struct check *c, const struct id *id, const struct buf *raw, const char **what)
{
	struct generation_secrets secrets;
	struct generation g;
	int rc = generation_open(raw->data, raw->len, c->r->secrets, &g);

	if (rc == -EKEYREJECTED)
		*what = "not made by the owner";
	if (rc != 0)
		return rc;
	rc = generation_secrets(&g, c->r->secrets, id, &secrets);
	crypt_wipe(&secrets, sizeof(secrets));
	if (rc == -EBADMSG)
		*what = "what it has for this key does not open";
	return rc == -ENOENT ? 0 : rc;
}

static int read_generation(struct check *c, const char *name, const struct id *id, const char **what)
{
	struct buf raw = BUF_INIT;
	int rc = name_verify(c->store, name, id->b, ID_LEN);

	if (rc == -EBADMSG)
		*what = "its bytes do not hash to its name";
	if (rc == 0)
		rc = store_get_all(c->store, name, GENERATION_MAX, &raw);
	if (rc == 0 && c->r != NULL)
		rc = judge(c, id, &raw, what);
	buf_free(&raw);
	return rc;
}

static int look_at_generation(void *arg, const char *name, uint64_t size)
{
	struct check *c = arg;
	const char *what = NULL;
	struct id id;
	int rc;

	(void)size;
	if (id_parse(name + strlen(GENERATIONS_PREFIX), &id) < 0)
		return 0;
	rc = read_generation(c, name, &id, &what);
	if (rc != 0 && rc != -ENOENT)
		rc = object_fails(c, CHECK_GENERATION, name, rc, what != NULL ? what : ERR(rc));
	return rc < 0 && rc != -ENOENT ? rc : 0;
}

int check_generations(struct check *c)
{
	return store_list_names(c->store, GENERATIONS_PREFIX, look_at_generation, c);
}
