/*
 * Journal.  See journal.h.
 */
#include "repo/check/share/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (256u * 1024)
#define DAMAGED_NAME "damaged"
#define ARC_HEAD "varve check 1"
#define DAMAGED_HEAD "varve check damaged 1"

struct journal {
	const struct log *log;
	char *dir; /* NULL: nothing is remembered */
	struct journal_pack damaged[JOURNAL_DAMAGED_MAX];
	size_t n;
	bool changed; /* what is damaged, since it was written */
};

/* --- Files -------------------------------------------------------------------------------------------------------- */

/* Read a file as text, with a NUL behind.  -ENOENT for whatever is wrong. */
static int read_text(const struct journal *j, const char *name, struct buf *out)
{
	struct buf path = BUF_INIT;
	ssize_t len = -1;
	int fd = -1;

	if (j->dir != NULL && buf_printf(&path, "%s/%s", j->dir, name) == 0)
		fd = open((char *)path.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		len = buf_reserve(out, FILE_MAX + 1) == 0 ? pread(fd, out->data, FILE_MAX, 0) : -1;
		close(fd);
	}
	buf_free(&path);
	if (len < 0)
		return -ENOENT;
	out->data[len] = '\0';
	out->len = (size_t)len;
	return 0;
}

static int write_synced(const char *path, const struct buf *b)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600), rc = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, b->data, b->len);
	if (n != (ssize_t)b->len)
		rc = n < 0 ? -errno : -ENOSPC;
	else if (fsync(fd) < 0)
		rc = -errno;
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	return rc;
}

static int sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

/* Replace a file, durably. */
static int replace(const struct journal *j, const char *name, const struct buf *text)
{
	struct buf path = BUF_INIT, own = BUF_INIT;
	int rc;

	rc = buf_printf(&path, "%s/%s", j->dir, name);
	if (rc == 0)
		rc = buf_printf(&own, "%s/%s.%d", j->dir, name, (int)getpid());
	if (rc == 0)
		rc = write_synced((char *)own.data, text);
	if (rc == 0 && rename((char *)own.data, (char *)path.data) < 0)
		rc = -errno;
	if (rc == 0)
		rc = sync_dir(j->dir);
	else if (own.len > 0)
		unlink((char *)own.data);
	buf_free(&path);
	buf_free(&own);
	return rc;
}

/* Make the directories below the cache's; who is above that is the user's business. */
static int make_dirs(const struct journal *j)
{
	char *slash = strrchr(j->dir, '/'), *above;
	int rc;

	*slash = '\0';
	above = strrchr(j->dir, '/');
	*above = '\0';
	mkdir(j->dir, 0700);
	*above = '/';
	mkdir(j->dir, 0700);
	*slash = '/';
	rc = mkdir(j->dir, 0700);
	return rc < 0 && errno != EEXIST ? -errno : 0;
}

/* Nothing more is remembered after the first failure. */
static void write_text(struct journal *j, const char *name, const struct buf *text)
{
	int rc;

	if (j->dir == NULL)
		return;
	rc = replace(j, name, text);
	if (rc == -ENOENT) {
		rc = make_dirs(j);
		if (rc == 0)
			rc = replace(j, name, text);
	}
	if (rc == 0)
		return;
	log_warn(j->log, "%s/%s: cannot be written: %s; how far this check comes is not remembered", j->dir, name,
	    ERR(rc));
	free(j->dir);
	j->dir = NULL;
}

/* --- Damaged packs ------------------------------------------------------------------------------------------------ */

static void load_damaged(struct journal *j)
{
	struct buf text = BUF_INIT;
	char *line, *rest = NULL;

	if (read_text(j, DAMAGED_NAME, &text) < 0)
		goto out;
	line = strtok_r((char *)text.data, "\n", &rest);
	if (line == NULL || strcmp(line, DAMAGED_HEAD) != 0)
		goto out;
	while ((line = strtok_r(NULL, "\n", &rest)) != NULL && j->n < JOURNAL_DAMAGED_MAX)
		if (pack_name_parse(line, &j->damaged[j->n].kind, &j->damaged[j->n].id) == 0)
			j->n++;
out:
	buf_free(&text);
}

