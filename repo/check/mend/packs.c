/*
 * Damaged packs: a check finds them; then copies are looked for; then what can be read of the rest is salvaged, and no
 * run names them any more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/mend/mend.h"
#include "repo/check/names/names.h"
#include "repo/check/names/runs.h"
#include "repo/index/sweep.h"

struct packs_mend {
	struct mend m;
	struct repo *r;
	struct journal *journal;
	struct pack_names known;   /* in quarantine, remembered or named: still damaged */
	struct check c;
	struct check_result found;
	struct salvage_pack *bad;  /* no copy has them */
	size_t nbad;
	bool renamed;              /* a pack was put back that no run names */
};

/* --- What is known before any check ------------------------------------------------------------------------------- */

static void mark_sound(struct packs_mend *p, enum pack_kind kind, const struct id *id)
{
	journal_mark(p->journal, &(struct journal_pack){ .id = *id, .kind = kind }, false);
}

/* It is good again where it belongs. */
static int leave_quarantine(struct packs_mend *p, const struct journal_pack *what)
{
	char name[QUARANTINE_NAME_SIZE];

	mark_sound(p, what->kind, &what->id);
	return p->m.o->dry_run ? 0 : store_delete(p->m.store, quarantine_name(what->kind, &what->id, name));
}

/* Look at one; what is ${wanted} is fetched if it is missing, too.  Return 0, or an error that ends the repair. */
static int look_at_known(struct packs_mend *p, const struct journal_pack *what, bool wanted)
{
	char name[PACK_NAME_SIZE];
	int rc = name_verify(p->m.store, pack_name(what->kind, &what->id, name), what->id.b, ID_LEN), got;

	if (rc == 0)
		return wanted ? leave_quarantine(p, what) : 0;
	if (rc != -EBADMSG && rc != -ENOENT && store_failed(&p->c, rc))
		return rc;
	if (rc == -ENOENT && !wanted) {
		mark_sound(p, what->kind, &what->id);
		return 0;
	}
	got = mend_fetch_pack(&p->m, what->kind, &what->id);
	if (got == 1)
		return leave_quarantine(p, what);
	if (got == 0 && rc != -ENOENT)
		got = pack_names_add(&p->known, what->kind, &what->id);
	return got;
}

static int look_at_all(struct packs_mend *p, const struct pack_names *l, bool wanted)
{
	int rc = 0;

	for (size_t i = 0; i < l->n && rc == 0; i++)
		rc = mend_cancelled(&p->m) ? -EINTR : look_at_known(p, &l->pack[i], wanted);
	return rc;
}

static int look_at_remembered(struct packs_mend *p)
{
	struct pack_names wanted = { NULL, 0 }, remembered = { NULL, 0 };
	const struct journal_pack *damaged;
	enum pack_kind kind;
	struct id id;
	size_t n;
	int rc = quarantine_list(p->m.store, &wanted);

	for (size_t i = 0; i < p->m.o->nobjects && rc == 0; i++)
		if (pack_name_parse(p->m.o->objects[i], &kind, &id) == 0)
			rc = pack_names_add(&wanted, kind, &id);
	damaged = journal_damaged(p->journal, &n);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = pack_names_add(&remembered, damaged[i].kind, &damaged[i].id);
	if (rc == 0)
		rc = look_at_all(p, &wanted, true);
	if (rc == 0)
		rc = look_at_all(p, &remembered, false);
	free(wanted.pack);
	free(remembered.pack);
	return rc;
}

/* --- Index runs --------------------------------------------------------------------------------------------------- */

/* Copies of damaged runs save the work of reading tables. */
static int fetch_runs(struct packs_mend *p)
{
	char name[RUN_NAME_SIZE];
	struct id *ids = NULL;
	size_t n = 0;
	int rc = p->m.o->nfrom > 0 ? runs_list(p->m.store, &ids, &n) : 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = run_verify_hash(p->m.store, &ids[i]);
		if (rc == -EBADMSG)
			rc = mend_fetch(&p->m, run_name(&ids[i], name), ids[i].b, ID_LEN);
		rc = rc == 1 || rc == -ENOENT ? 0 : rc;
	}
	free(ids);
	return rc;
}

