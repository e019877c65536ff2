/*
 * A WebDAV server for tests.  See dav.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/store/webdav/dav.h"

#define PATH_SIZE 2048

/* What is answered to the errno of a call that has failed. */
static int status_of(int err)
{
	return err == ENOENT ? 404 : err == EEXIST ? 405 : err == EACCES ? 403 : 500;
}

static void path_of(const struct dav *d, const char *target, char out[PATH_SIZE])
{
	snprintf(out, PATH_SIZE, "%s%.*s", d->root, (int)strcspn(target, "?"), target);
}

static bool parent_exists(const char *path)
{
	char parent[PATH_SIZE];
	struct stat st;
	size_t len = strlen(path);

	memcpy(parent, path, len + 1);
	while (len > 0 && parent[len - 1] == '/')
		parent[--len] = '\0';
	*strrchr(parent, '/') = '\0';
	return stat(parent, &st) == 0;
}

static int put(const struct dav *d, const char *path, const struct buf *body)
{
	struct stat st;
	bool is_new = stat(path, &st) != 0;
	FILE *f;

	if (!parent_exists(path))
		return d->no_parent != 0 ? d->no_parent : 409;
	f = fopen(path, "w");
	if (f == NULL)
		return status_of(errno);
	if (body->len > 0)
		fwrite(body->data, 1, body->len, f);
	return fclose(f) != 0 ? 507 : is_new ? 201 : 204;
}

static int move(const struct dav *d, const struct web_request *q, const char *path)
{
	char destination[256], overwrite[256], to[PATH_SIZE];
	const char *url = web_header(q, "Destination", destination);
	bool replace = web_header(q, "Overwrite", overwrite) == NULL || overwrite[0] != 'F';

	if (url == NULL || strncmp(url, web_url(q->web), strlen(web_url(q->web))) != 0)
		return 400;
	path_of(d, url + strlen(web_url(q->web)), to);
	if (!parent_exists(to))
		return d->no_parent != 0 ? d->no_parent : 409;
	if (syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, to, replace ? 0 : 1) == 0)
		return 201;
	return errno == EEXIST ? 412 : status_of(errno);
}

static int make_collection(const char *path)
{
	if (path[strlen(path) - 1] != '/' || !parent_exists(path))
		return 409;
	return mkdir(path, 0700) == 0 ? 201 : status_of(errno);
}

static void print_response(struct buf *out, const struct dav *d, const char *href, const struct stat *st)
{
	char date[64];
	struct tm tm;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&st->st_mtime, &tm));
	buf_printf(out, "<D:response><D:href>%s%s</D:href><D:propstat><D:prop>", href, S_ISDIR(st->st_mode) &&
	    href[strlen(href) - 1] != '/' ? "/" : "");
	buf_printf(out, "<D:getlastmodified>%s</D:getlastmodified>", date);
	if (S_ISDIR(st->st_mode))
		buf_printf(out, "<D:resourcetype><D:collection/></D:resourcetype>");
	else
		buf_printf(out, "<D:getcontentlength>%lld</D:getcontentlength>", (long long)st->st_size);
	if (d->quota)
		buf_printf(out, "<D:quota-available-bytes>1000</D:quota-available-bytes>"
		    "<D:quota-used-bytes>234</D:quota-used-bytes>");
	buf_printf(out, "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat><D:propstat><D:prop>"
	    "<D:getcontentlength/><D:quota-used-bytes/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status>"
	    "</D:propstat></D:response>");
}

/* Call ${print} for each entry of the directory at ${path}. */
static void each_entry(const char *path, void (*print)(void *arg, const char *name, const struct stat *st), void *arg)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	struct stat st;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (e->d_name[0] != '.' && fstatat(dirfd(dir), e->d_name, &st, 0) == 0)
			print(arg, e->d_name, &st);
	}
	if (dir != NULL)
		closedir(dir);
}

struct page {
	struct buf out;
	const struct dav *d;
	const char *target;
};

static void print_member(void *arg, const char *name, const struct stat *st)
{
	struct page *p = arg;
	char href[PATH_SIZE];

	snprintf(href, sizeof(href), "%s%s", p->target, name);
	print_response(&p->out, p->d, href, st);
}

