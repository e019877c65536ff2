/*
 * Manifests in memory: making them, filling them in, freeing them.
 */
#include "repo/snapshot/manifest/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/snapshot/manifest/manifest_impl.h"
#include "repo/tree/page/page.h"

#define ROOT_NAME "root"
#define ROOT_NAME_LEN 4

void manifest_init(struct manifest *m)
{
	memset(m, 0, sizeof(*m));
}

static void free_list(char **list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void manifest_destroy(struct manifest *m)
{
	free(m->host);
	free(m->user);
	free(m->profile);
	free(m->program);
	free(m->writer);
	free_list(m->paths, m->npaths);
	free_list(m->tags, m->ntags);
	buf_free(&m->root_page);
	buf_free(&m->root_place);
	buf_free(&m->cert);
	manifest_init(m);
}

int manifest_list_add(char ***list, uint32_t *n, const char *s, size_t len)
{
	char **grown, *copy = NULL;
	int rc = -EINVAL;

	if (*n >= MANIFEST_LIST_MAX)
		goto out;
	rc = -ENOMEM;
	copy = strndup(s, len);
	if (copy == NULL)
		goto out;
	/* The capacity is the power of two that the count has reached. */
	if ((*n & (*n - 1)) == 0) {
		grown = realloc(*list, (*n ? 2 * (size_t)*n : 1) * sizeof(*grown));
		if (grown == NULL)
			goto out;
		*list = grown;
	}
	(*list)[(*n)++] = copy;
	copy = NULL;
	rc = 0;
out:
	free(copy);
	return rc;
}

int manifest_add_path(struct manifest *m, const char *path)
{
	size_t len = strlen(path);

	return len > MANIFEST_PATH_MAX ? -EINVAL : manifest_list_add(&m->paths, &m->npaths, path, len);
}

int manifest_add_tag(struct manifest *m, const char *tag)
{
	size_t len = strlen(tag);

	return len > MANIFEST_STRING_MAX ? -EINVAL : manifest_list_add(&m->tags, &m->ntags, tag, len);
}

int manifest_open_root(struct manifest *m)
{
	struct tree_page page;
	struct tree_entry root;

	if (tree_page_open(&page, m->root_page.data, m->root_page.len) < 0)
		return -EBADMSG;
	if (page.level != 0 || page.count != 1)
		return -EBADMSG;
	tree_page_entry(&page, 0, &root);
	if (root.type != ENTRY_DIR || entry_name_compare(root.name, root.name_len, ROOT_NAME, ROOT_NAME_LEN) != 0)
		return -EBADMSG;
	m->root = root;
	return 0;
}

int manifest_set_root(struct manifest *m, const struct tree_entry *root)
{
	struct tree_page_builder b;
	struct tree_entry e = *root;
	struct buf page = BUF_INIT;
	int rc;

	e.name = ROOT_NAME;
	e.name_len = ROOT_NAME_LEN;
	tree_page_builder_init(&b, 0);
	rc = e.type == ENTRY_DIR ? tree_page_builder_add(&b, &e) : -EINVAL;
	if (rc == 0)
		rc = tree_page_builder_finish(&b, &page);
	if (rc < 0)
		goto out;
	buf_free(&m->root_page);
	m->root_page = page;
	page = (struct buf)BUF_INIT;
	rc = manifest_open_root(m);
out:
	buf_free(&page);
	tree_page_builder_destroy(&b);
	return rc;
}