static int rebuild(struct packs_mend *p, bool all)
{
	struct repair_result index = { .runs = 0 }, *out = p->m.out;
	int rc = p->m.o->dry_run ? 0 : repair_index(p->r, all, &index);

	out->runs += index.runs;
	out->objects += index.objects;
	out->runs_removed += index.runs_removed;
	out->unreadable = index.unreadable;
	return rc;
}

/* --- Finding and fetching ----------------------------------------------------------------------------------------- */

static void ignore(void *arg, const struct check_finding *f)
{
	(void)arg;
	(void)f;
}

static int find_damage(struct packs_mend *p)
{
	int rc = check_steps(&p->c);

	if (rc == 0)
		p->m.out->unnamed = p->found.unreferenced_packs;
	if (rc == 0 && p->found.unreachable > 0) {
		log_error(p->m.log, "not everything could be had from the repository: nothing is given up");
		rc = -EHOSTUNREACH;
	}
	return rc;
}

/* Objects are in no run: a run is missing, and others name the rest of a pack.  If that was so, look once more. */
static int find_unnamed(struct packs_mend *p)
{
	const struct check_options *o = p->c.o;
	uint64_t before = p->m.out->runs;
	int rc;

	if (p->c.unindexed[PACK_DATA].n + p->c.unindexed[PACK_TREE].n == 0)
		return 0;
	rc = rebuild(p, true);
	if (rc != 0 || p->m.out->runs == before)
		return rc;
	check_end(&p->c);
	check_begin(&p->c, p->r, p->r->store, o, &p->found);
	return find_damage(p);
}

static bool is_known(const struct packs_mend *p, const struct check_pack *pack)
{
	for (size_t i = 0; i < p->known.n; i++)
		if (p->known.pack[i].kind == (enum pack_kind)pack->kind && id_equal(&p->known.pack[i].id, &pack->id))
			return true;
	return false;
}

/* A pack that is missing, or not as it should be: is there a copy? */
static int mend_pack(struct packs_mend *p, struct check_pack *pack)
{
	char name[PACK_NAME_SIZE];
	int rc = -ENOENT, got = 0;

	pack_name(pack->kind, &pack->id, name);
	if (pack->state != PACK_MISSING)
		rc = name_verify(p->m.store, name, pack->id.b, ID_LEN);
	if (rc != 0 && rc != -ENOENT && store_failed(&p->c, rc))
		return rc;
	if (rc != 0)
		got = mend_fetch_pack(&p->m, pack->kind, &pack->id);
	if (got < 0)
		return got;
	if (got == 1) {
		mark_sound(p, pack->kind, &pack->id);
		p->renamed = p->renamed || pack->number == NO_NUMBER;
	} else if (p->m.unasked) {
		mend_leave(&p->m, name, "a copy could not be asked for it");
	} else if (pack->kind == PACK_DATA && (!p->r->data->can_open || p->r->object_id == NULL)) {
		mend_leave(&p->m, name, "only an owner's or a reader's key can read what is left of it");
	} else {
		p->bad[p->nbad++] = (struct salvage_pack){ .pack = pack };
	}
	return 0;
}

static int mend_packs(struct packs_mend *p)
{
	struct check *c = &p->c;
	int rc = 0;

	p->bad = calloc(c->npacks + 1, sizeof(*p->bad));
	if (p->bad == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < c->npacks && rc == 0; i++) {
		if (c->packs[i].finding != 0 || is_known(p, &c->packs[i]))
			rc = mend_cancelled(&p->m) ? -EINTR : mend_pack(p, &c->packs[i]);
	}
	return rc;
}

/* --- Giving up ---------------------------------------------------------------------------------------------------- */

/* Every object of these packs may go: what could be read of them is elsewhere by now. */
static int nothing_lives(void *arg, const struct id *id)
{
	(void)arg;
	(void)id;
	return 0;
}

/* No run names them any more. */
static int forget(struct packs_mend *p)
{
	struct index_sweep how = { .is_live = nothing_lives };
	struct index_swept swept;
	struct numset dead;
	int rc = 0;

	numset_init(&dead);
	for (size_t i = 0; i < p->nbad && rc >= 0; i++)
		rc = numset_add(&dead, p->bad[i].pack->number);
	how.dead = &dead;
	if (rc >= 0)
		rc = index_sweep_runs(p->c.index, &how, &swept);
	numset_destroy(&dead);
	return rc;
}

