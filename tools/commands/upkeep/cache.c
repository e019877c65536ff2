/*
 * varve cache
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/query/fetch.h"
#include "repo/store/cache/store_cache.h"
#include "repo/util/text/when.h"
#include "tools/commands/commands.h"
#include "tools/print/json.h"
#include "tools/print/progress.h"

const struct cli_option cache_options[] = {
	{ "clear", 0, NULL, "remove the local index of this repository, and what is cached of it" },
	{ "refresh", 0, NULL, "bring the index up to date with the repository" },
	{ "pin", 0, "SNAP[:PATH]", "fetch this, and keep it until it is unpinned" },
	{ "unpin", 0, "SNAP[:PATH]", "let go of what was pinned so" },
	{ NULL, 0, NULL, NULL },
};

const char cache_details[] =
    "Shows the local index, what is cached of a remote store, and what is pinned.  A directory that is pinned can be\n"
    "read completely from a mount with -o offline, also while the store cannot be reached.\n";

struct cache_args {
	bool clear, refresh;
	const char *pin, *unpin;
};

static int take(void *arg, const char *option, const char *value)
{
	struct cache_args *a = arg;

	if (strcmp(option, "clear") == 0)
		a->clear = true;
	else if (strcmp(option, "refresh") == 0)
		a->refresh = true;
	else if (strcmp(option, "pin") == 0)
		a->pin = value;
	else
		a->unpin = value;
	return 0;
}

/* --- Showing ------------------------------------------------------------------------------------------------------ */

static int print_pin(void *arg, const struct cache_pin *pin)
{
	const char *state = pin->complete ? "" : ", incomplete";
	char size[SIZE_TEXT_SIZE];

	(void)arg;
	printf("pinned: %.8s", pin->text);
	cli_print_quoted(strchr(pin->text, ':') != NULL ? strchr(pin->text, ':') : "");
	printf(", %s%s\n", size_format(pin->bytes, size), state);
	return 0;
}

static int add_pin(void *arg, const struct cache_pin *pin)
{
	const char *path = strchr(pin->text, ':');
	json_value *o = json_new_object();
	char id[ID_HEX_SIZE];

	snprintf(id, sizeof(id), "%s", pin->text);
	json_set_text(o, "type", "pin");
	json_set_text(o, "id", id);
	path = path != NULL ? path + 1 : "";
	json_set_name(o, "path", path, strlen(path));
	json_set_u64(o, "bytes", pin->bytes);
	json_set_bool(o, "complete", pin->complete);
	return json_print(o) ? 0 : *(int *)arg;
}

static void show_text(const struct repo *r, const struct index_stats *s, const struct cache_usage *u)
{
	char size[SIZE_TEXT_SIZE], most[SIZE_TEXT_SIZE], pinned[SIZE_TEXT_SIZE];

	printf("%s: %llu objects in %llu packs, from %llu index runs, %s\n", index_path(r->index),
	    (unsigned long long)s->objects, (unsigned long long)s->packs, (unsigned long long)s->runs,
	    size_format(s->disk_bytes, size));
	if (store_is_cache(r->store) && store_cache_dir(r->store) != NULL)
		printf("%s: %llu pieces, %s of at most %s; pinned %llu pieces, %s\n", store_cache_dir(r->store),
		    (unsigned long long)u->pieces, size_format(u->bytes, size), size_format(u->max_bytes, most),
		    (unsigned long long)u->pinned_pieces, size_format(u->pinned_bytes, pinned));
}

static void show_json(const struct repo *r, const struct index_stats *s, const struct cache_usage *u)
{
	json_value *o = json_new_object();

	json_set_text(o, "path", index_path(r->index));
	json_set_u64(o, "objects", s->objects);
	json_set_u64(o, "packs", s->packs);
	json_set_u64(o, "runs", s->runs);
	json_set_u64(o, "bytes", s->disk_bytes);
	if (store_is_cache(r->store) && store_cache_dir(r->store) != NULL) {
		json_set_text(o, "sealed_path", store_cache_dir(r->store));
		json_set_u64(o, "sealed_pieces", u->pieces);
		json_set_u64(o, "sealed_bytes", u->bytes);
		json_set_u64(o, "sealed_max_bytes", u->max_bytes);
		json_set_u64(o, "pinned_pieces", u->pinned_pieces);
		json_set_u64(o, "pinned_bytes", u->pinned_bytes);
	}
	json_print(o);
}

