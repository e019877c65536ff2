/*
 * What was seen, on the disk.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/snapshot/witness/witness_impl.h"

#define MAGIC "SEENHERE"
#define MAGIC_LEN 8
#define LOCK_NAME "lock"
#define REVOKED_MAX 10000
#define SIGHTINGS_MAX (WITNESS_SIGHTINGS_MAX + WITNESS_GONE_MAX)
#define FILE_MAX (SIGHTINGS_MAX * (SIGHTING_ID_LEN + 8) + 1024 * 1024)

void witness_state_free(struct witness_state *s)
{
	free(s->heads);
	free(s->sightings);
	free(s->revoked);
	*s = (struct witness_state){ .nheads = 0 };
}

int witness_set_head(struct witness_state *s, const struct witness_head *h)
{
	struct witness_head *grown;

	for (size_t i = 0; i < s->nheads; i++) {
		if (!id_equal(&s->heads[i].host, &h->host))
			continue;
		if (s->heads[i].time_ns >= h->time_ns)
			return 0;
		s->heads[i] = *h;
		return 1;
	}
	if (s->nheads >= WITNESS_HEADS_MAX)
		return 0;
	grown = reallocarray(s->heads, s->nheads + 1, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	s->heads = grown;
	s->heads[s->nheads++] = *h;
	return 1;
}

int witness_set_revoked(struct witness_state *s, const struct id *id)
{
	struct id *grown;

	for (size_t i = 0; i < s->nrevoked; i++)
		if (id_equal(&s->revoked[i], id))
			return 0;
	if (s->nrevoked >= REVOKED_MAX)
		return 0;
	grown = reallocarray(s->revoked, s->nrevoked + 1, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	s->revoked = grown;
	s->revoked[s->nrevoked++] = *id;
	return 1;
}

/* --- Bytes -------------------------------------------------------------------------------------------------------- */

int witness_state_encode(const struct witness_state *s, struct buf *out)
{
	struct id hash;
	int rc = buf_append(out, MAGIC, MAGIC_LEN);

	if (rc == 0)
		rc = buf_append(out, s->owner.b, sizeof(s->owner.b));
	if (rc == 0)
		rc = buf_le64(out, (uint64_t)s->listed_ns);
	if (rc == 0)
		rc = buf_le32(out, (uint32_t)s->nheads);
	if (rc == 0)
		rc = buf_le32(out, (uint32_t)s->nsightings);
	if (rc == 0)
		rc = buf_le32(out, (uint32_t)s->nrevoked);
	for (size_t i = 0; i < s->nheads && rc == 0; i++) {
		rc = buf_append(out, s->heads[i].host.b, ID_LEN);
		if (rc == 0)
			rc = buf_append(out, s->heads[i].id.b, ID_LEN);
		if (rc == 0)
			rc = buf_le64(out, (uint64_t)s->heads[i].time_ns);
	}
	for (size_t i = 0; i < s->nsightings && rc == 0; i++) {
		rc = buf_append(out, s->sightings[i].id, SIGHTING_ID_LEN);
		if (rc == 0)
			rc = buf_le64(out, (uint64_t)s->sightings[i].absent_ns);
	}
	for (size_t i = 0; i < s->nrevoked && rc == 0; i++)
		rc = buf_append(out, s->revoked[i].b, ID_LEN);
	if (rc < 0)
		return rc;
	crypt_hash(out->data, out->len, &hash);
	return buf_append(out, hash.b, ID_LEN);
}

static int take_i64(struct rd *r, int64_t *out)
{
	uint64_t v = 0;
	int rc = rd_le64(r, &v);

	*out = (int64_t)v;
	return rc;
}

static int take_bytes(struct rd *r, void *out, size_t len)
{
	const uint8_t *p;
	int rc = rd_take(r, len, &p);

	if (rc == 0)
		memcpy(out, p, len);
	return rc;
}

/* Room for what the numbers say, which fit in what is there. */
static int make_room(struct witness_state *s, const struct rd *r, uint32_t heads, uint32_t sightings, uint32_t revoked)
{
	if (heads > WITNESS_HEADS_MAX || sightings > SIGHTINGS_MAX || revoked > REVOKED_MAX ||
	    r->len != (size_t)heads * (2 * ID_LEN + 8) + (size_t)sightings * (SIGHTING_ID_LEN + 8) +
	    (size_t)revoked * ID_LEN)
		return -EBADMSG;
	s->heads = calloc(heads + 1, sizeof(*s->heads));
	s->sightings = calloc(sightings + 1, sizeof(*s->sightings));
	s->revoked = calloc(revoked + 1, sizeof(*s->revoked));
	return s->heads && s->sightings && s->revoked ? 0 : -ENOMEM;
}

