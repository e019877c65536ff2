/*
 * Repositories to be pruned.  See prune_rig.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/check/check.h"
#include "tests/unit/retention/prune_rig.h"

int prune_rig_setup(void **state)
{
	struct pruning *p = calloc(1, sizeof(*p));
	void *g = NULL;

	assert_non_null(p);
	assert_int_equal(rig_setup(&g), 0);
	p->g = g;
	fake_clock_init(&p->clock, 1);
	p->o.clock = &p->clock.clock;
	p->o.no_repack = true;
	p->g->opts.clock = &p->clock.clock;
	*state = p;
	return 0;
}

int prune_rig_teardown(void **state)
{
	struct pruning *p = *state;
	void *g = p->g;
	int rc = rig_teardown(&g);

	free(p);
	return rc;
}

int prune_rig_run(struct pruning *p)
{
	return prune_run(&p->g->repo, &p->o, &p->out);
}

void prune_rig_pass_hours(struct pruning *p, int hours)
{
	fake_clock_pass(&p->clock, hours * FAKE_HOUR);
}

void prune_rig_fill(struct pruning *p)
{
	rig_file("old/a", 1, 300000);
	rig_file("old/b", 2, 5000);
	assert_int_equal(rig_backup(p->g, "old", NULL), 0);
	rig_file("new/a", 3, 200000);
	rig_file("new/b", 4, 7000);
	assert_int_equal(rig_backup(p->g, "new", NULL), 0);
}

void prune_rig_take_oldest(struct pruning *p, char name[SNAPSHOT_NAME_SIZE], struct buf *bytes)
{
	struct catalog *c;

	assert_int_equal(repo_catalog(&p->g->repo, &c), 0);
	snapshot_object_name(&catalog_at(c, 0)->id, name);
	catalog_free(c);
	if (bytes != NULL)
		assert_int_equal(store_get_all(p->g->f.store, name, MANIFEST_MAX, bytes), 0);
	assert_int_equal(store_delete(p->g->f.store, name), 0);
}

void prune_rig_forget_oldest(struct pruning *p)
{
	char name[SNAPSHOT_NAME_SIZE];

	prune_rig_take_oldest(p, name, NULL);
}

static void on_found(void *arg, const struct check_finding *f)
{
	struct pruning *p = arg;

	/* The fixture has none. */
	if (f->kind == CHECK_KEYSLOT)
		return;
	/* Of an affected path it is said after what it is. */
	if (f->path != NULL || f->what == NULL)
		return;
	if (p->findings++ == 0)
		snprintf(p->first, sizeof(p->first), "%s: %s", f->object ? f->object : "?", f->what ? f->what : "?");
}

unsigned prune_rig_findings(struct pruning *p)
{
	const struct check_options o = { .read_data = true, .threads = 1, .found = on_found, .arg = p };
	struct check_result result;

	p->findings = 0;
	assert_int_equal(check_run(&p->g->repo, &o, &result), 0);
	return p->findings;
}

void prune_rig_check(struct pruning *p)
{
	if (prune_rig_findings(p) > 0)
		fail_msg("%s", p->first);
}

unsigned prune_rig_packs(struct pruning *p)
{
	return fixture_count(&p->g->f, "packs/") + fixture_count(&p->g->f, "trees/");
}

void prune_rig_fill_partly(struct pruning *p)
{
	char name[32];

	for (unsigned i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "src/%02u", i);
		rig_file(name, 1000 + i, 400 + i);
	}
	rig_file("src/large", 7, 150000);
	rig_note("src/kept/note", "its page stays");
	rig_file("src/gone", 8, 250000);
	assert_int_equal(rig_backup(p->g, "src", NULL), 0);
	assert_int_equal(unlink("src/gone"), 0);
	for (unsigned i = 0; i < 60; i += 3) {
		snprintf(name, sizeof(name), "src/%02u", i);
		assert_int_equal(unlink(name), 0);
	}
	assert_int_equal(rig_backup(p->g, "src", NULL), 0);
	prune_rig_forget_oldest(p);
}

void prune_rig_fault(struct pruning *p, unsigned ops, const char *prefix, uint64_t skip, int err)
{
	const struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = ops, .prefix = prefix, .skip = skip,
		.err = err };

	store_mem_set_faults(p->g->f.store, &rule, err != 0);
}
