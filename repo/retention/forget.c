/*
 * Forget.  See forget.h.
 */
#include "repo/retention/forget.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REFUSED_MAX 3 /* refusals after which nothing more is tried, if nothing went well before */

int forget_group_parse(const char *text, unsigned *out)
{
	static const char *const names[] = { "host", "paths", "tags" };
	unsigned group = 0, i;
	size_t len;

	while (*text != '\0') {
		len = strcspn(text, ",");
		for (i = 0; i < 3; i++)
			if (strlen(names[i]) == len && strncmp(text, names[i], len) == 0)
				break;
		if (i == 3)
			return -EINVAL;
		group |= 1u << i;
		text += len;
		if (*text == ',' && *++text == '\0')
			return -EINVAL;
	}
	*out = group;
	return 0;
}

static void free_list(char **list, uint32_t n)
{
	while (n > 0)
		free(list[--n]);
	free(list);
}

void forget_plan_destroy(struct forget_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		free(plan->item[i].host);
		free_list(plan->item[i].paths, plan->item[i].npaths);
		free_list(plan->item[i].tags, plan->item[i].ntags);
	}
	free(plan->item);
	*plan = (struct forget_plan){ .item = NULL };
}

static int compare_texts(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* Take the strings out of the manifest; lists in one order, so that they can be compared. */
static void take_strings(struct forget_snapshot *s, struct manifest *m)
{
	s->host = m->host;
	s->paths = m->paths;
	s->npaths = m->npaths;
	s->tags = m->tags;
	s->ntags = m->ntags;
	m->host = NULL;
	m->paths = m->tags = NULL;
	m->npaths = m->ntags = 0;
	if (s->npaths > 1)
		qsort(s->paths, s->npaths, sizeof(char *), compare_texts);
	if (s->ntags > 1)
		qsort(s->tags, s->ntags, sizeof(char *), compare_texts);
}

static int append(struct forget_plan *plan, const struct id *id, int64_t time_ns, struct manifest *m)
{
	struct forget_snapshot *grown;

	if (plan->n == plan->cap) {
		size_t cap = plan->cap ? 2 * plan->cap : 64;

		grown = realloc(plan->item, cap * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		plan->item = grown;
		plan->cap = cap;
	}
	grown = &plan->item[plan->n++];
	*grown = (struct forget_snapshot){ .id = *id, .time_ns = time_ns };
	if (m != NULL)
		take_strings(grown, m);
	return 0;
}

int forget_plan_add(struct forget_plan *plan, const struct id *id, int64_t time_ns, struct manifest *m)
{
	for (size_t i = 0; i < plan->n; i++)
		if (id_equal(&plan->item[i].id, id))
			return 0;
	return append(plan, id, time_ns, m);
}

static int compare_lists(char *const *a, uint32_t na, char *const *b, uint32_t nb)
{
	int order = 0;

	for (uint32_t i = 0; order == 0 && i < na && i < nb; i++)
		order = strcmp(a[i], b[i]);
	return order != 0 ? order : na < nb ? -1 : na > nb;
}

static int compare_series(const struct forget_snapshot *a, const struct forget_snapshot *b, unsigned group_by)
{
	int order = 0;

	if (group_by & GROUP_HOST)
		order = strcmp(a->host, b->host);
	if (order == 0 && group_by & GROUP_PATHS)
		order = compare_lists(a->paths, a->npaths, b->paths, b->npaths);
	if (order == 0 && group_by & GROUP_TAGS)
		order = compare_lists(a->tags, a->ntags, b->tags, b->ntags);
	return order;
}

/* By series, then newest first. */
static int compare_items(const void *a, const void *b, void *arg)
{
	const struct forget_snapshot *x = a, *y = b;
	int order = compare_series(x, y, *(const unsigned *)arg);

	if (order != 0)
		return order;
	if (x->time_ns != y->time_ns)
		return x->time_ns > y->time_ns ? -1 : 1;
	return -id_compare(&x->id, &y->id);
}

/* One snapshot, if it matches; one that cannot be read (it was logged) is left alone. */
static int collect_one(const struct catalog *c, size_t i, const struct snapshot_filter *filter,
    struct forget_plan *plan)
{
	const struct snapshot *s = catalog_at(c, i);
	struct manifest m;
	int rc = catalog_matches(c, i, filter);

	if (rc == 0)
		return 0;
	if (rc > 0)
		rc = catalog_manifest(c, i, &m);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0) {
		plan->unreadable++;
		return 0;
	}
	rc = append(plan, &s->id, s->time_ns, &m);
	manifest_destroy(&m);
	return rc;
}

static int collect(const struct catalog *c, const struct snapshot_filter *filter, struct forget_plan *plan)
{
	int rc = 0;

	for (size_t i = 0; i < catalog_count(c) && rc == 0; i++)
		rc = collect_one(c, i, filter, plan);
	return rc;
}

/* Judge ${n} snapshots of one series.  Return how many are kept, or -ENOMEM. */
static ssize_t judge(struct forget_snapshot *s, size_t n, const struct keep_policy *policy)
{
	struct keep_item *items = calloc(n, sizeof(*items));
	size_t kept;

	if (items == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		items[i] = (struct keep_item){ .time_ns = s[i].time_ns, .tags = s[i].tags, .ntags = s[i].ntags };
	kept = keep_apply(policy, items, n);
	for (size_t i = 0; i < n; i++)
		s[i].reasons = items[i].reasons;
	free(items);
	return (ssize_t)kept;
}

static int refuse_series(const struct forget_snapshot *s, size_t n, const struct log *log)
{
	log_error(log, "nothing is forgotten: the policy would keep none of %zu snapshots of %s%s%s", n, s->host,
	    s->npaths > 0 ? ":" : "", s->npaths > 0 ? s->paths[0] : "");
	return -EPERM;
}

static int judge_all(struct forget_plan *plan, unsigned group_by, const struct keep_policy *policy,
    const struct log *log)
{
	size_t n;
	ssize_t kept;

	for (size_t i = 0; i < plan->n; i += n) {
		for (n = 1; i + n < plan->n && compare_series(&plan->item[i], &plan->item[i + n], group_by) == 0;)
			n++;
		kept = judge(&plan->item[i], n, policy);
		if (kept < 0)
			return (int)kept;
		if (kept == 0)
			return refuse_series(&plan->item[i], n, log);
		for (size_t k = 0; k < n; k++)
			plan->item[i + k].group = plan->ngroups;
		plan->ngroups++;
		plan->kept += (size_t)kept;
	}
	return 0;
}

int forget_plan_policy(const struct catalog *c, const struct snapshot_filter *filter, unsigned group_by,
    const struct keep_policy *policy, const struct log *log, struct forget_plan *out)
{
	struct forget_plan plan = { .item = NULL };
	int rc = collect(c, filter, &plan);

	if (rc == 0 && plan.n > 0)
		qsort_r(plan.item, plan.n, sizeof(*plan.item), compare_items, &group_by);
	if (rc == 0)
		rc = judge_all(&plan, group_by, policy, log);
	if (rc == 0)
		*out = plan;
	else
		forget_plan_destroy(&plan);
	return rc;
}

static int compare_ages(const void *a, const void *b)
{
	const struct forget_snapshot *const *x = a, *const *y = b;

	return (*x)->time_ns < (*y)->time_ns ? -1 : (*x)->time_ns > (*y)->time_ns;
}

static int delete_all(struct repo *r, struct forget_snapshot **old, size_t n, const atomic_int *cancel,
    struct forget_result *out)
{
	char name[SNAPSHOT_NAME_SIZE];
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		if (cancel != NULL && *cancel != 0)
			return -EINTR;
		if (out->refused >= REFUSED_MAX && out->forgotten == 0) {
			old[i]->refused = true;
			out->refused++;
			continue;
		}
		snapshot_object_name(&old[i]->id, name);
		rc = store_delete(r->store, name);
		if (rc == 0) {
			index_drop(r->index, name);
			if (r->witness != NULL)
				witness_forgotten(r->witness, &old[i]->id);
			out->forgotten++;
		} else if (rc == -EACCES || rc == -EPERM || rc == -EROFS) {
			old[i]->refused = true;
			out->refused++;
		} else {
			return rc;
		}
	}
	return 0;
}

int forget_run(struct repo *r, struct forget_plan *plan, const atomic_int *cancel, struct forget_result *out)
{
	struct forget_snapshot **old = calloc(plan->n + 1, sizeof(struct forget_snapshot *));
	size_t n = 0;
	int rc;

	*out = (struct forget_result){ .forgotten = 0 };
	if (old == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n; i++)
		if (plan->item[i].reasons == 0)
			old[n++] = &plan->item[i];
	if (n > 1)
		qsort(old, n, sizeof(struct forget_snapshot *), compare_ages);
	rc = delete_all(r, old, n, cancel, out);
	if (rc == 0 && out->refused > 0) {
		log_error(r->log, "%s: the store does not let us delete: %zu of %zu snapshots stay",
		    store_url(r->store), out->refused, n);
		rc = -EACCES;
	}
	free(old);
	return rc;
}
