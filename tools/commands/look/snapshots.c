/*
 * varve snapshots
 */
#include <stdlib.h>
#include <string.h>

#include "repo/util/text/when.h"
#include "tools/commands/commands.h"
#include "tools/print/json.h"
#include "tools/print/snapshot_json.h"

const struct cli_option snapshots_options[] = {
	{ "host", 'H', "NAME", "only of this host" },
	{ "tag", 't', "TAG", "only with this tag" },
	{ "path", 0, "PATH", "only with this source path" },
	{ "latest", 0, "N", "only the newest N" },
	{ NULL, 0, NULL, NULL },
};

struct snapshots_args {
	struct cli *cli;
	struct snapshot_filter filter;
	size_t latest; /* 0: all */
};

static int take(void *arg, const char *option, const char *value)
{
	struct snapshots_args *a = arg;
	char *end;

	if (cli_take_filter(&a->filter, option, value))
		return 0;
	a->latest = strtoul(value, &end, 10);
	if (*value == '\0' || *end != '\0' || a->latest == 0)
		return cli_usage(a->cli, "--latest %s: not a number", value);
	return 0;
}

static void print_joined(char *const *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0)
			putchar(',');
		cli_print_quoted(list[i]);
	}
}

static void print_text(const struct cli *c, const struct snapshot *s, const struct manifest *m)
{
	char hex[ID_HEX_SIZE], when[WHEN_SIZE], size[SIZE_TEXT_SIZE], host[1024];

	printf("%.8s  %s  %-12s  %10s  ", id_hex(&s->id, hex), when_format(s->time_ns, WHEN_HUMAN, c->utc, when),
	    quote_name(m->host, (unsigned)strlen(m->host), host, sizeof(host)), size_format(m->bytes, size));
	print_joined(m->paths, m->npaths);
	if (m->ntags > 0) {
		fputs("  [", stdout);
		print_joined(m->tags, m->ntags);
		putchar(']');
	}
	if (m->unreadable > 0)
		printf("  partial: %llu unreadable", (unsigned long long)m->unreadable);
	putchar('\n');
}

/* Newest first until there are enough, so that --latest reads no more manifests than it must. */
static size_t choose(const struct catalog *cat, const struct snapshots_args *a, size_t *chosen, int *status)
{
	size_t n = 0;

	for (size_t i = catalog_count(cat); i-- > 0 && (a->latest == 0 || n < a->latest);) {
		int rc = catalog_matches(cat, i, &a->filter);

		if (rc < 0)
			*status = cli_worse(*status, rc);
		else if (rc > 0)
			chosen[n++] = i;
	}
	return n;
}

static int list(const struct snapshots_args *a, const struct catalog *cat)
{
	size_t *chosen = calloc(catalog_count(cat) + 1, sizeof(*chosen)), n;
	struct manifest m;
	int status = EXIT_OK;

	if (chosen == NULL)
		return EXIT_FAILED;
	n = choose(cat, a, chosen, &status);
	while (n-- > 0) {
		const struct snapshot *s = catalog_at(cat, chosen[n]);
		int rc = catalog_manifest(cat, chosen[n], &m);

		if (rc != 0) {
			status = cli_worse(status, rc);
			continue;
		}
		if (a->cli->json)
			json_print(snapshot_json(&s->id, &m, a->cli->utc));
		else
			print_text(a->cli, s, &m);
		manifest_destroy(&m);
	}
	free(chosen);
	return status;
}

int cmd_snapshots(struct cli *c, int argc, char **argv)
{
	struct snapshots_args a = { .cli = c };
	struct catalog *cat;
	struct repo *r;
	size_t withheld;
	char **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, take, &a, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	if (n > 0)
		return cli_usage(c, "one argument too many: %s", args[0]);
	rc = cli_open_catalog(c, &r, &cat);
	if (rc != 0)
		return rc;
	rc = list(&a, cat);
	catalog_withheld(cat, &withheld);
	if (withheld > 0 || revocations_unreadable(r->revocations) > 0)
		rc = EXIT_DAMAGED;
	catalog_free(cat);
	repo_close(r);
	return rc;
}
