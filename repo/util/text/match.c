/*
 * Path patterns: lists of components, each matched with fnmatch(3); "**" is a component that matches any number of
 * them.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "repo/util/text/match.h"

struct pattern {
	char *given; /* as it was written */
	char *text;  /* components, each ended by a NUL */
	char **comp; /* NULL: "**" */
	size_t ncomp;
	bool negate, dirs_only;
	bool anchored;  /* from the root */
	bool last_only; /* "**" and one name: only the path's last component counts */
	atomic_bool *used; /* has matched something */
};

struct match_list {
	struct pattern *patterns;
	size_t n, cap;
};

/* A path cut into components; ${text} is a copy. */
struct path {
	char *text;
	char **comp;
	size_t ncomp;
	char text_here[1024];
	char *comp_here[128];
};

struct match_list *match_new(void)
{
	return calloc(1, sizeof(struct match_list));
}

static void pattern_destroy(struct pattern *p)
{
	free(p->given);
	free(p->text);
	free(p->comp);
	free(p->used);
}

void match_free(struct match_list *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n; i++)
		pattern_destroy(&m->patterns[i]);
	free(m->patterns);
	free(m);
}

static size_t count_slashes(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += *s == '/';
	return n;
}

/* Cut ${text} at its slashes, in place; components that are empty, or ".", say nothing and are dropped. */
static size_t cut(char *text, char **comp)
{
	char *save = NULL;
	size_t n = 0;

	for (char *c = strtok_r(text, "/", &save); c != NULL; c = strtok_r(NULL, "/", &save)) {
		if (strcmp(c, ".") != 0)
			comp[n++] = c;
	}
	return n;
}

/* A "[" that is not closed, or a backslash at the end, would make fnmatch compare literally: say so instead. */
static bool component_valid(const char *c)
{
	for (; *c != '\0'; c++) {
		if (*c == '\\' && *++c == '\0')
			return false;
		if (*c == '[') {
			const char *end = c + 1;

			end += *end == '!' || *end == '^';
			end += *end == ']';
			while (*end != '\0' && *end != ']')
				end++;
			if (*end == '\0')
				return false;
			c = end;
		}
	}
	return true;
}

static int compile(const char *text, struct pattern *p)
{
	size_t len, n;

	memset(p, 0, sizeof(*p));
	p->given = strdup(text);
	p->used = calloc(1, sizeof(*p->used));
	p->negate = *text == '!';
	text += p->negate;
	p->anchored = *text == '/';
	len = strlen(text);
	p->dirs_only = len > 1 && text[len - 1] == '/';
	p->text = strdup(text);
	p->comp = calloc(count_slashes(text) + 2, sizeof(*p->comp));
	if (p->given == NULL || p->used == NULL || p->text == NULL || p->comp == NULL)
		return -ENOMEM;
	/* What is not anchored may begin below any directory: comp[0] stays NULL, which is "**". */
	n = cut(p->text, p->comp + !p->anchored);
	if (n == 0)
		return -EINVAL;
	p->ncomp = n + !p->anchored;
	p->last_only = !p->anchored && n == 1;
	for (size_t i = !p->anchored; i < p->ncomp; i++) {
		if (strcmp(p->comp[i], "**") == 0)
			p->comp[i] = NULL;
		else if (!component_valid(p->comp[i]))
			return -EINVAL;
	}
	p->last_only = p->last_only && p->comp[1] != NULL;
	return 0;
}

int match_add(struct match_list *m, const char *pattern)
{
	struct pattern p, *grown;
	int rc;

	rc = compile(pattern, &p);
	if (rc == 0 && m->n == m->cap) {
		grown = realloc(m->patterns, (m->cap * 2 + 8) * sizeof(*grown));
		if (grown != NULL) {
			m->patterns = grown;
			m->cap = m->cap * 2 + 8;
		} else {
			rc = -ENOMEM;
		}
	}
	if (rc == 0)
		m->patterns[m->n++] = p;
	else
		pattern_destroy(&p);
	return rc;
}

int match_add_file(struct match_list *m, const char *path)
{
	FILE *f = fopen(path, "re");
	size_t cap = 0, first = m->n;
	char *line = NULL;
	ssize_t len;
	int rc = 0;

	if (f == NULL)
		return -errno;
	while (rc == 0 && (len = getline(&line, &cap, f)) >= 0) {
		while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
			line[--len] = '\0';
		if (len > 0 && line[0] != '#')
			rc = match_add(m, line);
	}
	if (rc == 0 && ferror(f))
		rc = -EIO;
	/* Such files are shared by machines; who has not what one of them names is not told each night. */
	for (size_t i = first; i < m->n; i++)
		atomic_store_explicit(m->patterns[i].used, true, memory_order_relaxed);
	free(line);
	fclose(f);
	return rc;
}

