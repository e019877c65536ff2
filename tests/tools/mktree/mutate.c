/*
 * Change a tree in the ways that trees change between two backups.
 *
 * The paths are listed once, sorted; each change picks from that list by the seed and is tried again elsewhere if what
 * it picked is no longer there or not fit for it.  Trees below paths of ${PATH_LIMIT} bytes are left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/tools/mktree/mutate.h"

#define PATH_LIMIT 3000
#define SIZE_LIMIT (16 * 1024 * 1024) /* larger files are not rewritten */
#define TRIES 50

void mutation_add(struct mutation *m, char *path)
{
	if (m->count == m->cap) {
		m->cap = m->cap * 2 + 256;
		m->path = xrealloc(m->path, m->cap * sizeof(*m->path));
	}
	m->path[m->count++] = path;
}

char *mutation_join(const char *dir, const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "%s%s%s", dir, *dir ? "/" : "", name) < 0)
		die("out of memory");
	return path;
}

static void list_directory(struct mutation *m, const char *path)
{
	int fd = openat(m->root, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct names n;

	if (fd < 0)
		return; /* not a directory, or not ours to read */
	if (names_read(fd, &n) == 0) {
		for (size_t i = 0; i < n.count; i++)
			mutation_add(m, mutation_join(path, names_get(&n, i)));
		names_free(&n);
	}
	close(fd);
}

/* Breadth first: the list is also the queue of directories to be read. */
static void list_all(struct mutation *m)
{
	list_directory(m, "");
	for (size_t i = 0; i < m->count; i++)
		if (strlen(m->path[i]) < PATH_LIMIT)
			list_directory(m, m->path[i]);
}

bool mutation_pick(struct mutation *m, mode_t type, struct victim *v)
{
	for (int i = 0; i < TRIES && m->count; i++) {
		v->path = m->path[rng_below(&m->rng, m->count)];
		if (strlen(v->path) >= PATH_LIMIT || fstatat(m->root, v->path, &v->st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (!type || (v->st.st_mode & S_IFMT) == type)
			return true;
	}
	return false;
}

bool mutation_pick_file(struct mutation *m, struct victim *v, bool with_content)
{
	for (int i = 0; i < TRIES; i++)
		if (mutation_pick(m, S_IFREG, v) && v->st.st_size <= SIZE_LIMIT && (!with_content || v->st.st_size > 0))
			return true;
	return false;
}

char *mutation_new_path(struct mutation *m, const char *what)
{
	struct victim dir;
	char name[64];

	snprintf(name, sizeof(name), "%s %" PRIu64, what, m->number++);
	return mutation_join(mutation_pick(m, S_IFDIR, &dir) ? dir.path : "", name);
}

char *mutation_sibling_path(struct mutation *m, const char *path, const char *what)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, (size_t)(slash - path)) : xstrdup(""), *result;
	char name[64];

	if (!dir)
		die("out of memory");
	snprintf(name, sizeof(name), "%s %" PRIu64, what, m->number++);
	result = mutation_join(dir, name);
	free(dir);
	return result;
}

bool mutation_tell(struct mutation *m, const char *what, const char *path, bool done)
{
	if (!done)
		return false;
	m->made++;
	printf("%s: ", what);
	put_quoted(stdout, path, strlen(path));
	putchar('\n');
	return true;
}

static void make_changes(struct mutation *m, const change_fn *fn, uint64_t rounds)
{
	for (uint64_t round = 0; round < rounds; round++)
		for (size_t i = 0; fn[i]; i++)
			for (int try = 0; try < TRIES && !fn[i](m); try++)
				;
}

uint64_t mutate_tree(int root, const struct mutate_options *opt)
{
	struct mutation m = { .root = root };

	rng_init(&m.rng, opt->seed);
	list_all(&m);
	if (opt->sneaky)
		make_changes(&m, mutations_sneaky, opt->rounds);
	else
		make_changes(&m, mutations_usual, opt->rounds);
	for (size_t i = 0; i < m.count; i++)
		free(m.path[i]);
	free(m.path);
	return m.made;
}
