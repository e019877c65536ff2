/*
 * Figures of a mount: requests by kind, reads of the store and of its cache, what was pushed.
 */
#include <string.h>

#include "fs/kernel/ops.h"
#include "repo/store/cache/store_cache.h"

static const char *const op_names[OP_KINDS] = { "lookup", "getattr", "readlink", "open", "read", "readdir",
	"readdirplus", "xattr", "statfs", "lseek", "forget", "other" };

static int print_cache(const struct store *s, struct buf *out)
{
	struct cache_counters n;

	if (!store_is_cache(s))
		return 0;
	store_cache_counters(s, &n);
	return buf_printf(out,
	    "cache_fetches %llu\ncache_fetched_bytes %llu\ncache_ahead %llu\ncache_hits %llu\ncache_dropped %llu\n",
	    (unsigned long long)n.fetches, (unsigned long long)n.fetched_bytes, (unsigned long long)n.ahead,
	    (unsigned long long)n.hits, (unsigned long long)n.dropped);
}

int ops_print_counters(struct ops *o, struct buf *out)
{
	struct object_reader_counters rc;
	struct pusher_counters pc;
	struct store_counters sc;
	int err = 0;

	for (int i = 0; i < OP_KINDS && err == 0; i++)
		err = buf_printf(out, "%s %llu\n", op_names[i], (unsigned long long)o->count[i]);
	store_get_counters(o->repo->store, &sc);
	object_reader_counters(o->repo->reader, &rc);
	pusher_counters(o->pusher, &pc);
	if (err == 0)
		err = buf_printf(out,
		    "store_gets %llu\nstore_get_bytes %llu\nsegments_opened %llu\nsegments_shared %llu\n"
		    "pushed_files %llu\npushed_bytes %llu\nprefetched_parts %llu\n",
		    (unsigned long long)sc.gets, (unsigned long long)sc.get_bytes,
		    (unsigned long long)rc.segments_opened, (unsigned long long)rc.segments_shared,
		    (unsigned long long)pc.files, (unsigned long long)pc.bytes, (unsigned long long)pc.prefetched);
	return err == 0 ? print_cache(o->repo->store, out) : err;
}

void ops_log_counters(struct ops *o)
{
	struct buf text = BUF_INIT;
	char *line, *save = NULL;

	if (ops_print_counters(o, &text) == 0) {
		for (line = strtok_r((char *)text.data, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
			log_info(o->log, "%s", line);
	}
	buf_free(&text);
}