static int show(struct cli *c, struct repo *r)
{
	struct cache_usage u = { 0 };
	struct index_stats s;
	int rc, stop = 1;

	rc = index_stats(r->index, &s);
	if (rc == 0 && store_is_cache(r->store))
		rc = store_cache_usage(r->store, &u);
	if (rc != 0)
		return cli_status(c, rc);
	(c->json ? show_json : show_text)(r, &s, &u);
	if (store_is_cache(r->store))
		store_cache_pins(r->store, c->json ? add_pin : print_pin, &stop);
	return EXIT_OK;
}

/* The index of commands with replicas, which is one of its own (repo.h). */
static int remove_replicas(const char *cache_dir, const uint8_t id[16])
{
	char *dir = NULL;
	int rc;

	if (asprintf(&dir, "%s/replicas", cache_dir) < 0)
		return -ENOMEM;
	rc = index_remove(dir, id);
	free(dir);
	return rc;
}

/* The repository has to be unlocked first, as only that shows whose cache it is. */
static int clear(struct cli *c, struct repo *r)
{
	char *path = strdup(index_path(r->index));
	uint8_t id[sizeof(r->config.repo_id)];
	int sealed = 0, rc;

	memcpy(id, r->config.repo_id, sizeof(id));
	if (store_is_cache(r->store))
		sealed = store_cache_clear(r->store);
	repo_close(r);
	rc = path != NULL ? index_remove(c->cache_dir, id) : -ENOMEM;
	if (rc == 0)
		rc = remove_replicas(c->cache_dir, id);
	if (rc == -EBUSY)
		cli_error(c, "%s: cannot be removed: a mount or another command is using it", path);
	else if (rc != 0)
		cli_error(c, "%s: cannot be removed: %s", path != NULL ? path : c->cache_dir, strerror(-rc));
	free(path);
	return cli_status(c, rc != 0 ? rc : sealed);
}

/* --- Pinning ------------------------------------------------------------------------------------------------------ */

/* What is pinned, or unpinned. */
struct pin {
	struct cli *cli;
	struct repo *repo;
	char *snap;
	const char *path;
	struct manifest manifest;
	struct id id;
	struct buf text; /* the snapshot's id, and ":PATH" if there is one */
	uint64_t items;
	struct fetch_progress done;
};

static void fill_progress(void *arg, struct progress_state *out)
{
	const struct pin *p = arg;

	out->items = p->done.items;
	out->bytes = p->done.bytes;
	out->total_items = p->items;
}

/* Resolve it: an exit status. */
static int find_pin(struct pin *p, const char *spec)
{
	const struct snapshot_filter all = { .host = NULL };
	struct catalog *catalog;
	char hex[ID_HEX_SIZE];
	int rc;

	if (catalog_split(spec, &p->snap, &p->path) != 0)
		return EXIT_FAILED;
	rc = repo_catalog(p->repo, &catalog);
	if (rc != 0)
		return cli_status(p->cli, rc);
	rc = cli_snapshot(p->cli, p->repo, catalog, p->snap, &all, &p->manifest, &p->id);
	catalog_free(catalog);
	if (rc != 0)
		return rc;
	while (*p->path == '/')
		p->path++;
	rc = buf_printf(&p->text, "%s%s%s", id_hex(&p->id, hex), *p->path != '\0' ? ":" : "", p->path);
	if (rc == 0 && (p->text.len > CACHE_PIN_TEXT_MAX || strchr(p->path, '\n') != NULL))
		return cli_usage(p->cli, "the path is too long to be pinned by, or has a line's end in it");
	return cli_status(p->cli, rc);
}

