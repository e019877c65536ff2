/*
 * Cache of open files.  See fd_cache.h.
 *
 * State of a slot, all under the lock:
 *   free      fd < 0
 *   cached    fd >= 0, named, users >= 0
 *   dropped   fd >= 0, no name, users > 0: closed and free when the last user gives it back
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/store/dir/fd_cache.h"
#include "repo/store/store.h"

#define NO_SLOT (-1)

struct slot {
	char name[STORE_NAME_MAX + 1];
	int fd;
	unsigned users;
	uint64_t used; /* the cache's clock when it was last leased */
};

struct fd_cache {
	pthread_mutex_t lock;
	uint64_t clock;
	struct slot slots[FD_CACHE_SIZE];
};

struct fd_cache *fd_cache_new(void)
{
	struct fd_cache *c = calloc(1, sizeof(*c));
	int i;

	if (c == NULL)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	for (i = 0; i < FD_CACHE_SIZE; i++)
		c->slots[i].fd = -1;
	return c;
}

void fd_cache_free(struct fd_cache *c)
{
	int i;

	if (c == NULL)
		return;
	for (i = 0; i < FD_CACHE_SIZE; i++)
		if (c->slots[i].fd >= 0)
			close(c->slots[i].fd);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void slot_clear(struct slot *slot)
{
	close(slot->fd);
	slot->fd = -1;
	slot->name[0] = '\0';
}

static struct slot *slot_find(struct fd_cache *c, const char *name)
{
	int i;

	for (i = 0; i < FD_CACHE_SIZE; i++)
		if (c->slots[i].fd >= 0 && strcmp(c->slots[i].name, name) == 0)
			return &c->slots[i];
	return NULL;
}

/* A free slot, made by closing the file that was used least recently if need be; NULL if all are in use. */
static struct slot *slot_get_free(struct fd_cache *c)
{
	struct slot *victim = NULL;
	int i;

	for (i = 0; i < FD_CACHE_SIZE; i++) {
		if (c->slots[i].fd < 0)
			return &c->slots[i];
		if (c->slots[i].users == 0 && (victim == NULL || c->slots[i].used < victim->used))
			victim = &c->slots[i];
	}
	if (victim != NULL)
		slot_clear(victim);
	return victim;
}

static void slot_lease(struct fd_cache *c, struct slot *slot, struct fd_lease *out)
{
	slot->users++;
	slot->used = ++c->clock;
	out->fd = slot->fd;
	out->slot = (int)(slot - c->slots);
}

bool fd_cache_take(struct fd_cache *c, const char *name, struct fd_lease *out)
{
	struct slot *slot;

	pthread_mutex_lock(&c->lock);
	slot = slot_find(c, name);
	if (slot != NULL)
		slot_lease(c, slot, out);
	pthread_mutex_unlock(&c->lock);
	return slot != NULL;
}

void fd_cache_add(struct fd_cache *c, const char *name, int fd, struct fd_lease *out)
{
	struct slot *slot;

	pthread_mutex_lock(&c->lock);
	slot = slot_find(c, name);
	if (slot != NULL) {
		close(fd);
	} else {
		slot = slot_get_free(c);
		if (slot != NULL) {
			slot->fd = fd;
			memcpy(slot->name, name, strlen(name) + 1);
		}
	}
	if (slot != NULL)
		slot_lease(c, slot, out);
	else
		*out = (struct fd_lease){ .fd = fd, .slot = NO_SLOT };
	pthread_mutex_unlock(&c->lock);
}

void fd_cache_give(struct fd_cache *c, const struct fd_lease *lease)
{
	struct slot *slot;

	if (lease->slot == NO_SLOT) {
		close(lease->fd);
		return;
	}
	pthread_mutex_lock(&c->lock);
	slot = &c->slots[lease->slot];
	slot->users--;
	if (slot->users == 0 && slot->name[0] == '\0')
		slot_clear(slot);
	pthread_mutex_unlock(&c->lock);
}

void fd_cache_drop(struct fd_cache *c, const char *name)
{
	struct slot *slot;

	pthread_mutex_lock(&c->lock);
	slot = slot_find(c, name);
	if (slot != NULL) {
		slot->name[0] = '\0';
		if (slot->users == 0)
			slot_clear(slot);
	}
	pthread_mutex_unlock(&c->lock);
}
