/*
 * Stores of which one is the other's replica.  See replica_rig.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "repo/store/replica/store_replica.h"
#include "tests/unit/store/replica/replica_rig.h"

struct store *replica_rig_mem(struct scratch *s, const char *url, const char *config)
{
	struct store *m = NULL;

	assert_int_equal(store_mem_open(&s->log, &m), 0);
	free(m->url);
	m->url = strdup(url);
	assert_non_null(m->url);
	if (config != NULL)
		assert_int_equal(store_put(m, "config", config, strlen(config), 0), 0);
	return m;
}

void replica_rig_open(struct replica_rig *g, void **state, unsigned deadline_ms)
{
	static const char *const urls[REPLICA_RIG_MEMBERS] = { "mem:first", "mem:second", "mem:third" };
	struct store_options o;

	*g = (struct replica_rig){ .scratch = *state };
	o = (struct store_options){ .deadline_ms = deadline_ms, .log = &g->scratch->log };
	g->scratch->log.max = LOG_LEVEL_WARNING;
	for (int i = 0; i < REPLICA_RIG_MEMBERS; i++) {
		g->mem[i] = replica_rig_mem(g->scratch, urls[i], "config of one");
		assert_int_equal(store_put(g->mem[i], "packs/a", i == 0 ? "1aaa" : i == 1 ? "2aaa" : "3aaa", 4, 0), 0);
	}
	assert_int_equal(store_replica_open(&o, g->mem, REPLICA_RIG_MEMBERS, &g->store), 0);
}

void replica_rig_break(struct store *m, unsigned ops, uint64_t count, int err)
{
	struct store_fault_rule rule = {
		.fault = STORE_FAULT_ERROR, .ops = ops, .prefix = "", .count = count, .err = err,
	};

	store_mem_set_faults(m, &rule, 1);
}

void replica_rig_heal(struct store *m)
{
	store_mem_set_faults(m, NULL, 0);
}

void replica_rig_sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

char replica_rig_source(struct replica_rig *g)
{
	char c;

	return store_get(g->store, "packs/a", 0, 1, &c) == 0 ? c : '\0';
}
