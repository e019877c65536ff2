/*
 * Which snapshot is meant: filters, and the forms that people write.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/snapshot/catalog.h"
#include "repo/util/text/when.h"

#define ID_PREFIX_MIN 4 /* digits */
#define LATEST "latest"
#define LATEST_LEN 6

static bool wanted(const char *s)
{
	return s != NULL && s[0] != '\0';
}

/* Length of a path without slashes at its end (but for the root's). */
static size_t path_len(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	return len;
}

static bool path_equal(const char *a, const char *b)
{
	size_t len = path_len(a);

	return len == path_len(b) && memcmp(a, b, len) == 0;
}

static bool list_has(char *const *list, uint32_t n, const char *s)
{
	for (uint32_t i = 0; i < n; i++) {
		if (path_equal(list[i], s))
			return true;
	}
	return false;
}

static bool tags_have(const struct manifest *m, const char *tag)
{
	for (uint32_t i = 0; i < m->ntags; i++) {
		if (strcmp(m->tags[i], tag) == 0)
			return true;
	}
	return false;
}

static bool narrows(const struct snapshot_filter *f)
{
	return f != NULL && (wanted(f->host) || wanted(f->tag) || wanted(f->path));
}

int catalog_matches(const struct catalog *c, size_t i, const struct snapshot_filter *f)
{
	struct manifest m;
	int rc;

	if (!narrows(f))
		return 1;
	rc = catalog_manifest(c, i, &m);
	if (rc < 0)
		return rc;
	rc = (!wanted(f->host) || strcmp(f->host, m.host) == 0) && (!wanted(f->tag) || tags_have(&m, f->tag)) &&
	    (!wanted(f->path) || list_has(m.paths, m.npaths, f->path));
	manifest_destroy(&m);
	return rc;
}

/* Who was not entitled to make a snapshot cannot make himself the newest. */
static bool is_rejected(const struct catalog *c, size_t i)
{
	struct manifest m;
	int rc = catalog_manifest(c, i, &m);

	if (rc == 0)
		manifest_destroy(&m);
	return rc == -EKEYREJECTED;
}

/* The newest match among the first ${n} but for ${skip} others. */
static int newest_of(const struct catalog *c, size_t n, uint64_t skip, const struct snapshot_filter *f, size_t *i)
{
	int rc;

	while (n-- > 0) {
		rc = catalog_matches(c, n, f);
		if (rc < 0 && rc != -EKEYREJECTED)
			return rc;
		if (rc == 1 && !is_rejected(c, n) && skip-- == 0) {
			*i = n;
			return 0;
		}
	}
	return -ENOENT;
}

/* "latest" or "latest~N": true with N. */
static bool parse_latest(const char *text, uint64_t *skip)
{
	const char *p = text + LATEST_LEN;
	uint64_t n = 0;

	if (strncmp(text, LATEST, LATEST_LEN) != 0)
		return false;
	if (*p == '~') {
		if (*++p == '\0')
			return false;
		/* So many digits that nobody has as many snapshots, but not so many that it overflows. */
		for (; *p >= '0' && *p <= '9' && n < UINT32_MAX; p++)
			n = 10 * n + (uint64_t)(*p - '0');
	}
	*skip = n;
	return *p == '\0';
}

/* The digits of an id's beginning, each as a value from 0 to 15; 0 if the text is none. */
static size_t parse_prefix(const char *text, uint8_t digits[2 * ID_LEN])
{
	static const char hex[] = "0123456789abcdef";
	size_t len = strlen(text);

	if (len < ID_PREFIX_MIN || len > (size_t)2 * ID_LEN)
		return 0;
	for (size_t i = 0; i < len; i++) {
		const char *at = strchr(hex, text[i]);

		if (at == NULL)
			return 0;
		digits[i] = (uint8_t)(at - hex);
	}
	return len;
}

static bool has_prefix(const struct id *id, const uint8_t *digits, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t digit = i % 2 ? id->b[i / 2] & 15 : id->b[i / 2] >> 4;

		if (digit != digits[i])
			return false;
	}
	return true;
}