static void propfind(const struct dav *d, const struct web_request *q, const char *path)
{
	struct page p = { .d = d, .target = q->target };
	char depth[256];
	struct stat st;

	if (stat(path, &st) != 0) {
		web_answer(q, status_of(errno), "", "", 0);
		return;
	}
	if (web_header(q, "Depth", depth) == NULL || strchr("01", depth[0]) == NULL) {
		web_answer(q, 403, "", "", 0);
		return;
	}
	buf_printf(&p.out, "<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\">");
	print_response(&p.out, d, q->target, &st);
	if (depth[0] == '1')
		each_entry(path, print_member, &p);
	buf_printf(&p.out, "</D:multistatus>");
	web_answer(q, 207, "Content-Type: text/xml\r\n", p.out.data, p.out.len);
	buf_free(&p.out);
}

static void print_link(void *arg, const char *name, const struct stat *st)
{
	struct page *p = arg;
	const char *slash = S_ISDIR(st->st_mode) ? "/" : "";

	buf_printf(&p->out, "<a href=\"%s%s\"><img src=\"/icon\"></a> <a class=x href=\"%s%s\">%s</a> 1.2K\n", name,
	    slash, name, slash, name);
}

static void print_json(void *arg, const char *name, const struct stat *st)
{
	struct page *p = arg;

	buf_printf(&p->out, "%s\n{ \"name\":\"%s\", \"type\":\"%s\", \"mtime\":\"Sat, 21\\\"\", \"size\":%lld }",
	    p->out.len > 1 ? "," : "", name, S_ISDIR(st->st_mode) ? "directory" : "file", (long long)st->st_size);
}

static void serve_directory(const struct dav *d, const struct web_request *q, const char *path)
{
	struct page p = { .d = d, .target = q->target };

	if (d->index == DAV_INDEX_NONE) {
		web_answer(q, 403, "", "", 0);
	} else if (d->index == DAV_INDEX_HTML) {
		buf_printf(&p.out, "<html><a href=\"../\">up</a> <a href=\"?C=N;O=D\">Name</a> <a href='/'>root</a>\n");
		each_entry(path, print_link, &p);
		web_answer(q, 200, "Content-Type: text/html\r\n", p.out.data, p.out.len);
	} else {
		buf_printf(&p.out, "[");
		each_entry(path, print_json, &p);
		buf_printf(&p.out, "]");
		web_answer(q, 200, "Content-Type: application/json\r\n", p.out.data, p.out.len);
	}
	buf_free(&p.out);
}

static void serve_file(const struct dav *d, const struct web_request *q, const char *path)
{
	struct stat st;
	char *data;
	FILE *f;

	if (stat(path, &st) != 0) {
		web_answer(q, status_of(errno), "", "", 0);
		return;
	}
	if (S_ISDIR(st.st_mode)) {
		serve_directory(d, q, path);
		return;
	}
	data = malloc((size_t)st.st_size + 1);
	f = fopen(path, "r");
	if (data != NULL && f != NULL && fread(data, 1, (size_t)st.st_size, f) == (size_t)st.st_size)
		web_serve(q, data, (size_t)st.st_size);
	else
		web_answer(q, 500, "", "", 0);
	if (f != NULL)
		fclose(f);
	free(data);
}

/* Do what has no answer but a status.  Return it, or 0 for another method. */
static int change(const struct dav *d, const struct web_request *q, const char *path)
{
	if (strcmp(q->method, "PUT") == 0)
		return put(d, path, &q->body);
	if (strcmp(q->method, "MOVE") == 0)
		return move(d, q, path);
	if (strcmp(q->method, "MKCOL") == 0)
		return make_collection(path);
	if (strcmp(q->method, "DELETE") == 0)
		return unlink(path) == 0 ? 204 : status_of(errno);
	return 0;
}

bool dav_answer(void *arg, const struct web_request *q)
{
	const struct dav *d = arg;
	char path[PATH_SIZE], text[256];
	bool more = true;
	int status;

	if (d->password != NULL && (web_header(q, "Authorization", text) == NULL ||
	    strncmp(text, "Basic ", 6) != 0 || strcmp(text + 6, d->password) != 0)) {
		web_answer(q, 401, "WWW-Authenticate: Basic realm=\"x\"\r\n", "", 0);
		return true;
	}
	if (d->before != NULL && d->before(d->arg, q, &more))
		return more;
	path_of(d, q->target, path);
	status = change(d, q, path);
	if (d->after != NULL && d->after(d->arg, q, &more))
		return more;
	if (status != 0)
		web_answer(q, status, "", "", 0);
	else if (strcmp(q->method, "PROPFIND") == 0)
		propfind(d, q, path);
	else
		serve_file(d, q, path);
	return true;
}
