/*
 * varve forget
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/retention/forget.h"
#include "repo/util/text/when.h"
#include "tools/commands/commands.h"
#include "tools/print/json.h"

const char forget_details[] =
    "Deletes the snapshots that are named, or, with a policy, those that no rule of it keeps.  Rules look at each\n"
    "series of snapshots (--group-by) by itself, from the newest one back: --keep-daily 7 keeps the newest of each of\n"
    "the last 7 days that have any.  A snapshot stays if any rule keeps it.  A policy that would keep nothing of a\n"
    "series is refused.  Only the snapshots go; \"varve prune\" frees what they alone referred to.";

const struct cli_option forget_options[] = {
	{ "keep-last", 'l', "N", "keep the newest N (or \"all\", as with the others)" },
	{ "keep-hourly", 0, "N", "the newest of each of N hours" },
	{ "keep-daily", 'd', "N", "the newest of each of N days" },
	{ "keep-weekly", 'w', "N", "the newest of each of N weeks" },
	{ "keep-monthly", 'm', "N", "the newest of each of N months" },
	{ "keep-yearly", 'y', "N", "the newest of each of N years" },
	{ "keep-within", 0, "D", "all that are not older, than the newest, by D: 2y5m3w7d12h" },
	{ "keep-within-hourly", 0, "D", "of those, the newest of each hour" },
	{ "keep-within-daily", 0, "D", "of those, the newest of each day" },
	{ "keep-within-weekly", 0, "D", "of those, the newest of each week" },
	{ "keep-within-monthly", 0, "D", "of those, the newest of each month" },
	{ "keep-within-yearly", 0, "D", "of those, the newest of each year" },
	{ "keep-tag", 0, "TAG", "those with this tag; may be repeated" },
	{ "keep-min", 0, "N", "the newest N, if the other rules keep fewer" },
	{ "group-by", 'g', "LIST", "what makes a series: any of host,paths,tags (host,paths)" },
	{ "host", 'H', "NAME", "only snapshots of this host" },
	{ "tag", 't', "TAG", "only with this tag" },
	{ "path", 0, "PATH", "only with this source path" },
	{ "prune", 0, NULL, "and then free what is not needed, as \"varve prune\" does" },
	{ "dry-run", 'n', NULL, "only say what would go and why the others stay" },
	{ NULL, 0, NULL, NULL },
};

struct forget_args {
	struct cli *cli;
	struct snapshot_filter filter;
	struct keep_policy policy;
	const char **tags; /* of the policy; owned */
	unsigned group_by;
	bool dry_run, prune;
};

static int add_tag(struct forget_args *a, const char *value)
{
	const char **grown = reallocarray(a->tags, a->policy.ntags + 1, sizeof(*grown));

	if (grown == NULL)
		return cli_usage(a->cli, "%s", strerror(ENOMEM));
	a->tags = grown;
	a->tags[a->policy.ntags++] = value;
	a->policy.tags = a->tags;
	return 0;
}

/* "--keep-NAME": the rest of the name is that of a reason. */
static int take_rule(struct forget_args *a, const char *rule, const char *value)
{
	struct keep_policy *p = &a->policy;
	uint32_t *count = NULL;

	if (strcmp(rule, "tag") == 0)
		return add_tag(a, value);
	if (strcmp(rule, "min") == 0)
		count = &p->min;
	for (int i = 0; i < KEEP_PERIODS; i++) {
		if (strcmp(rule, keep_reason_name(KEPT(i))) == 0)
			count = &p->count[i];
		if (strcmp(rule, keep_reason_name(KEPT_WITHIN(i))) != 0)
			continue;
		if (keep_span_parse(value, &p->within[i]) == 0)
			return 0;
		return cli_usage(a->cli, "--keep-%s %s: not a length of time like 1y6m, 2w or 10d12h", rule, value);
	}
	if (keep_count_parse(value, count) != 0 || (count == &p->min && p->min == KEEP_ALL))
		return cli_usage(a->cli, "--keep-%s %s: not a number", rule, value);
	return 0;
}

