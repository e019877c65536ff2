/*
 * What people write: sizes, times, snapshots, patterns.  The first byte chooses; all of it is text, ends at its first
 * NUL.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "repo/snapshot/catalog.h"
#include "repo/util/text/match.h"
#include "repo/util/text/when.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW INT64_C(1704119400000000000)

static void need(bool truth)
{
	if (!truth)
		abort();
}

static void read_size(const char *text)
{
	char shown[SIZE_TEXT_SIZE];
	uint64_t n = 7;
	int rc = size_parse(text, &n);

	need(rc == 0 ? n <= INT64_MAX : rc == -EINVAL && n == 7);
	need(strlen(size_format(n, shown)) < sizeof(shown));
}

/* What is said as a time can be written as one, and is that one then. */
static void read_time(const char *text)
{
	int64_t last = 7, first = 7, again;
	char shown[WHEN_SIZE];
	int rc = when_parse(text, true, NOW, &last);

	need(rc == 0 || ((rc == -EINVAL || rc == -ERANGE) && last == 7));
	if (rc != 0)
		return;
	/* Its first instant may be out of range where the last is not. */
	if (when_parse_first(text, true, NOW, &first) == 0)
		need(first <= last);
	need(strlen(when_format(last, WHEN_RFC3339, true, shown)) < sizeof(shown));
	need(when_parse(shown, true, NOW, &again) == 0 && again == last);
	need(strlen(when_format(last, WHEN_GMT, true, shown)) < sizeof(shown));
}

static void read_snapshot(const char *text)
{
	const char *path;
	char *snap;

	if (catalog_split(text, &snap, &path) != 0)
		return;
	need(*path == '\0' || (path >= text && path <= text + strlen(text)));
	need(strncmp(text, snap, strlen(snap)) == 0 && strlen(snap) + strlen(path) <= strlen(text));
	free(snap);
}

/* A pattern, then a path behind a newline. */
static void read_pattern(char *text)
{
	struct match_list *m = match_new();
	char *path = strchr(text, '\n');
	int rc;

	if (path != NULL)
		*path++ = '\0';
	if (m == NULL)
		return;
	rc = match_add(m, text);
	need(rc == 0 || rc == -EINVAL || rc == -ENOMEM);
	need(match_count(m) == (rc == 0));
	if (rc == 0 && path != NULL && *path == '/') {
		match_paths(m, path, "/another", false);
		/* Who is let in for what matches below must be let in to it. */
		match_may_below(m, path);
		match_path(m, path, true);
	}
	match_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0 || size > 4096)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	if (text == NULL)
		return 0;
	switch (data[0]) {
	case 's':
		read_size(text);
		break;
	case 't':
		read_time(text);
		break;
	case 'n':
		read_snapshot(text);
		break;
	default:
		read_pattern(text);
		break;
	}
	free(text);
	return 0;
}
