/*
 * varve cache
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/util/text/when.h"
#include "tools/commands/commands.h"
#include "tools/print/json.h"

const struct cli_option cache_options[] = {
	{ "clear", 0, NULL, "remove the local index of this repository" },
	{ "refresh", 0, NULL, "bring it up to date with the repository" },
	{ NULL, 0, NULL, NULL },
};

struct cache_args {
	bool clear, refresh;
};

static int take(void *arg, const char *option, const char *value)
{
	struct cache_args *a = arg;

	(void)value;
	if (strcmp(option, "clear") == 0)
		a->clear = true;
	else
		a->refresh = true;
	return 0;
}

static int show(struct cli *c, struct repo *r)
{
	struct index_stats s;
	char size[SIZE_TEXT_SIZE];
	json_value *o;
	int rc;

	rc = index_stats(r->index, &s);
	if (rc != 0)
		return cli_status(c, rc);
	if (c->json) {
		o = json_new_object();
		json_set_text(o, "path", index_path(r->index));
		json_set_u64(o, "objects", s.objects);
		json_set_u64(o, "packs", s.packs);
		json_set_u64(o, "runs", s.runs);
		json_set_u64(o, "bytes", s.disk_bytes);
		json_print(o);
	} else {
		printf("%s: %llu objects in %llu packs, from %llu index runs, %s\n", index_path(r->index),
		    (unsigned long long)s.objects, (unsigned long long)s.packs, (unsigned long long)s.runs,
		    size_format(s.disk_bytes, size));
	}
	return EXIT_OK;
}

/* The repository has to be unlocked first, as only that shows whose cache it is. */
static int clear(struct cli *c, struct repo *r)
{
	char *path = strdup(index_path(r->index));
	uint8_t id[sizeof(r->config.repo_id)];
	int rc;

	memcpy(id, r->config.repo_id, sizeof(id));
	repo_close(r);
	rc = path != NULL ? index_remove(c->cache_dir, id) : -ENOMEM;
	if (rc == -EBUSY)
		cli_error(c, "%s: cannot be removed: a mount or another command is using it", path);
	else if (rc != 0)
		cli_error(c, "%s: cannot be removed: %s", path != NULL ? path : c->cache_dir, strerror(-rc));
	free(path);
	return cli_status(c, rc);
}

int cmd_cache(struct cli *c, int argc, char **argv)
{
	struct cache_args a = { .clear = false };
	struct repo *r;
	char **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, take, &a, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	if (n > 0)
		return cli_usage(c, "one argument too many: %s", args[0]);
	rc = cli_open(c, &r);
	if (rc != 0)
		return rc;
	if (a.clear)
		return clear(c, r);
	if (a.refresh) {
		rc = index_refresh(r->index);
		rc = rc > 0 ? EXIT_DAMAGED : cli_status(c, rc);
	}
	if (rc == 0)
		rc = show(c, r);
	repo_close(r);
	return rc;
}
