/*
 * Listing: one directory after the other, each as "ls -l" would show it.  See sftp_impl.h.
 *
 * The protocol leaves that text to the server; the sizes in it are asked for singly where it looks unusual.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/sftp/sftp_impl.h"

#define LIST_MAX ((size_t)256 * 1024 * 1024) /* bytes of a directory's listing */

/* Cut the last word off a line.  Return it, or NULL if there is none. */
static char *cut_word(char *line)
{
	size_t end = strlen(line), begin;

	while (end > 0 && isspace((unsigned char)line[end - 1]))
		end--;
	line[end] = '\0';
	for (begin = end; begin > 0 && !isspace((unsigned char)line[begin - 1]); begin--)
		;
	if (begin == end)
		return NULL;
	if (begin > 0)
		line[begin - 1] = '\0';
	return line + begin;
}

/*
 * From the end, as names of users may have spaces, and names of objects have none: time or year, day, month, size.
 * False if the words are not of that kind.
 */
static bool parse_size(char *line, uint64_t *out)
{
	const char *when = cut_word(line), *day = when != NULL ? cut_word(line) : NULL;
	const char *month = day != NULL ? cut_word(line) : NULL, *size = month != NULL ? cut_word(line) : NULL;
	unsigned long long value;
	char *end;

	if (size == NULL || *size < '0' || *size > '9' || strlen(size) > 18 || strlen(month) != 3 ||
	    !isalpha((unsigned char)*month) || strspn(day, "0123456789") != strlen(day) ||
	    strspn(when, "0123456789:") != strlen(when))
		return false;
	value = strtoull(size, &end, 10);
	if (*end != '\0')
		return false;
	*out = value;
	return true;
}

bool sftp_parse_line(char *line, struct sftp_entry *out)
{
	struct sftp_entry e = { 0 };
	char kind = *line, *arrow;

	if (kind != '-' && kind != 'd' && kind != 'l')
		return false;
	if (kind == 'l') {
		arrow = strstr(line, " -> ");
		if (arrow != NULL)
			*arrow = '\0';
	}
	e.name = cut_word(line);
	/* One component: a "/" in it, or "..", is no name that store_name_valid() would take. */
	if (e.name == NULL || e.name == line || strchr(e.name, '/') != NULL || !store_name_valid(e.name))
		return false;
	e.directory = kind != '-';
	e.sized = !e.directory && parse_size(line, &e.size);
	*out = e;
	return true;
}

/* A listing under way. */
struct listing {
	struct store_sftp *f;
	store_list_fn *fn;
	void *arg;
	bool names_only;
	struct buf pending; /* directories yet to be read: names with a "/" behind them, each with a NUL */
	bool ended;         /* ${fn} has ended it */
};

static int tell_file(struct listing *l, const char *name, const struct sftp_entry *e)
{
	uint64_t size = e->size;
	int rc = 0;

	if (!e->sized && !l->names_only)
		rc = sftp_stat(&l->f->base, name, &size);
	/* Gone since then. */
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	rc = l->fn(l->arg, name, size);
	l->ended = rc != 0;
	return rc;
}

/* An entry of ${directory} ("" or with a "/" at its end). */
static int take_entry(struct listing *l, const char *directory, const struct sftp_entry *e)
{
	char name[STORE_NAME_MAX + 2];
	size_t before = strlen(directory), len = strlen(e->name);

	if (before + len > STORE_NAME_MAX)
		return 0;
	memcpy(name, directory, before);
	memcpy(name + before, e->name, len + 1);
	/* Not tmp/, and nothing deeper than names are. */
	if (!store_name_valid(name))
		return 0;
	if (!e->directory)
		return tell_file(l, name, e);
	memcpy(name + before + len, "/", 2);
	return buf_append(&l->pending, name, before + len + 2);
}

static int take_lines(struct listing *l, const char *directory, char *text)
{
	struct sftp_entry e;
	char *line, *rest = text;
	int rc = 0;

	while (rc == 0 && (line = strsep(&rest, "\n")) != NULL)
		if (sftp_parse_line(line, &e))
			rc = take_entry(l, directory, &e);
	return rc;
}

static int read_directory(struct listing *l, const char *directory)
{
	struct buf text = BUF_INIT;
	struct http_request q = { .method = "LIST", .append = &text, .max = LIST_MAX };
	struct http_reply r = { 0 };
	int rc;

	rc = sftp_perform(l->f, &q, directory, &r);
	if (rc < 0 || r.status != 200)
		rc = sftp_failed(l->f, rc, &r, "list", directory);
	else
		rc = buf_u8(&text, 0);
	http_reply_free(&r);
	/* A directory that nothing has been put into yet. */
	if (rc == -ENOENT)
		rc = 0;
	else if (rc == 0)
		rc = take_lines(l, directory, (char *)text.data);
	buf_free(&text);
	return rc;
}

static int list(struct store *s, const char *prefix, bool names_only, store_list_fn *fn, void *arg)
{
	struct listing l = { .f = sftp_of(s), .fn = fn, .arg = arg, .names_only = names_only };
	char directory[STORE_NAME_MAX + 2];
	size_t at, len;
	int rc;

	rc = buf_append(&l.pending, prefix, strlen(prefix) + 1);
	for (at = 0; rc == 0 && at < l.pending.len; at += len) {
		len = strlen((const char *)l.pending.data + at) + 1;
		memcpy(directory, l.pending.data + at, len);
		rc = read_directory(&l, directory);
	}
	if (rc == -ENOMEM && !l.ended)
		log_error(s->log, "%s/%s: list: out of memory", s->url, prefix);
	buf_free(&l.pending);
	return rc;
}

int sftp_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	return list(s, prefix, false, fn, arg);
}

int sftp_list_names(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	return list(s, prefix, true, fn, arg);
}