static int take_lists(struct rd *r, struct witness_state *s)
{
	uint32_t heads = 0, sightings = 0, revoked = 0;
	int rc = rd_le32(r, &heads);

	if (rc == 0)
		rc = rd_le32(r, &sightings);
	if (rc == 0)
		rc = rd_le32(r, &revoked);
	if (rc == 0)
		rc = make_room(s, r, heads, sightings, revoked);
	for (; s->nheads < heads && rc == 0; s->nheads++) {
		struct witness_head *h = &s->heads[s->nheads];

		rc = take_bytes(r, h->host.b, ID_LEN);
		if (rc == 0)
			rc = take_bytes(r, h->id.b, ID_LEN);
		if (rc == 0)
			rc = take_i64(r, &h->time_ns);
	}
	for (; s->nsightings < sightings && rc == 0; s->nsightings++) {
		rc = take_bytes(r, s->sightings[s->nsightings].id, SIGHTING_ID_LEN);
		if (rc == 0)
			rc = take_i64(r, &s->sightings[s->nsightings].absent_ns);
	}
	for (; s->nrevoked < revoked && rc == 0; s->nrevoked++)
		rc = take_bytes(r, s->revoked[s->nrevoked].b, ID_LEN);
	return rc;
}

int witness_state_decode(const void *data, size_t len, struct witness_state *out)
{
	struct witness_state s = { .nheads = 0 };
	const uint8_t *magic;
	struct id hash;
	struct rd r;
	int rc;

	if (len < ID_LEN)
		return -EBADMSG;
	crypt_hash(data, len - ID_LEN, &hash);
	if (memcmp(hash.b, (const uint8_t *)data + len - ID_LEN, ID_LEN) != 0)
		return -EBADMSG;
	r = rd_init(data, len - ID_LEN);
	rc = rd_take(&r, MAGIC_LEN, &magic);
	if (rc == 0 && memcmp(magic, MAGIC, MAGIC_LEN) != 0)
		rc = -EPROTONOSUPPORT;
	if (rc == 0)
		rc = take_bytes(&r, s.owner.b, sizeof(s.owner.b));
	if (rc == 0)
		rc = take_i64(&r, &s.listed_ns);
	if (rc == 0)
		rc = take_lists(&r, &s);
	if (rc == 0)
		*out = s;
	else
		witness_state_free(&s);
	return rc;
}

/* --- Files -------------------------------------------------------------------------------------------------------- */

static int read_all(int fd, struct buf *out)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_MAX)
		return -EBADMSG;
	if (buf_reserve(out, (size_t)st.st_size + 1) < 0)
		return -ENOMEM;
	n = pread(fd, out->data, (size_t)st.st_size, 0);
	if (n < 0)
		return -errno;
	out->len = (size_t)n;
	return 0;
}

int witness_file_read(const char *path, struct witness_state *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), rc;
	struct buf b = BUF_INIT;

	if (fd < 0)
		return -errno;
	rc = read_all(fd, &b);
	close(fd);
	if (rc == 0)
		rc = witness_state_decode(b.data, b.len, out);
	buf_free(&b);
	return rc;
}

static int write_all(int fd, const struct buf *b)
{
	for (size_t done = 0; done < b->len;) {
		ssize_t n = write(fd, b->data + done, b->len - done);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int witness_file_write(const char *path, const struct witness_state *s)
{
	struct buf b = BUF_INIT, own = BUF_INIT;
	int fd = -1, rc = witness_state_encode(s, &b);

	if (rc == 0)
		rc = buf_printf(&own, "%s.new", path);
	if (rc != 0)
		goto out;
	fd = open((char *)own.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	rc = fd < 0 ? -errno : write_all(fd, &b);
	if (fd >= 0 && close(fd) < 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename((char *)own.data, path) < 0)
		rc = -errno;
	if (rc < 0 && fd >= 0)
		unlink((char *)own.data);
out:
	buf_free(&b);
	buf_free(&own);
	return rc;
}

int witness_file_lock(const char *dir)
{
	struct buf path = BUF_INIT;
	int fd = -ENOMEM;

	if (buf_printf(&path, "%s/" LOCK_NAME, dir) == 0) {
		fd = open((char *)path.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		fd = fd < 0 ? -errno : fd;
	}
	buf_free(&path);
	if (fd >= 0)
		flock(fd, LOCK_EX);
	return fd;
}

void witness_file_make_dirs(const char *path)
{
	char *copy = strdup(path), *slash;

	for (slash = copy != NULL ? strchr(copy + 1, '/') : NULL; slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(copy, 0700);
		*slash = '/';
	}
	free(copy);
}

bool witness_file_others(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	bool found = false;

	while (d != NULL && !found && (e = readdir(d)) != NULL)
		found = strlen(e->d_name) == 32;
	if (d != NULL)
		closedir(d);
	return found;
}