void journal_save_damaged(struct journal *j)
{
	struct buf text = BUF_INIT;
	char name[PACK_NAME_SIZE];
	int rc = 0;

	if (!j->changed)
		return;
	rc = buf_printf(&text, "%s\n", DAMAGED_HEAD);
	for (size_t i = 0; i < j->n && rc == 0; i++)
		rc = buf_printf(&text, "%s\n", pack_name(j->damaged[i].kind, &j->damaged[i].id, name));
	if (rc == 0)
		write_text(j, DAMAGED_NAME, &text);
	buf_free(&text);
	j->changed = false;
}

const struct journal_pack *journal_damaged(const struct journal *j, size_t *n)
{
	*n = j->n;
	return j->damaged;
}

bool journal_mark(struct journal *j, const struct journal_pack *p, bool damaged)
{
	size_t i = 0;

	while (i < j->n && (j->damaged[i].kind != p->kind || !id_equal(&j->damaged[i].id, &p->id)))
		i++;
	if ((i < j->n) == damaged)
		return true;
	if (!damaged) {
		j->damaged[i] = j->damaged[--j->n];
	} else if (j->n < JOURNAL_DAMAGED_MAX) {
		j->damaged[j->n++] = *p;
	} else {
		return false;
	}
	j->changed = true;
	return true;
}

/* --- Shares ------------------------------------------------------------------------------------------------------- */

int journal_arc(const struct journal *j, const struct journal_share *s, struct arc *out)
{
	struct buf text = BUF_INIT;
	char share[sizeof(s->text)] = "";
	unsigned complete;
	struct arc a;
	int n = 0;

	if (read_text(j, s->name, &text) == 0)
		n = sscanf((char *)text.data, ARC_HEAD "\nshare %31[^\n]\nbegun %" SCNd64 "\norigin %" SCNx64
		    "\nspan %" SCNx64 "\ndone %" SCNx64 "\ncomplete %u\n", share, &a.begun_s, &a.origin, &a.span,
		    &a.done, &complete);
	buf_free(&text);
	if (n != 6 || strcmp(share, s->text) != 0)
		return -ENOENT;
	a.complete = complete != 0;
	*out = a;
	return 0;
}

void journal_save(struct journal *j, const struct journal_share *s, const struct arc *a)
{
	struct buf text = BUF_INIT;

	/* First what was found: it must not be passed over because the rest says that it was read. */
	journal_save_damaged(j);
	if (buf_printf(&text, ARC_HEAD "\nshare %s\nbegun %" PRId64 "\norigin %016" PRIx64 "\nspan %016" PRIx64
	    "\ndone %016" PRIx64 "\ncomplete %u\n", s->text, a->begun_s, a->origin, a->span, a->done, a->complete) == 0)
		write_text(j, s->name, &text);
	buf_free(&text);
}

void journal_forget(struct journal *j, const struct journal_share *s)
{
	struct buf path = BUF_INIT;

	journal_save_damaged(j);
	if (j->dir != NULL && buf_printf(&path, "%s/%s", j->dir, s->name) == 0)
		unlink((char *)path.data);
	buf_free(&path);
}

/* --- The whole ---------------------------------------------------------------------------------------------------- */

int journal_open(const char *cache_dir, const uint8_t repo_id[16], const struct log *log, struct journal **out)
{
	struct journal *j = calloc(1, sizeof(*j));
	char hex[2 * 16 + 1];

	if (j == NULL)
		return -ENOMEM;
	j->log = log;
	hex_encode(repo_id, 16, hex);
	if (cache_dir != NULL && asprintf(&j->dir, "%s/check/%s", cache_dir, hex) < 0) {
		free(j);
		return -ENOMEM;
	}
	load_damaged(j);
	*out = j;
	return 0;
}

void journal_free(struct journal *j)
{
	if (j == NULL)
		return;
	free(j->dir);
	free(j);
}