size_t match_count(const struct match_list *m)
{
	return m->n;
}

/* --- Matching ----------------------------------------------------------------------------------------------------- */

static int path_init(struct path *p, const char *path)
{
	size_t len = strlen(path), slashes = count_slashes(path);

	p->text = len < sizeof(p->text_here) ? p->text_here : malloc(len + 1);
	p->comp = slashes + 1 <= 128 ? p->comp_here : calloc(slashes + 1, sizeof(*p->comp));
	if (p->text == NULL || p->comp == NULL)
		return -ENOMEM;
	memcpy(p->text, path, len + 1);
	p->ncomp = cut(p->text, p->comp);
	return 0;
}

static void path_destroy(struct path *p)
{
	if (p->text != p->text_here)
		free(p->text);
	if (p->comp != p->comp_here)
		free(p->comp);
}

static bool component_match(const char *pattern, const char *name)
{
	return fnmatch(pattern, name, 0) == 0;
}

/*
 * Components against components.  A mismatch after a "**" lets the last "**" take one more; an earlier one need not be
 * tried again, as what stands between the two has matched as early as it could.
 */
static bool pattern_match(const struct pattern *p, const struct path *path)
{
	size_t pi = 0, si = 0, star = SIZE_MAX, star_si = 0;

	if (p->last_only)
		return path->ncomp > 0 && component_match(p->comp[1], path->comp[path->ncomp - 1]);
	while (si < path->ncomp) {
		if (pi < p->ncomp && p->comp[pi] == NULL) {
			star = pi++;
			star_si = si;
		} else if (pi < p->ncomp && component_match(p->comp[pi], path->comp[si])) {
			pi++;
			si++;
		} else if (star != SIZE_MAX) {
			pi = star + 1;
			si = ++star_si;
		} else {
			return false;
		}
	}
	/* A "**" at the end stands for what is below the directory, not for the directory itself. */
	return pi == p->ncomp;
}

/* Does the pattern match the path, or its ${other} name (NULL: none)? */
static bool matches(const struct pattern *p, const struct path *path, const struct path *other, bool is_dir)
{
	bool hit = (!p->dirs_only || is_dir) &&
	    (pattern_match(p, path) || (other != NULL && p->anchored && pattern_match(p, other)));

	if (hit)
		atomic_store_explicit(p->used, true, memory_order_relaxed);
	return hit;
}

/* The last pattern that matches decides; those before it are asked only whether they are of use at all. */
static bool decide(const struct match_list *m, const struct path *path, const struct path *other, bool is_dir)
{
	bool decided = false, hit = false;

	for (size_t i = m->n; i-- > 0;) {
		const struct pattern *p = &m->patterns[i];

		if (decided && atomic_load_explicit(p->used, memory_order_relaxed))
			continue;
		if (matches(p, path, other, is_dir) && !decided) {
			decided = true;
			hit = !p->negate;
		}
	}
	return hit;
}

bool match_paths(const struct match_list *m, const char *path, const char *other, bool is_dir)
{
	struct path cut_path, cut_other;
	bool hit = false;
	int rc;

	if (m == NULL || m->n == 0)
		return false;
	rc = path_init(&cut_path, path);
	if (other == NULL) {
		hit = rc == 0 && decide(m, &cut_path, NULL, is_dir);
	} else {
		hit = path_init(&cut_other, other) == 0 && rc == 0 && decide(m, &cut_path, &cut_other, is_dir);
		path_destroy(&cut_other);
	}
	path_destroy(&cut_path);
	return hit;
}

bool match_path(const struct match_list *m, const char *path, bool is_dir)
{
	return match_paths(m, path, NULL, is_dir);
}

bool match_anchored(const struct match_list *m)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->patterns[i].anchored)
			return true;
	}
	return false;
}

const char *match_unused(const struct match_list *m, size_t *i)
{
	while (*i < m->n) {
		const struct pattern *p = &m->patterns[(*i)++];

		if (!atomic_load_explicit(p->used, memory_order_relaxed))
			return p->given;
	}
	return NULL;
}

/* Do the pattern's first components match the directory's, as far as both go? */
static bool pattern_may_below(const struct pattern *p, const struct path *dir)
{
	for (size_t i = 0; i < p->ncomp && i < dir->ncomp; i++) {
		if (p->comp[i] == NULL)
			return true;
		if (!component_match(p->comp[i], dir->comp[i]))
			return false;
	}
	return true;
}

bool match_may_below(const struct match_list *m, const char *path)
{
	struct path cut_path;
	bool may = false;

	if (path_init(&cut_path, path) == 0) {
		for (size_t i = 0; i < m->n && !may; i++)
			may = !m->patterns[i].negate && pattern_may_below(&m->patterns[i], &cut_path);
	}
	path_destroy(&cut_path);
	return may;
}