/* What a mount asks for before it comes to directories. */
static int fetch_first(struct pin *p)
{
	char keyslot[8 + ID_HEX_SIZE], snapshot[SNAPSHOT_NAME_SIZE], hex[ID_HEX_SIZE];
	struct buf b = BUF_INIT;
	int rc;

	snprintf(keyslot, sizeof(keyslot), "keys/%s", id_hex(&p->repo->keyslot, hex));
	rc = store_get_all(p->repo->store, keyslot, KEYSLOT_MAX, &b);
	buf_clear(&b);
	if (rc == 0)
		rc = store_get_all(p->repo->store, snapshot_object_name(&p->id, snapshot), MANIFEST_MAX, &b);
	buf_free(&b);
	return rc;
}

/* Everything from the snapshot's root to the path, and below it.  0 or an error; ${*damaged} is counted. */
static int fetch_all(struct pin *p, uint64_t *damaged)
{
	struct tree_hit hit;
	struct progress *progress;
	int rc = fetch_first(p);

	catalog_enter(p->repo->index, &p->manifest);
	if (rc == 0)
		rc = tree_path(p->repo->tree, &p->manifest.root, p->path, strlen(p->path), &hit);
	if (rc == -ENOENT || rc == -ENOTDIR)
		cli_error(p->cli, "%s: no such path in snapshot %s", p->path, p->snap);
	if (rc != 0)
		return rc;
	p->items = hit.entry.below + 1;
	progress = progress_start(p->cli, "items", fill_progress, p);
	rc = fetch_subtree(p->repo, &hit.entry, &p->cli->cancel, &p->done, damaged);
	progress_stop(progress);
	tree_hit_release(p->repo->tree, &hit);
	return rc;
}

static int pin(struct pin *p)
{
	char size[SIZE_TEXT_SIZE];
	uint64_t damaged = 0;
	int rc;

	rc = store_cache_pin(p->repo->store, (const char *)p->text.data);
	if (rc == 0)
		rc = fetch_all(p, &damaged);
	/* A pin of what is not there is none. */
	if (rc == -ENOENT || rc == -ENOTDIR)
		store_cache_unpin(p->repo->store, (const char *)p->text.data);
	if (rc == -ENOSPC)
		cli_error(p->cli, "not all of it can be kept: the disk is full");
	if (rc == 0 && damaged == 0)
		rc = store_cache_pinned(p->repo->store);
	if (rc == 0 && !p->cli->quiet && !p->cli->json)
		printf("%llu items, %s pinned\n", (unsigned long long)p->done.items, size_format(p->done.bytes, size));
	return rc == 0 && damaged > 0 ? EXIT_DAMAGED : cli_status(p->cli, rc);
}

static int unpin(const struct pin *p)
{
	int rc = store_cache_unpin(p->repo->store, (const char *)p->text.data);

	if (rc == -ENOENT)
		cli_error(p->cli, "%s: not pinned", (const char *)p->text.data);
	return cli_status(p->cli, rc);
}

static int pin_or_unpin(struct cli *c, struct repo *r, const struct cache_args *a)
{
	struct pin p = { .cli = c, .repo = r };
	int rc;

	if (!store_is_cache(r->store) || store_cache_dir(r->store) == NULL) {
		cli_error(c, "%s: nothing is cached of it: it is local, or there is no place for that",
		    store_url(r->store));
		return EXIT_FAILED;
	}
	cli_catch_signals(c);
	rc = find_pin(&p, a->pin != NULL ? a->pin : a->unpin);
	if (rc == 0)
		rc = a->pin != NULL ? pin(&p) : unpin(&p);
	manifest_destroy(&p.manifest);
	buf_free(&p.text);
	free(p.snap);
	return rc;
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
	if (a.clear + (a.pin != NULL) + (a.unpin != NULL) > 1)
		return cli_usage(c, "--clear, --pin and --unpin exclude each other");
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
		rc = a.pin != NULL || a.unpin != NULL ? pin_or_unpin(c, r, &a) : show(c, r);
	repo_close(r);
	return rc;
}
