/*
 * Backup of a stream: one file, in directories that are made up.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/backup/fill/large.h"
#include "repo/backup/run.h"
#include "repo/util/text/when.h"

struct stream {
	struct run run; /* first: what run_backup() hands back */
	int fd;
	const char *name;
};

/* The next name of a path: its length with ${*path} at its begin; 0 at the end. */
static size_t next_name(const char **path)
{
	*path += strspn(*path, "/");
	return strcspn(*path, "/");
}

/* Can every name of the path be one of an entry, and is there one? */
static bool valid_path(const char *path)
{
	size_t len, n = 0;

	for (; (len = next_name(&path)) > 0; path += len, n++)
		if (!entry_name_valid(path, len))
			return false;
	return n > 0;
}

/* An entry of this process, of now. */
static void describe(struct producer *p, int64_t now_ns, const char *name, size_t len, struct tree_entry *e)
{
	*e = (struct tree_entry){ .name = name, .name_len = (uint16_t)len, .nlink = 1, .uid = geteuid(),
		.gid = getegid(), .mtime = now_ns / NS_PER_SEC, .mtime_ns = (uint32_t)(now_ns % NS_PER_SEC) };
	e->ctime = e->mtime;
	e->ctime_ns = e->mtime_ns;
	names_fill(p->names, e);
}

static int enter(struct producer *p, int64_t now_ns, const char *name, size_t len)
{
	struct tree_entry e;

	describe(p, now_ns, name, len, &e);
	e.type = ENTRY_DIR;
	e.mode = 0755;
	atomic_fetch_add(&p->s->progress->dirs, 1);
	return producer_entry(p, ITEM_ENTER, '+', &e, NULL);
}

static int leave(struct producer *p)
{
	struct item *item;
	int err = producer_item(p, &item);

	if (err == 0)
		item->kind = ITEM_LEAVE;
	return err;
}

/* All items of the snapshot. */
static int fill(struct producer *p, const struct stream *b)
{
	int64_t now_ns = when_now_ns();
	const char *name = b->name, *next;
	struct tree_entry e;
	unsigned depth = 1;
	size_t len;
	int err = enter(p, now_ns, "", 0);

	for (len = next_name(&name); err == 0; name = next, len = next_name(&name), depth++) {
		next = name + len;
		if (next_name(&next) == 0)
			break;
		err = enter(p, now_ns, name, len);
	}
	if (err < 0)
		return err;
	describe(p, now_ns, name, len, &e);
	e.type = ENTRY_REG;
	e.mode = 0600;
	atomic_fetch_add(&p->s->progress->files, 1);
	err = large_stream(p, b->fd, &e);
	while (err == 0 && depth-- > 0)
		err = leave(p);
	return err == 0 ? producer_submit(p) : err;
}

static int produce(struct run *run)
{
	const struct stream *b = (const struct stream *)run;
	struct producer p;
	int err = producer_init(&p, &run->s);

	if (err == 0)
		err = fill(&p, b);
	if (err < 0 && err != -EINTR && queue_error(run->s.queue) == 0)
		log_error(run->s.repo->log, "cannot read %s: %s", b->name, ERR(err));
	producer_destroy(&p);
	return err;
}

/* The manifest's path: as the snapshot has it. */
static int list_path(struct run *run, const char *name)
{
	struct buf b = BUF_INIT;
	size_t len;
	int err = 0;

	for (; err == 0 && (len = next_name(&name)) > 0; name += len)
		err = buf_printf(&b, "/%.*s", (int)len, name);
	run->paths = calloc(1, sizeof(char *));
	if (err < 0 || !run->paths) {
		buf_free(&b);
		return -ENOMEM;
	}
	run->paths[run->npaths++] = (char *)b.data;
	return 0;
}

int backup_stream(struct repo *r, const struct backup_options *opts, int fd, const char *name,
    struct backup_result *out)
{
	struct stream b = { .run = { .produce = produce, .finish = opts->finish }, .fd = fd, .name = name };
	struct backup_options own = *opts;
	int err;

	*out = (struct backup_result){ 0 };
	if (!valid_path(name))
		return -EINVAL;
	own.no_parent = true; /* a stream has nothing to be compared by */
	err = list_path(&b.run, name);
	if (err == 0)
		err = run_begin_session(&b.run, r, &own);
	if (err == 0)
		err = run_backup(&b.run, out);
	if (err == -ESTALE)
		log_error(r->log, "no snapshot was made: a prune has gone on; the stream is needed once more");
	run_end_session(&b.run);
	return err;
}
