/*
 * AWS' credentials and configuration files.  See s3_profile.h.
 *
 * Read here and not by libinih, which cuts lines at 200 bytes: session tokens are longer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/store/aws/s3_profile.h"

#define FILE_MAX (1u << 20)

/* Some bytes of a line. */
struct span {
	const char *p;
	size_t len;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span s)
{
	while (s.len > 0 && is_space(s.p[0]))
		s = (struct span){ s.p + 1, s.len - 1 };
	while (s.len > 0 && is_space(s.p[s.len - 1]))
		s.len--;
	return s;
}

static bool equals(struct span s, const char *text)
{
	return s.len == strlen(text) && strncasecmp(s.p, text, s.len) == 0;
}

/* Take the next line off ${*text}. */
static struct span next_line(struct span *text)
{
	const char *end = memchr(text->p, '\n', text->len);
	struct span line = { text->p, end != NULL ? (size_t)(end - text->p) : text->len };
	size_t taken = end != NULL ? line.len + 1 : line.len;

	*text = (struct span){ text->p + taken, text->len - taken };
	return line;
}

/* Is "[...]" the section of ${profile}? */
static bool is_section_of(struct span line, enum s3_file file, const char *profile)
{
	const char *end = memchr(line.p, ']', line.len);
	struct span name;

	if (end == NULL)
		return false;
	name = trim((struct span){ line.p + 1, (size_t)(end - line.p) - 1 });
	if (file == S3_FILE_CONFIG && name.len > 8 && memcmp(name.p, "profile", 7) == 0 && is_space(name.p[7]))
		name = trim((struct span){ name.p + 8, name.len - 8 });
	else if (file == S3_FILE_CONFIG && !equals(name, "default"))
		return false;
	return name.len == strlen(profile) && memcmp(name.p, profile, name.len) == 0;
}

/* Without the comment that may follow a value after white space. */
static struct span without_comment(struct span value)
{
	for (size_t i = 1; i < value.len; i++)
		if ((value.p[i] == '#' || value.p[i] == ';') && is_space(value.p[i - 1]))
			return trim((struct span){ value.p, i });
	return value;
}

static size_t indentation(struct span line)
{
	size_t n = 0;

	while (n < line.len && is_space(line.p[n]))
		n++;
	return n;
}

/* The value of ${key}; empty if there is none.  What is indented more than the property above it belongs to that. */
static struct span find(struct span text, enum s3_file file, const char *profile, const char *key)
{
	struct span raw, line, left;
	const char *equal;
	bool inside = false;
	size_t above = SIZE_MAX; /* indentation of the property above */

	while (text.len > 0) {
		raw = next_line(&text);
		line = trim(raw);
		if (line.len == 0 || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (line.p[0] == '[') {
			inside = is_section_of(line, file, profile);
			above = SIZE_MAX;
			continue;
		}
		equal = memchr(line.p, '=', line.len);
		if (!inside || equal == NULL || indentation(raw) > above)
			continue;
		above = indentation(raw);
		left = trim((struct span){ line.p, (size_t)(equal - line.p) });
		if (equals(left, key))
			return without_comment(
			    trim((struct span){ equal + 1, line.len - (size_t)(equal + 1 - line.p) }));
	}
	return (struct span){ NULL, 0 };
}

int s3_profile_value(const struct s3_profile *p, enum s3_file file, const char *key, struct buf *out)
{
	const struct buf *b = &p->text[file];
	struct span value = { NULL, 0 };

	if (b->len > 0)
		value = find((struct span){ (const char *)b->data, b->len }, file, p->name, key);
	/* A NUL in it would cut it. */
	if (value.len == 0 || memchr(value.p, '\0', value.len) != NULL)
		return 0;
	if (buf_reserve(out, value.len + 1) != 0)
		return -ENOMEM;
	buf_append(out, value.p, value.len);
	return buf_append(out, "", 1);
}

/* All at once into ${out}: no allocation with secrets is outgrown. */
static int read_text(int fd, struct buf *out)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return -EINVAL;
	if (buf_reserve(out, (size_t)st.st_size + 1) != 0)
		return -ENOMEM;
	while (out->len < out->cap) {
		n = read(fd, out->data + out->len, out->cap - out->len);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		out->len += (size_t)n;
	}
	return 0;
}

static int read_file(const char *path, const struct log *log, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int rc = fd >= 0 ? read_text(fd, out) : -errno;

	if (fd >= 0)
		close(fd);
	if (rc < 0 && rc != -ENOMEM) {
		if (rc != -ENOENT && rc != -ENOTDIR)
			log_warn(log, "%s: read: %s", path, ERR(rc));
		buf_wipe(out);
		rc = 0;
	}
	return rc;
}

/* The path in ${variable}, or ~/.aws/${name}. */
static int read_either(const char *variable, const char *name, const struct log *log, struct buf *out)
{
	const char *path = getenv(variable);
	const char *home = getenv("HOME");
	char *made = NULL;
	int rc;

	if (path != NULL && *path != '\0')
		return read_file(path, log, out);
	if (home == NULL || *home == '\0')
		return 0;
	if (asprintf(&made, "%s/.aws/%s", home, name) < 0)
		return -ENOMEM;
	rc = read_file(made, log, out);
	free(made);
	return rc;
}

int s3_profile_open(const char *name, const struct log *log, struct s3_profile *out)
{
	const char *env = getenv("AWS_PROFILE");
	int rc = -ENOMEM;

	*out = (struct s3_profile){ 0 };
	if (name == NULL)
		name = env != NULL && *env != '\0' ? env : "default";
	out->name = strdup(name);
	if (out->name != NULL)
		rc = read_either("AWS_SHARED_CREDENTIALS_FILE", "credentials", log, &out->text[S3_FILE_CREDENTIALS]);
	if (rc == 0)
		rc = read_either("AWS_CONFIG_FILE", "config", log, &out->text[S3_FILE_CONFIG]);
	if (rc != 0)
		s3_profile_close(out);
	return rc;
}

void s3_profile_close(struct s3_profile *p)
{
	free(p->name);
	buf_wipe(&p->text[S3_FILE_CREDENTIALS]);
	buf_wipe(&p->text[S3_FILE_CONFIG]);
	*p = (struct s3_profile){ 0 };
}