static int take(void *arg, const char *option, const char *value)
{
	struct forget_args *a = arg;

	if (cli_take_filter(&a->filter, option, value))
		return 0;
	if (strncmp(option, "keep-", 5) == 0)
		return take_rule(a, option + 5, value);
	if (strcmp(option, "dry-run") == 0)
		a->dry_run = true;
	else if (strcmp(option, "prune") == 0)
		a->prune = true;
	else if (forget_group_parse(value, &a->group_by) != 0)
		return cli_usage(a->cli, "--group-by %s: not a list of host, paths and tags", value);
	return 0;
}

/* --- What becomes of them ----------------------------------------------------------------------------------------- */

static void print_json(const struct forget_args *a, const struct forget_snapshot *s, bool by_policy)
{
	json_value *o = json_new_object(), *why = json_new_array();

	for (unsigned bit = 1; bit != 0 && bit <= s->reasons; bit <<= 1)
		if (s->reasons & bit)
			json_append_text(why, keep_reason_name(bit));
	json_set_text(o, "type", "snapshot");
	json_set_id(o, "id", &s->id);
	json_set_time(o, "time", s->time_ns, a->cli->utc);
	json_set_text(o, "host", s->host);
	json_set_texts(o, "paths", s->paths, s->npaths);
	json_set_texts(o, "tags", s->tags, s->ntags);
	if (by_policy)
		json_set_u64(o, "group", s->group);
	json_set_bool(o, "keep", s->reasons != 0);
	json_set_value(o, "reasons", why);
	if (s->refused)
		json_set_bool(o, "refused", true);
	json_print(o);
}

static void print_list(const char *before, char *const *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		fputs(i == 0 ? before : ",", stdout);
		cli_print_quoted(list[i]);
	}
}

static void print_series(const struct forget_args *a, const struct forget_snapshot *s)
{
	if (a->group_by & GROUP_HOST) {
		fputs("host ", stdout);
		cli_print_quoted(s->host);
	}
	if (a->group_by & GROUP_PATHS)
		print_list(a->group_by & GROUP_HOST ? " paths " : "paths ", s->paths, s->npaths);
	if (a->group_by & GROUP_TAGS)
		print_list(a->group_by & ~(unsigned)GROUP_TAGS ? " tags " : "tags ", s->tags, s->ntags);
	puts(a->group_by ? ":" : "all:");
}

static void print_text(const struct forget_args *a, const struct forget_snapshot *s)
{
	char hex[ID_HEX_SIZE], when[WHEN_SIZE];
	const char *sep = "  ";

	printf("%s  %.8s  %s", s->reasons ? "keep  " : s->refused ? "stays " : "forget", id_hex(&s->id, hex),
	    when_format(s->time_ns, WHEN_HUMAN, a->cli->utc, when));
	for (unsigned bit = 1; bit != 0 && bit <= s->reasons; bit <<= 1) {
		if (!(s->reasons & bit))
			continue;
		printf("%s%s", sep, keep_reason_name(bit));
		sep = ", ";
	}
	putchar('\n');
}

static void print_plan(const struct forget_args *a, const struct forget_plan *plan, bool by_policy)
{
	if (a->cli->quiet && !a->cli->json)
		return;
	for (size_t i = 0; i < plan->n; i++) {
		const struct forget_snapshot *s = &plan->item[i];

		if (a->cli->json) {
			print_json(a, s, by_policy);
			continue;
		}
		if (by_policy && (i == 0 || s->group != plan->item[i - 1].group))
			print_series(a, s);
		print_text(a, s);
	}
}

