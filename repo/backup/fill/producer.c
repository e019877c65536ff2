/*
 * Filling jobs.
 *
 * A job ends where its segments are full: files are counted as the workers' segment builders will gather them, and
 * once there is enough, the next file that would open a new segment opens a new job instead.  So jobs cost no more
 * short segments than one big one would.
 */
#include <errno.h>

#include "repo/backup/fill/producer.h"

#define SEGMENTS_PER_JOB 4 /* to end a job at; at most twice as many, but for a single file */

int producer_init(struct producer *p, struct session *s)
{
	*p = (struct producer){ .s = s };
	p->names = names_new();
	return p->names ? 0 : -ENOMEM;
}

void producer_destroy(struct producer *p)
{
	job_free(p->job);
	names_free(p->names);
	attr_scratch_free(&p->scratch);
	buf_free(&p->xattrs);
}

int producer_submit(struct producer *p)
{
	struct job *j = p->job;

	if (!j)
		return 0;
	p->job = NULL;
	p->last_dir = NULL;
	j->cost = job_memory(j) + (size_t)p->planned;
	p->planned = p->fill = 0;
	return queue_push(p->s->queue, j);
}

int producer_item(struct producer *p, struct item **out)
{
	int err = 0;

	if (p->job && p->job->nitems == JOB_ITEMS_MAX)
		err = producer_submit(p);
	if (err < 0)
		return err;
	if (!p->job)
		p->job = queue_job(p->s->queue);
	if (!p->job)
		return -ENOMEM;
	*out = job_add(p->job);
	return 0;
}

int producer_entry(struct producer *p, enum item_kind kind, char change, const struct tree_entry *e, struct item **out)
{
	struct item *item;
	int err = producer_item(p, &item);

	if (err < 0)
		return err;
	item->kind = kind;
	item->change = change;
	if (out)
		*out = item;
	return job_copy_entry(p->job, &item->e, e);
}

/*
 * Count a file of ${size} bytes as the segment builder will; return whether it opens a new segment.  What is larger
 * than half of one gets its own.
 */
static bool plan(struct producer *p, uint64_t size)
{
	uint32_t segment = p->s->repo->config.segment_size;
	bool opens = p->fill + size > segment;

	if (size > segment / 2)
		return false;
	p->fill = (uint32_t)(opens ? size : p->fill + size);
	return opens;
}

int producer_file(struct producer *p, enum item_kind kind, char change, const struct tree_entry *e, struct dir *dir)
{
	uint64_t enough = (uint64_t)SEGMENTS_PER_JOB * p->s->repo->config.segment_size;
	uint64_t size = kind == ITEM_READ ? e->size : 0;
	bool opens = plan(p, size);
	struct item *item = NULL;
	int err = 0;

	if ((opens && p->planned + size > enough) || p->planned + size > 2 * enough ||
	    (p->job && p->job->ndirs == JOB_DIRS_MAX)) {
		err = producer_submit(p);
		plan(p, size);
	}
	if (err == 0)
		err = producer_entry(p, kind, change, e, &item);
	if (err < 0 || !item)
		return err;
	item->dir = dir_hold(dir);
	p->job->ndirs += p->last_dir != dir;
	p->last_dir = dir;
	p->planned += size;
	return 0;
}
