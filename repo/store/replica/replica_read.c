/*
 * Replica: reading from the first store that answers well, and what to make of it if none does.  See store_replica.h.
 */
#include <errno.h>
#include <string.h>

#include "repo/store/replica/replica_impl.h"

enum { TOLD_MISSING = 16, TOLD_DAMAGED, TOLD_LISTING, TOLD_EMPTY, TOLD_UNCERTAIN };

/* What the members said; a bit each. */
struct outcome {
	uint32_t asked, absent, damaged, failed, transient;
	uint32_t empty; /* listed nothing */
	uint32_t held;  /* passed over as they were down */
	int error;      /* the first that is final */
};

static bool has(uint32_t set, unsigned i)
{
	return (set >> i & 1) != 0;
}

/* The lowest member of a set that is not empty. */
static unsigned first(uint32_t set)
{
	return (unsigned)__builtin_ctz(set);
}

static void enter(struct outcome *o, unsigned i, int rc)
{
	uint32_t bit = UINT32_C(1) << i;

	if (rc == 0)
		o->empty |= bit;
	else if (rc == -ENOENT)
		o->absent |= bit;
	else if (rc == -EBADMSG)
		o->damaged |= bit;
	else if (rc == -EAGAIN)
		o->transient |= bit;
	else
		o->failed |= bit;
	if (rc != 0 && rc != -ENOENT && rc != -EAGAIN && o->error == 0)
		o->error = rc;
}

/*
 * Is it the turn of member ${i}?  First of those that are up and trusted; then of those that are not trusted with this
 * object; and of those that are down if nobody answered.
 */
static bool its_turn(struct store_replica *r, const struct ask *a, struct outcome *o, unsigned i, bool last_resort)
{
	bool up;

	if (!replica_usable(r, i) || has(o->asked, i))
		return false;
	if (!last_resort && !a->is_list && health_distrusted(&r->health, i, a->name))
		return false;
	up = health_may_ask(&r->health, i);
	if (!up)
		o->held |= UINT32_C(1) << i;
	return up || (last_resort && (o->absent | o->damaged | o->empty) == 0);
}

/* The first that listed anything is member ${i}, which is not the primary: tell why. */
static void tell_lister(struct store_replica *r, const struct ask *a, const struct outcome *o, unsigned i)
{
	bool empty = o->empty != 0;

	if (told_before(&r->told, empty ? health_hash(a->name) ^ TOLD_EMPTY : TOLD_LISTING << 8))
		return;
	if (empty)
		log_warn(r->base.log, "%s: there are none in %s; listed as in %s, which may have what was deleted",
		    a->name, replica_url(r, first(o->empty)), replica_url(r, i));
	else
		log_warn(r->base.log, "%s: cannot be asked: %s listed as in %s, which may lack the newest",
		    replica_url(r, 0), a->name, replica_url(r, i));
}

/* Tell if the object came from member ${i} only because better ones had it missing or damaged. */
static void tell_source(struct store_replica *r, const struct ask *a, const struct outcome *o, unsigned i)
{
	uint32_t better = (UINT32_C(1) << i) - 1, bad = (o->absent | o->damaged) & better;
	bool missing;

	if (a->is_list && i > 0)
		tell_lister(r, a, o, i);
	if (a->is_list || bad == 0)
		return;
	missing = has(o->absent, first(bad));
	if (!told_before(&r->told, (uint64_t)(missing ? TOLD_MISSING : TOLD_DAMAGED) << 8 | first(bad)))
		log_warn(r->base.log, "%s: %s in %s, read from %s", a->name, missing ? "missing" : "damaged",
		    replica_url(r, first(bad)), replica_url(r, i));
}

/* Some say that the object is absent, and the others cannot be asked: nobody knows. */
static int uncertain(struct store_replica *r, const struct ask *a, const struct outcome *o)
{
	unsigned i;

	for (i = 0; i < r->n; i++)
		if ((has(o->transient, i) || has(o->held, i)) && health_just_gone(&r->health, i))
			return replica_transient(r, i);
	if (o->error != 0)
		return o->error;
	for (i = 0; i < r->n - 1 && has(o->absent, i); i++)
		continue;
	if (!told_before(&r->told, health_hash(a->name) ^ TOLD_UNCERTAIN))
		log_error(r->base.log, "%s: not in %s, and %s cannot be asked", a->name,
		    replica_url(r, first(o->absent)), replica_url(r, i));
	return -EIO;
}

static int conclude(struct store_replica *r, const struct ask *a, const struct outcome *o)
{
	uint32_t all = 0;

	for (unsigned i = 0; i < r->n; i++)
		if (atomic_load(&r->identity[i]) != IDENTITY_OTHER)
			all |= UINT32_C(1) << i;
	/* Most repositories have no revocations; a replica that is down must not keep them from being read. */
	if (o->empty != 0)
		return 0;
	if (all != 0 && (o->absent & all) == all)
		return -ENOENT;
	if (o->absent != 0)
		return uncertain(r, a, o);
	if (o->transient != 0)
		return replica_transient(r, first(o->transient));
	return o->error != 0 ? o->error : -EIO;
}

/* Is a listing to wait for a better member than the next, which has only just gone?  Not if a better one answered. */
static bool worth_waiting(struct store_replica *r, const struct ask *a, const struct outcome *o, unsigned i)
{
	return a->is_list && o->empty == 0 && replica_usable(r, i) && health_just_gone(&r->health, i);
}

int replica_read(struct store_replica *r, struct ask *a)
{
	struct outcome o = { 0 };
	int rc;

	for (unsigned step = 0; step < 2 * r->n; step++) {
		unsigned i = step % r->n;

		if (its_turn(r, a, &o, i, step >= r->n)) {
			o.asked |= UINT32_C(1) << i;
			rc = replica_ask(r, a, i);
			if (a->final || (rc == 0 && (!a->is_list || a->delivered))) {
				tell_source(r, a, &o, i);
				return rc;
			}
			if (rc == -ECANCELED || rc == -ENOMEM)
				return rc;
			if (a->delivered)
				return store_transient(&r->base, 0, "%s %s: %s broke off", a->operation, a->name,
				    replica_url(r, i));
			enter(&o, i, rc);
		}
		if (worth_waiting(r, a, &o, i))
			return replica_transient(r, i);
	}
	return conclude(r, a, &o);
}