static void print_summary(const struct forget_args *a, const struct forget_plan *plan, const struct forget_result *r)
{
	json_value *o;

	if (a->cli->json) {
		o = json_new_object();
		json_set_text(o, "type", "summary");
		json_set_bool(o, "dry_run", a->dry_run);
		json_set_u64(o, "kept", plan->kept);
		json_set_u64(o, "forgotten", r->forgotten);
		json_set_u64(o, "refused", r->refused);
		json_set_u64(o, "unreadable", plan->unreadable);
		json_print(o);
	} else if (!a->cli->quiet) {
		printf("%zu snapshots %sforgotten", r->forgotten, a->dry_run ? "would be " : "");
		if (plan->kept > 0)
			printf(", %zu kept", plan->kept);
		putchar('\n');
	}
}

/* --- What is meant ------------------------------------------------------------------------------------------------ */

/* A snapshot that is named by the beginning of its id may go although it cannot be read. */
static int add_named(struct forget_args *a, struct repo *r, const struct catalog *cat, const char *snap,
    struct forget_plan *plan)
{
	char hex[ID_HEX_SIZE];
	const struct snapshot *s;
	struct manifest m;
	bool readable;
	size_t i;
	int rc;

	if (catalog_resolve(cat, snap, &a->filter, a->cli->utc, &i) != 0)
		return cli_snapshot(a->cli, r, cat, snap, &a->filter, &m, NULL); /* which says why */
	s = catalog_at(cat, i);
	rc = catalog_manifest(cat, i, &m);
	readable = rc == 0;
	if (!readable && strncmp(id_hex(&s->id, hex), snap, strlen(snap)) != 0)
		return rc == -EBADMSG ? EXIT_DAMAGED : cli_status(a->cli, rc);
	rc = forget_plan_add(plan, &s->id, s->time_ns, readable ? &m : NULL);
	if (readable)
		manifest_destroy(&m);
	return cli_status(a->cli, rc);
}

static int make_plan(struct forget_args *a, struct repo *r, const struct catalog *cat, int n, char **args,
    struct forget_plan *plan)
{
	int rc;

	for (int i = 0; i < n; i++) {
		rc = add_named(a, r, cat, args[i], plan);
		if (rc != 0)
			return rc;
	}
	if (n > 0)
		return 0;
	rc = forget_plan_policy(cat, &a->filter, a->group_by, &a->policy, &a->cli->log, plan);
	return cli_status(a->cli, rc);
}

static int run(struct forget_args *a, struct repo *r, const struct catalog *cat, int n, char **args)
{
	struct forget_plan plan = { .item = NULL };
	struct forget_result result = { .forgotten = 0 };
	int rc = make_plan(a, r, cat, n, args, &plan);

	if (rc == 0 && a->dry_run)
		result.forgotten = plan.n - plan.kept;
	else if (rc == 0)
		rc = cli_status(a->cli, forget_run(r, &plan, &a->cli->cancel, &result));
	if (plan.n > 0 || rc == 0) {
		print_plan(a, &plan, n == 0);
		print_summary(a, &plan, &result);
	}
	if (rc == 0 && plan.unreadable > 0)
		rc = EXIT_DAMAGED;
	if (rc == 0 && a->prune && !a->dry_run)
		rc = prune_after_forget(a->cli, r, false);
	forget_plan_destroy(&plan);
	return rc;
}

int cmd_forget(struct cli *c, int argc, char **argv)
{
	struct forget_args a = { .cli = c, .group_by = GROUP_HOST | GROUP_PATHS };
	struct catalog *cat;
	struct repo *r;
	char **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, take, &a, &n, &args);
	a.policy.utc = c->utc;
	if (rc != 0) {
		rc = rc < 0 ? EXIT_OK : rc;
	} else if (n > 0 && keep_policy_given(&a.policy)) {
		rc = cli_usage(c, "snapshots or a policy, not both");
	} else if (n == 0 && !keep_policy_given(&a.policy)) {
		rc = cli_usage(c, "neither snapshots nor a policy (--keep-daily N and the like)");
	} else {
		rc = cli_open_catalog(c, &r, &cat);
		if (rc == 0) {
			cli_catch_signals(c);
			rc = run(&a, r, cat, n, args);
			catalog_free(cat);
			repo_close(r);
		}
	}
	free(a.tags);
	return rc;
}
