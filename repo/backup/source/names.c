/*
 * User and group names.  A table of fixed size in which a newcomer takes the place of who was there: memory stays
 * bounded, however many owners a source has.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "repo/backup/source/names.h"

#define SLOTS 4096            /* a power of two */
#define LOOKUP_MAX (1 << 20)  /* bytes of a passwd or group record */
#define LOOKUP_MIN 1024
#define NAME_LEN_MAX 255

struct slot {
	uint32_t id;
	char *name; /* NULL: empty slot */
};

struct names {
	struct slot user[SLOTS], group[SLOTS];
	char *room; /* of getpwuid_r() */
	size_t size;
};

struct names *names_new(void)
{
	return calloc(1, sizeof(struct names));
}

void names_free(struct names *n)
{
	unsigned i;

	if (!n)
		return;
	for (i = 0; i < SLOTS; i++) {
		free(n->user[i].name);
		free(n->group[i].name);
	}
	free(n->room);
	free(n);
}

static const char *ask_user(struct names *n, uint32_t id, int *err)
{
	struct passwd pw, *found = NULL;

	*err = getpwuid_r(id, &pw, n->room, n->size, &found);
	return found ? found->pw_name : NULL;
}

static const char *ask_group(struct names *n, uint32_t id, int *err)
{
	struct group gr, *found = NULL;

	*err = getgrgid_r(id, &gr, n->room, n->size, &found);
	return found ? found->gr_name : NULL;
}

/* The name that the system knows, or "".  Borrowed until the next call. */
static const char *look_up(struct names *n, uint32_t id, const char *(*ask)(struct names *, uint32_t, int *))
{
	const char *name = NULL;
	int err = ERANGE;

	while (err == ERANGE && n->size < LOOKUP_MAX) {
		if (n->size)
			name = ask(n, id, &err);
		if (err == ERANGE) {
			n->size = n->size ? n->size * 2 : LOOKUP_MIN;
			free(n->room);
			n->room = malloc(n->size);
		}
		if (!n->room) {
			n->size = 0;
			break;
		}
	}
	return name && strlen(name) <= NAME_LEN_MAX ? name : "";
}

static const char *find(struct names *n, struct slot *table, uint32_t id,
    const char *(*ask)(struct names *, uint32_t, int *))
{
	struct slot *s = &table[(id ^ id >> 12) % SLOTS];

	if (!s->name || s->id != id) {
		free(s->name);
		s->name = strdup(look_up(n, id, ask));
		s->id = id;
	}
	return s->name ? s->name : "";
}

void names_fill(struct names *n, struct tree_entry *e)
{
	e->user = find(n, n->user, e->uid, ask_user);
	e->user_len = (uint8_t)strlen(e->user);
	e->group = find(n, n->group, e->gid, ask_group);
	e->group_len = (uint8_t)strlen(e->group);
}