static int find_prefix(const struct catalog *c, const uint8_t *digits, size_t len, const struct snapshot_filter *f,
    size_t *i)
{
	size_t found = 0;
	int rc;

	for (size_t k = 0; k < catalog_count(c); k++) {
		if (!has_prefix(&catalog_at(c, k)->id, digits, len))
			continue;
		rc = catalog_matches(c, k, f);
		if (rc < 0)
			return rc;
		if (rc == 1 && found++ > 0)
			return -ENOTUNIQ;
		if (rc == 1)
			*i = k;
	}
	return found ? 0 : -ENOENT;
}

/* Number of snapshots at or before a time. */
static size_t count_until(const struct catalog *c, int64_t time_ns)
{
	size_t low = 0, high = catalog_count(c), mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (catalog_at(c, mid)->time_ns <= time_ns)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int catalog_resolve(const struct catalog *c, const char *text, const struct snapshot_filter *filter, bool utc,
    size_t *i)
{
	uint8_t digits[2 * ID_LEN];
	size_t found = 0, len;
	uint64_t skip;
	int64_t time_ns;
	int rc = -EINVAL, parsed;

	if (parse_latest(text, &skip)) {
		rc = newest_of(c, catalog_count(c), skip, filter, &found);
		goto out;
	}
	len = parse_prefix(text, digits);
	if (len > 0)
		rc = find_prefix(c, digits, len, filter, &found);
	/* "1234d" may be an id or a number of days: it is the id that exists. */
	if (len == 0 || rc == -ENOENT) {
		parsed = when_parse(text, utc, when_now_ns(), &time_ns);
		if (parsed == 0)
			rc = newest_of(c, count_until(c, time_ns), 0, filter, &found);
		else if (parsed == -ERANGE && len == 0)
			rc = parsed;
	}
out:
	if (rc == 0)
		*i = found;
	return rc;
}

/* The same paths, in whatever order; none comes twice in a list that somebody wrote by intent. */
static bool same_paths(const struct manifest *m, char *const *paths, uint32_t n)
{
	uint32_t i;

	if (m->npaths != n)
		return false;
	for (i = 0; i < n && path_equal(m->paths[i], paths[i]); i++)
		;
	if (i == n)
		return true;
	for (i = 0; i < n; i++) {
		if (!list_has(paths, n, m->paths[i]) || !list_has(m->paths, n, paths[i]))
			return false;
	}
	return true;
}

ssize_t catalog_newest(const struct catalog *c, const char *host, char *const *paths, uint32_t npaths)
{
	struct manifest m;
	bool same;

	for (size_t i = catalog_count(c); i-- > 0;) {
		if (catalog_manifest(c, i, &m) < 0)
			continue;
		same = strcmp(m.host, host) == 0 && (npaths == 0 || same_paths(&m, paths, npaths));
		manifest_destroy(&m);
		if (same)
			return (ssize_t)i;
	}
	return -1;
}

/* --- "SNAP:PATH" --- */

/* Does the text after a colon look like the rest of a time of day rather than a path? */
static bool is_rest_of_time(const char *s)
{
	return *s != '\0' && strspn(s, "0123456789:.+-Z ") == strlen(s);
}

int catalog_split(const char *text, char **snap, const char **path)
{
	const char *colon = strchr(text, ':');

	if (colon != NULL && colon > text && colon[-1] >= '0' && colon[-1] <= '9' && is_rest_of_time(colon + 1))
		colon = NULL;
	/* "2024-01-01 14:30:etc/x": the path begins after the last colon of the time. */
	while (colon != NULL && colon[1] >= '0' && colon[1] <= '9' && strchr(colon + 1, ':') != NULL && colon > text &&
	    colon[-1] >= '0' && colon[-1] <= '9' && strspn(colon + 1, "0123456789") == 2)
		colon = strchr(colon + 1, ':');
	*snap = colon != NULL ? strndup(text, (size_t)(colon - text)) : strdup(text);
	*path = colon != NULL ? colon + 1 : "";
	return *snap == NULL ? -ENOMEM : 0;
}
