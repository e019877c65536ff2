/*
 * Listing: directory by directory, some at a time, each as "ls -l" would show it.  See sftp_impl.h.
 *
 * The protocol leaves that text to the server; the sizes in it are asked for singly where it looks unusual.
 */
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/sftp/sftp_impl.h"
#include "repo/util/process/harden.h"

#define LIST_MAX ((size_t)256 * 1024 * 1024) /* bytes of a directory's listing */
#define AT_ONCE 8 /* directories; the engine has no more connections of this kind */

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

bool sftp_is_line(const char *line)
{
	return *line == '\0' || strcmp(line, "\r") == 0 || strchr("-dlbcpsD", *line) != NULL;
}

/* A listing that is not understood would look like one of nothing. */
static int take_lines(struct listing *l, const char *directory, char *text)
{
	struct sftp_entry e;
	char *line, *rest = text;
	int rc = 0;

	while (rc == 0 && (line = strsep(&rest, "\n")) != NULL) {
		if (!sftp_is_line(line)) {
			log_error(l->f->base.log, "%s/%s: list: the server's listing is not understood",
			    l->f->base.url, directory);
			rc = -EIO;
		} else if (sftp_parse_line(line, &e)) {
			rc = take_entry(l, directory, &e);
		}
	}
	return rc;
}

/* A directory that is being read, by a thread of its own. */
struct reading {
	struct store_sftp *f;
	char directory[STORE_NAME_MAX + 2];
	struct buf text; /* its listing, with a NUL; empty if it failed, or if nothing was put into the directory yet */
	int rc;
	pthread_t thread;
	bool started;
};

/* There is no such directory.  Return 0 if that is as good as an empty one. */
static int judge_absent(struct store_sftp *f, const char *directory)
{
	char name[STORE_NAME_MAX + 2];
	size_t len = strlen(directory);
	int rc;

	if (len > 0) {
		memcpy(name, directory, len);
		name[len - 1] = '\0';
		rc = store_absent(&f->base, "list", name, sftp_look);
		return rc == -ENOENT ? 0 : rc;
	}
	if (atomic_load(&f->base.config) == STORE_CONFIG_SEEN)
		return store_invisible(&f->base, "list", "");
	if (f->create)
		return 0;
	log_error(f->base.log, "%s: list: there is no such directory", f->base.url);
	return -ENOENT;
}

static void read_directory(struct reading *d)
{
	struct http_request q = { .method = "LIST", .append = &d->text, .max = LIST_MAX };
	struct http_reply r = { 0 };
	int rc;

	rc = sftp_perform(d->f, &q, d->directory, &r);
	if (rc < 0 || r.status != 200)
		rc = sftp_failed(d->f, rc, &r, "list", d->directory);
	else
		rc = buf_u8(&d->text, 0);
	http_reply_free(&r);
	/* It may have a part of the listing, without a NUL. */
	if (rc < 0)
		buf_clear(&d->text);
	d->rc = rc == -ENOENT ? judge_absent(d->f, d->directory) : rc;
}

static void *run_reading(void *arg)
{
	read_directory(arg);
	return NULL;
}

/* All of them side by side, as each costs some round trips.  Without a thread for one, it is read here. */
static void read_directories(struct reading *d, size_t n)
{
	sigset_t before;

	harden_block_signals(&before);
	for (size_t i = 1; i < n; i++)
		d[i].started = pthread_create(&d[i].thread, NULL, run_reading, &d[i]) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	for (size_t i = 0; i < n; i++)
		if (!d[i].started)
			read_directory(&d[i]);
	for (size_t i = 0; i < n; i++)
		if (d[i].started)
			pthread_join(d[i].thread, NULL);
}

/* Read the next pending directories, from ${*at} on, and tell of their files. */
static int list_some(struct listing *l, struct reading *d, size_t *at)
{
	size_t n, len;
	int rc = 0;

	for (n = 0; n < AT_ONCE && *at < l->pending.len; n++, *at += len) {
		len = strlen((const char *)l->pending.data + *at) + 1;
		d[n] = (struct reading){ .f = l->f };
		memcpy(d[n].directory, l->pending.data + *at, len);
	}
	read_directories(d, n);
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = d[i].rc;
		if (rc == 0 && d[i].text.len > 0)
			rc = take_lines(l, d[i].directory, (char *)d[i].text.data);
	}
	for (size_t i = 0; i < n; i++)
		buf_free(&d[i].text);
	return rc;
}

static int list(struct store *s, const char *prefix, bool names_only, store_list_fn *fn, void *arg)
{
	struct listing l = { .f = sftp_of(s), .fn = fn, .arg = arg, .names_only = names_only };
	struct reading readings[AT_ONCE];
	size_t at = 0;
	int rc;

	rc = buf_append(&l.pending, prefix, strlen(prefix) + 1);
	while (rc == 0 && at < l.pending.len)
		rc = list_some(&l, readings, &at);
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