static void tell_salvaged(struct packs_mend *p, const struct salvage_pack *s)
{
	char name[PACK_NAME_SIZE];
	struct repair_event e = {
		.action = REPAIR_SALVAGED,
		.object = pack_name(s->pack->kind, &s->pack->id, name),
		.objects = s->salvaged,
		.lost = s->lost,
	};

	p->m.out->salvaged += s->salvaged;
	p->m.out->lost += s->lost;
	p->m.out->packs_removed++;
	mend_tell(&p->m, &e);
}

static int quarantine(struct packs_mend *p, const struct salvage_pack *s)
{
	if (s->pack->state == PACK_MISSING || p->m.o->dry_run)
		return 0;
	return quarantine_pack(p->m.store, s->pack->kind, &s->pack->id);
}

static int remove_pack(struct packs_mend *p, const struct salvage_pack *s)
{
	const struct check_pack *pack = s->pack;
	char name[PACK_NAME_SIZE];
	int rc = 0;

	if (pack->state != PACK_MISSING && !p->m.o->dry_run)
		rc = store_delete(p->m.store, pack_name(pack->kind, &pack->id, name));
	if (rc == 0) {
		mark_sound(p, pack->kind, &pack->id);
		tell_salvaged(p, s);
	}
	return rc;
}

static bool is_unnamed(const struct salvage_pack *s)
{
	return s->pack != NULL && s->pack->number == NO_NUMBER;
}

/* Those that no run names.  Then there may be no table left that cannot be read, and no damaged run that is needed. */
static int give_up_unnamed(struct packs_mend *p)
{
	size_t kept = 0;
	int rc = 0;

	for (size_t i = 0; i < p->nbad && rc == 0; i++) {
		if (!is_unnamed(&p->bad[i])) {
			p->bad[kept++] = p->bad[i];
			continue;
		}
		rc = quarantine(p, &p->bad[i]);
		if (rc == 0)
			rc = remove_pack(p, &p->bad[i]);
	}
	if (rc == 0 && kept < p->nbad && p->m.out->unreadable > 0)
		rc = rebuild(p, false);
	p->nbad = kept;
	return rc;
}

static int give_up(struct packs_mend *p)
{
	int rc = give_up_unnamed(p);

	if (rc != 0 || p->nbad == 0)
		return rc;
	rc = salvage(&p->c, p->bad, p->nbad, p->m.o->dry_run);
	for (size_t i = 0; i < p->nbad && rc == 0; i++)
		rc = quarantine(p, &p->bad[i]);
	if (rc == 0 && !p->m.o->dry_run)
		rc = forget(p);
	for (size_t i = 0; i < p->nbad && rc == 0; i++)
		rc = remove_pack(p, &p->bad[i]);
	return rc;
}

/* --- All of it ---------------------------------------------------------------------------------------------------- */

static int run_steps(struct packs_mend *p)
{
	int rc = fetch_runs(p);

	if (rc == 0)
		rc = look_at_remembered(p);
	if (rc == 0)
		rc = rebuild(p, false);
	if (rc == 0)
		rc = find_damage(p);
	if (rc == 0)
		rc = find_unnamed(p);
	if (rc == 0)
		rc = mend_packs(p);
	if (rc == 0)
		rc = give_up(p);
	if (rc == 0 && p->renamed)
		rc = rebuild(p, false);
	return rc;
}

int repair_run(struct repo *r, const struct repair_options *o, struct repair_result *out)
{
	struct packs_mend p = { .m = { .o = o, .out = out, .store = r->store, .log = r->log }, .r = r };
	struct check_options co = o->check;
	int rc;

	if (!r->metadata->can_open || !r->metadata->can_seal) {
		log_error(r->log, "this key cannot write to the repository");
		return -EACCES;
	}
	co.found = ignore;
	co.snapshot = NULL;
	co.untraced = true;
	check_begin(&p.c, r, r->store, &co, &p.found);
	rc = journal_open(o->check.cache_dir, r->config.repo_id, r->log, &p.journal);
	if (rc == 0)
		rc = run_steps(&p);
	if (p.journal != NULL && !o->dry_run)
		journal_save_damaged(p.journal);
	journal_free(p.journal);
	check_end(&p.c);
	free(p.bad);
	free(p.known.pack);
	return rc == -ECANCELED ? -EINTR : rc;
}
