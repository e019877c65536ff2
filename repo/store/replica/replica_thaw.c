/*
 * Replica: archives.  See store_replica.h.
 *
 * What is archived in one member is read from another that has it readable, so nothing has to be thawed then.
 */
#include <errno.h>

#include "repo/store/replica/replica_impl.h"

static int ask_state(struct store *member, struct ask *a)
{
	int rc = store_thaw_state(member, a->name, a->state);
	uint64_t size;

	/* One without archives says of anything that it is readable. */
	return rc == 0 && member->ops->thaw_state == NULL ? store_stat(member, a->name, &size) : rc;
}

static int ask_thaw(struct store *member, struct ask *a)
{
	return store_thaw(member, a->name, a->days);
}

static unsigned remoteness(enum store_class class)
{
	return class == STORE_READABLE ? 0 : class == STORE_THAWING ? 1 : 2;
}

/*
 * Who will have the object first?  In ${*who}, and how it is there in ${*best}.  Return 0; -EAGAIN if nobody who may be
 * asked has it; -ECANCELED, -ENOMEM.
 */
static int survey(struct store_replica *r, const char *name, unsigned *who, enum store_class *best)
{
	enum store_class class = STORE_READABLE;
	struct ask a = { .fn = ask_state, .operation = "thaw", .name = name, .state = &class };
	bool found = false;
	int rc;

	for (unsigned i = 0; i < r->n && !(found && *best == STORE_READABLE); i++) {
		if (!replica_usable(r, i) || health_distrusted(&r->health, i, name) || !health_may_ask(&r->health, i))
			continue;
		rc = replica_ask(r, &a, i);
		if (rc == -ECANCELED || rc == -ENOMEM)
			return rc;
		if (rc < 0 || (found && remoteness(class) >= remoteness(*best)))
			continue;
		found = true;
		*best = class;
		*who = i;
	}
	return found ? 0 : -EAGAIN;
}

int replica_thaw_state(struct store *s, const char *name, enum store_class *out)
{
	struct store_replica *r = (struct store_replica *)s;
	enum store_class best = STORE_READABLE;
	struct ask a = { .fn = ask_state, .operation = "thaw", .name = name, .state = out };
	unsigned who = 0;
	int rc;

	rc = survey(r, name, &who, &best);
	if (rc == 0)
		*out = best;
	/* What to make of it if nobody has it is known there. */
	return rc == -EAGAIN ? replica_read(r, &a) : rc;
}

static bool has_archives(const struct store_replica *r)
{
	for (unsigned i = 0; i < r->n; i++) {
		if (r->member[i] != NULL && r->member[i]->ops->thaw != NULL)
			return true;
	}
	return false;
}

int replica_thaw(struct store *s, const char *name, unsigned days)
{
	struct store_replica *r = (struct store_replica *)s;
	enum store_class best = STORE_READABLE;
	struct ask state = { .fn = ask_state, .operation = "thaw", .name = name, .state = &best };
	struct ask thaw = { .fn = ask_thaw, .operation = "thaw", .name = name, .days = days };
	unsigned who = 0;
	int rc;

	if (!has_archives(r))
		return -ENOTSUP;
	rc = survey(r, name, &who, &best);
	if (rc == -EAGAIN)
		return replica_read(r, &state);
	if (rc < 0 || best != STORE_ARCHIVED)
		return rc;
	rc = replica_ask(r, &thaw, who);
	return rc == -EAGAIN ? replica_transient(r, who) : rc;
}
