/*
 * List Blobs, page by page.  See azure_impl.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/azure/azure_impl.h"
#include "repo/store/parse/paging.h"

/* The service gives at most 5000 entries a page, of some 700 bytes. */
#define PAGE_MAX ((size_t)16 * 1024 * 1024)

/* Others' blobs, if there are any, are not the store's. */
static int tell_blob(struct azure_listing *l)
{
	size_t skip = strlen(l->prefix);

	if (strncmp(l->name, l->prefix, skip) == 0 && store_name_valid(l->name + skip))
		l->returned = l->fn(l->arg, l->name + skip, l->size);
	l->name[0] = '\0';
	l->size = 0;
	return l->returned;
}

static int on_element(void *arg, const char *path, const char *text)
{
	static const char blob[] = "/EnumerationResults/Blobs/Blob";
	struct azure_listing *l = arg;

	if (strcmp(path, "/EnumerationResults") == 0)
		l->ended = true;
	if (strcmp(path, "/EnumerationResults/NextMarker") == 0) {
		l->marked = true;
		memcpy(l->marker, text, strnlen(text, sizeof(l->marker) - 1) + 1);
		l->marker[sizeof(l->marker) - 1] = '\0';
		return 0;
	}
	if (strncmp(path, blob, sizeof(blob) - 1) != 0)
		return 0;
	path += sizeof(blob) - 1;
	if (*path == '\0') {
		l->nblobs++;
		return tell_blob(l);
	}
	if (strcmp(path, "/Name") == 0 && strlen(text) < sizeof(l->name))
		memcpy(l->name, text, strlen(text) + 1);
	else if (strcmp(path, "/Properties/Content-Length") == 0)
		l->size = strtoull(text, NULL, 10);
	return 0;
}

/* Ask for the page at ${marker}.  Return 0 with its XML in ${page}; errors as of the store. */
static int get_page(struct store_azure *a, const char *full_prefix, const char *marker, const char *prefix,
    struct buf *page)
{
	struct azure_call c = { .method = "GET", .append = page, .max = PAGE_MAX };
	struct http_reply r = { 0 };
	int rc;

	azure_add_param(&c, "restype", "container");
	azure_add_param(&c, "comp", "list");
	if (*full_prefix != '\0')
		azure_add_param(&c, "prefix", full_prefix);
	if (*marker != '\0')
		azure_add_param(&c, "marker", marker);
	rc = azure_perform(a, &c, &r);
	if (rc < 0 || r.status != 200)
		rc = azure_failed(a, rc, &r, "list", prefix);
	http_reply_free(&r);
	return rc;
}

int azure_read_page(struct azure_listing *l, const void *xml, size_t len)
{
	int rc;

	l->marker[0] = '\0';
	l->ended = l->marked = false;
	l->nblobs = 0;
	rc = xml_parse(xml, len, on_element, l);
	if (l->returned != 0)
		return l->returned;
	/* The service always says what comes next, if only that nothing does.  Others' pages would be empty lists. */
	return rc == 0 && !(l->ended && l->marked) ? -EBADMSG : rc;
}

int azure_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	struct store_azure *a = azure_of(s);
	struct buf full = BUF_INIT, page = BUF_INIT;
	struct azure_listing *l = calloc(1, sizeof(*l));
	struct paging paging = { 0 };
	int rc = -ENOMEM;

	if (l == NULL || buf_printf(&full, "%s%s", a->prefix, prefix) < 0) {
		log_error(s->log, "%s/%s: list: out of memory", s->url, prefix);
		goto out;
	}
	*l = (struct azure_listing){ .prefix = a->prefix, .fn = fn, .arg = arg };
	do {
		buf_clear(&page);
		rc = get_page(a, (const char *)full.data, l->marker, prefix, &page);
		if (rc < 0) {
			/* A list has no answer "not there": that would be an empty one. */
			rc = rc == -ENOENT ? -EIO : rc;
			break;
		}
		rc = azure_read_page(l, page.data, page.len);
		if (rc == -EBADMSG && l->returned == 0) {
			log_error(s->log, "%s/%s: list: the answer is no list of blobs", s->url, prefix);
			rc = -EIO;
		}
		if (rc == 0 && l->marker[0] != '\0' && paging_next(&paging, l->marker, l->nblobs == 0) != 0) {
			log_error(s->log, "%s/%s: list: the server's pages have no end", s->url, prefix);
			rc = -EIO;
		}
	} while (rc == 0 && l->marker[0] != '\0');
out:
	paging_free(&paging);
	free(l);
	buf_free(&full);
	buf_free(&page);
	return rc;
}
