/*
 * Jobs and their memory: blocks that are filled from the front and freed as a whole; one is kept for the next use.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "repo/backup/job/job.h"

#define BLOCK_LEN (32u * 1024)

struct job_block {
	struct job_block *next;
	size_t len, used;
	_Alignas(max_align_t) uint8_t bytes[];
};

struct job *job_new(void)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->items = malloc(JOB_ITEMS_MAX * sizeof(*j->items));
	if (!j->items) {
		free(j);
		return NULL;
	}
	return j;
}

void segments_free(struct segment_out *list)
{
	struct segment_out *next;

	for (; list; list = next) {
		next = list->next;
		list->next = NULL;
		segment_out_free(list);
	}
}

static void reset_items(struct job *j)
{
	unsigned i;

	for (i = 0; i < j->nitems; i++) {
		if (j->items[i].fd >= 0)
			close(j->items[i].fd);
		dir_release(j->items[i].dir);
	}
	j->nitems = j->ndirs = 0;
}

/* Free all blocks but one of the usual size. */
static void reset_blocks(struct job *j)
{
	struct job_block *kept = NULL, *b, *next;

	for (b = j->blocks; b; b = next) {
		next = b->next;
		if (!kept && b->len == BLOCK_LEN) {
			kept = b;
			kept->used = 0;
		} else {
			free(b);
		}
	}
	if (kept)
		kept->next = NULL;
	j->blocks = kept;
	j->block_bytes = kept ? kept->len : 0;
}

void job_reset(struct job *j)
{
	reset_items(j);
	reset_blocks(j);
	segments_free(j->segments);
	j->segments = NULL;
	job_data_free(j);
	j->cost = 0;
	j->done = false;
}

void job_free(struct job *j)
{
	if (!j)
		return;
	job_reset(j);
	free(j->blocks);
	free(j->items);
	free(j);
}

void *job_alloc(struct job *j, size_t len)
{
	struct job_block *b = j->blocks;
	size_t want = (len + 7) & ~(size_t)7, size = want > BLOCK_LEN / 4 ? want : BLOCK_LEN;
	void *p;

	if (!b || b->len - b->used < want) {
		b = malloc(sizeof(*b) + size);
		if (!b)
			return NULL;
		b->len = size;
		b->used = 0;
		/* What has its block to itself goes behind the one being filled. */
		if (j->blocks && size == want) {
			b->next = j->blocks->next;
			j->blocks->next = b;
		} else {
			b->next = j->blocks;
			j->blocks = b;
		}
		j->block_bytes += size;
	}
	p = b->bytes + b->used;
	b->used += want;
	return p;
}

/*
 * Not of malloc: buffers of this size, made by one thread and freed by others while smaller things come and go, leave
 * holes in its heaps that add up to as much again.
 */
int job_data_alloc(struct job *j, size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	j->data = p;
	j->data_len = len;
	return 0;
}

void job_data_unmap(uint8_t *data, size_t len)
{
	munmap(data, len);
}

void job_data_free(struct job *j)
{
	if (j->data)
		job_data_unmap(j->data, j->data_len);
	j->data = NULL;
	j->data_len = 0;
}

struct item *job_add(struct job *j)
{
	struct item *i = &j->items[j->nitems++];

	memset(i, 0, sizeof(*i));
	i->fd = -1;
	return i;
}

/* Copy ${len} bytes to ${*at}, move on, and say where they are. */
static const void *place(uint8_t **at, const void *from, size_t len)
{
	void *to = *at;

	if (len == 0)
		return NULL;
	memcpy(to, from, len);
	*at += len;
	return to;
}

int job_copy_entry(struct job *j, struct tree_entry *dst, const struct tree_entry *src)
{
	size_t spans = src->flags & ENTRY_HAS_CHILD ? 0 : (size_t)src->nspans * SPAN_RECORD_LEN;
	size_t xattrs = src->flags & ENTRY_XATTRS_BY_ID ? 0 : src->xattrs_len;
	uint8_t *at = job_alloc(j, src->name_len + 1u + src->user_len + src->group_len + src->target_len + xattrs +
	    spans);

	if (!at)
		return -ENOMEM;
	*dst = *src;
	dst->name = place(&at, src->name, src->name_len);
	*at++ = '\0';
	dst->user = place(&at, src->user, src->user_len);
	dst->group = place(&at, src->group, src->group_len);
	dst->target = place(&at, src->target, src->target_len);
	dst->xattrs = place(&at, src->xattrs, xattrs);
	dst->spans = place(&at, src->spans, spans);
	return 0;
}

size_t job_memory(const struct job *j)
{
	size_t bytes = JOB_ITEMS_MAX * sizeof(*j->items) + j->block_bytes + j->data_len;
	const struct segment_out *s;

	for (s = j->segments; s; s = s->next)
		bytes += sizeof(*s) + s->bytes.cap + s->nobjects * sizeof(*s->objects);
	return bytes;
}
