/*
 * Temporary directory and log of a test.  See scratch.h.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/scratch.h"

static void keep_message(void *arg, enum log_level level, const char *message)
{
	struct scratch *s = arg;
	size_t len;

	(void)level;
	pthread_mutex_lock(&s->lock);
	len = strlen(s->messages);
	snprintf(s->messages + len, sizeof(s->messages) - len, "%s\n", message);
	s->nmessages++;
	pthread_mutex_unlock(&s->lock);
}

int scratch_setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));
	const char *tmp = getenv("TMPDIR");
	int n;

	if (s == NULL)
		return -1;
	n = snprintf(s->dir, sizeof(s->dir), "%s/varve-test-XXXXXX", tmp != NULL && *tmp == '/' ? tmp : "/tmp");
	if (n < 0 || (size_t)n >= sizeof(s->dir) || mkdtemp(s->dir) == NULL) {
		free(s);
		return -1;
	}
	pthread_mutex_init(&s->lock, NULL);
	s->log = (struct log){ .write = keep_message, .arg = s, .max = LOG_LEVEL_INFO };
	*state = s;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

int scratch_teardown(void **state)
{
	struct scratch *s = *state;
	int rc = nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);

	pthread_mutex_destroy(&s->lock);
	free(s);
	return rc;
}

char *scratch_path(const struct scratch *s, const char *name, char out[SCRATCH_PATH_SIZE])
{
	snprintf(out, SCRATCH_PATH_SIZE, "%s/%s", s->dir, name);
	return out;
}

bool scratch_logged(struct scratch *s, const char *text)
{
	bool found;

	pthread_mutex_lock(&s->lock);
	found = strstr(s->messages, text) != NULL;
	pthread_mutex_unlock(&s->lock);
	return found;
}

void scratch_log_clear(struct scratch *s)
{
	pthread_mutex_lock(&s->lock);
	s->messages[0] = '\0';
	s->nmessages = 0;
	pthread_mutex_unlock(&s->lock);
}
