/*
 * varve check: telling what was found.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/check/check.h"
#include "repo/util/text/when.h"
#include "tools/commands/upkeep/check_impl.h"
#include "tools/print/json.h"

/* --- What is found ------------------------------------------------------------------------------------------------ */

static const char *type_of(const struct check_finding *f)
{
	if (f->unreachable)
		return "unreachable";
	return f->path != NULL ? "affected" : f->more == 0 ? "finding" : f->object != NULL ? "more" : "snapshot";
}

static void print_json(const struct check_finding *f)
{
	json_value *o = json_new_object();

	json_set_text(o, "type", type_of(f));
	if (f->object != NULL) {
		json_set_text(o, "kind", check_kind_name(f->kind));
		json_set_text(o, "object", f->object);
	}
	if (f->what != NULL)
		json_set_text(o, "what", f->what);
	if (f->snapshot != NULL)
		json_set_text(o, "snapshot", f->snapshot);
	if (f->path != NULL)
		json_set_name(o, "path", f->path, strlen(f->path));
	if (f->more > 0)
		json_set_u64(o, "paths", f->more);
	json_print(o);
}

static void print_path(const struct check_finding *f)
{
	size_t len = strlen(f->path);
	char *quoted = malloc(4 * len + 16);

	if (quoted != NULL)
		printf("snapshot %.8s: %s: %s: damaged by %s %s\n", f->snapshot,
		    len > 0 ? quote_name(f->path, (unsigned)len, quoted, (unsigned)(4 * len + 16)) : "/", f->what,
		    check_kind_name(f->kind), f->object);
	free(quoted);
}

void check_tell_finding(void *arg, const struct check_finding *f)
{
	const struct check_args *a = arg;
	bool is_name = f->kind != CHECK_TREE && f->kind != CHECK_CHUNK;

	if (a->cli->json)
		print_json(f);
	else if (f->path != NULL)
		print_path(f);
	else if (f->object == NULL)
		printf("snapshot %.8s: %llu affected paths in all\n", f->snapshot, (unsigned long long)f->more);
	else if (f->unreachable)
		printf("%s: cannot be had, which is no damage: %s\n", f->object, f->what);
	else if (f->more > 0)
		printf("%s: affects %llu more paths (--verbose tells all)\n", f->object, (unsigned long long)f->more);
	else
		printf("%s%s%s: %s\n", is_name ? "" : check_kind_name(f->kind), is_name ? "" : " ", f->object, f->what);
	fflush(stdout);
}

void check_tell_signature(void *arg, const struct id *id, const struct manifest *m)
{
	const struct check_args *a = arg;
	char hex[ID_HEX_SIZE], time[WHEN_SIZE];
	json_value *o;

	if (!a->signatures)
		return;
	if (a->cli->json) {
		o = json_new_object();
		json_set_text(o, "type", "signature");
		json_set_id(o, "snapshot", id);
		json_set_time(o, "time", m->time_ns, a->cli->utc);
		json_set_text(o, "host", m->host);
		json_set_text(o, "writer", m->writer);
		json_print(o);
		return;
	}
	printf("snapshot %.8s of %s on ", id_hex(id, hex), when_format(m->time_ns, WHEN_HUMAN, a->cli->utc, time));
	cli_print_quoted(m->host);
	fputs(": signed by ", stdout);
	cli_print_quoted(m->writer);
	putchar('\n');
}

/* --- Summary ------------------------------------------------------------------------------------------------------ */

static void print_json_summary(const struct check_args *a, const struct check_result *r)
{
	json_value *o = json_new_object();

	json_set_text(o, "type", "summary");
	json_set_text(o, "level", a->packs ? "packs" : a->o.signatures_only ? "signatures" : "trees");
	json_set_bool(o, "read_data", a->o.read_data);
	json_set_u64(o, "snapshots", r->snapshots);
	json_set_u64(o, "trees", r->trees);
	json_set_u64(o, "chunks", r->chunks);
	json_set_u64(o, "packs", r->packs);
	json_set_u64(o, "runs", r->runs);
	json_set_u64(o, "keyslots", r->keyslots);
	json_set_u64(o, "packs_read", r->packs_read);
	json_set_u64(o, "packs_read_before", r->packs_before);
	json_set_u64(o, "bytes_read", r->data_bytes);
	json_set_u64(o, "sealed_packs", r->sealed_packs);
	json_set_u64(o, "unreferenced_packs", r->unreferenced_packs);
	json_set_u64(o, "unreferenced_bytes", r->unreferenced_bytes);
	json_set_u64(o, "unreferenced_objects", r->unreferenced_objects);
	json_set_u64(o, "findings", r->findings);
	json_set_u64(o, "unreachable", r->unreachable);
	json_print(o);
}

static void print_looked_at(const struct check_args *a, const struct check_result *r)
{
	if (a->o.signatures_only)
		printf("%llu snapshots, %llu keyslots\n", (unsigned long long)r->snapshots,
		    (unsigned long long)r->keyslots);
	else if (a->packs)
		printf("%llu snapshots, %llu packs, %llu index runs, %llu keyslots\n", (unsigned long long)r->snapshots,
		    (unsigned long long)r->packs, (unsigned long long)r->runs, (unsigned long long)r->keyslots);
	else
		printf("%llu snapshots, %llu tree objects, %llu chunks, %llu packs, %llu index runs, %llu keyslots\n",
		    (unsigned long long)r->snapshots, (unsigned long long)r->trees, (unsigned long long)r->chunks,
		    (unsigned long long)r->packs, (unsigned long long)r->runs, (unsigned long long)r->keyslots);
}

static void print_packs(const struct check_args *a, const struct check_result *r)
{
	char size[SIZE_TEXT_SIZE];

	if (a->o.read_data)
		printf("%llu packs read, %s\n", (unsigned long long)r->packs_read, size_format(r->data_bytes, size));
	if (r->packs_before > 0)
		printf("%llu packs had been read before this check went on with them (--restart reads all)\n",
		    (unsigned long long)r->packs_before);
	if (r->sealed_packs > 0)
		printf("%llu of them are not for this key to open: only their hashes and tables were verified\n",
		    (unsigned long long)r->sealed_packs);
	if (r->unreferenced_objects > 0 && !a->o.signatures_only)
		printf("%llu objects are not used by any snapshot\n", (unsigned long long)r->unreferenced_objects);
	if (r->unreferenced_packs > 0)
		printf("%llu packs are in no index run, %s (\"varve repair\" enters them)\n",
		    (unsigned long long)r->unreferenced_packs, size_format(r->unreferenced_bytes, size));
}

void check_tell_summary(const struct check_args *a, const struct check_result *r)
{
	if (a->cli->json) {
		print_json_summary(a, r);
		return;
	}
	if (a->cli->quiet)
		return;
	print_looked_at(a, r);
	print_packs(a, r);
	if (r->unreachable > 0)
		printf("%llu objects could not be had: nothing is known of them\n", (unsigned long long)r->unreachable);
	if (r->findings == 0)
		puts("no damage found");
	else
		printf("%llu findings\n", (unsigned long long)r->findings);
}

/* --- On the way --------------------------------------------------------------------------------------------------- */

void check_tell_progress(void *arg, struct progress_state *s)
{
	const struct check_progress *p = arg;

	s->items = p->trees + p->packs;
	s->bytes = p->bytes;
	s->total_bytes = p->total_bytes;
	s->errors = p->findings;
}
