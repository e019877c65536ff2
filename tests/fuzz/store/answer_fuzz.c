/*
 * Answers of servers that have no target of their own: WebDAV's multistatus, Azure's pages, dates of headers.  The
 * first byte chooses.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/azure/azure_impl.h"
#include "repo/store/webdav/webdav_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool truth)
{
	if (!truth)
		abort();
}

/* Of any listing no name may come that leads anywhere. */
static int take_blob(void *arg, const char *name, uint64_t size)
{
	(void)arg;
	(void)size;
	need(store_name_valid(name));
	return 0;
}

static int take_resource(void *arg, const struct webdav_resource *r)
{
	(void)arg;
	need(strchr(r->name, '/') == NULL && strlen(r->name) <= STORE_NAME_MAX);
	return 0;
}

static void read_azure(const uint8_t *data, size_t size)
{
	struct azure_listing *l = calloc(1, sizeof(*l));
	int rc;

	if (l == NULL)
		return;
	l->prefix = "repo/";
	l->fn = take_blob;
	rc = azure_read_page(l, data, size);
	need(rc == 0 || rc == -EBADMSG || rc == -ENOMEM);
	need(strlen(l->marker) < sizeof(l->marker));
	free(l);
}

static void read_webdav(const uint8_t *data, size_t size)
{
	char path[] = "/dav/repo", shown[] = "webdav+https://host/dav/repo";
	struct store_webdav *d = calloc(1, sizeof(*d));
	struct buf reply = BUF_INIT;
	int rc;

	if (d == NULL)
		return;
	d->base.url = shown;
	d->site.url.path = path;
	if (buf_append(&reply, data, size) == 0) {
		rc = webdav_read_multistatus(d, "packs/", &reply, take_resource, NULL);
		need(rc == 0 || rc == -EIO || rc == -EACCES || rc == -ENOMEM);
	}
	buf_free(&reply);
	free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;

	if (size == 0)
		return 0;
	switch (data[0]) {
	case 'a':
		read_azure(data + 1, size - 1);
		break;
	case 'w':
		read_webdav(data + 1, size - 1);
		break;
	default:
		copy = strndup((const char *)data + 1, size - 1);
		need(copy == NULL || http_date(copy) >= -1);
		free(copy);
		break;
	}
	return 0;
}
