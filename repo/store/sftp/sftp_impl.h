/*
 * For the parts of the SFTP store only.
 */
#ifndef VARVE_STORE_SFTP_IMPL_H
#define VARVE_STORE_SFTP_IMPL_H

#include "repo/store/sftp/sftp_place.h"
#include "repo/store/store_impl.h"

#define SFTP_TMP "tmp"

struct store_sftp {
	struct store base;
	struct http *http;
	struct sftp_place place;
	const char *spool_dir; /* borrowed; may be NULL */
	bool create;           /* the store's directory may be made */
};

static inline struct store_sftp *sftp_of(struct store *s)
{
	return (struct store_sftp *)s;
}

/**
 * sftp_perform(f, q, name, r):
 * Send ${q} with the URL of ${name} (a directory's if it ends with "/" or is empty), and the credentials.  As
 * http_perform().
 */
int sftp_perform(struct store_sftp *f, const struct http_request *q, const char *name, struct http_reply *r);

/* Run commands (quotes of curl's, then NULL).  As http_perform(). */
int sftp_run(struct store_sftp *f, const char *const *commands, struct http_reply *r);

/**
 * sftp_command(out, verb, f, name, other):
 * Append the command ${verb} for ${name}, and for ${other} unless that is NULL, with their paths; and a NUL.  Return 0
 * or -ENOMEM.
 */
int sftp_command(struct buf *out, const char *verb, const struct store_sftp *f, const char *name, const char *other);

/* What the caller does not know better, as http_failed(), in words for people. */
int sftp_failed(struct store_sftp *f, int rc, const struct http_reply *r, const char *operation, const char *name);

/* As an operation of store_impl.h, with -ENOENT as the server says it. */
int sftp_size(struct store *s, const char *name, uint64_t *size);

/* A store_look_fn; of a directory too, without a "/" at its end. */
int sftp_look(struct store *s, const char *name);

int sftp_stat(struct store *s, const char *name, uint64_t *size);

/* A line of a listing: "-rw-r--r-- 1 user group 123 Nov 21 17:18 name". */
struct sftp_entry {
	const char *name; /* in the line, which is cut there */
	bool directory;   /* or a link, that may lead to one */
	bool sized;       /* ${size} is known */
	uint64_t size;
};

/* Does a line begin as "ls -l" has it, with a kind of file, or is it empty? */
bool sftp_is_line(const char *line);

/* Take a line apart, in place.  False if it does not name a file or directory that could be of a store. */
bool sftp_parse_line(char *line, struct sftp_entry *out);

int sftp_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg);
int sftp_list_names(struct store *s, const char *prefix, store_list_fn *fn, void *arg);
int sftp_put_begin(struct store *s, struct store_put **out);
int sftp_put_append(struct store_put *base, const void *data, size_t len);
int sftp_put_commit(struct store_put *base, const char *name, unsigned flags);
void sftp_put_abort(struct store_put *base);

#endif
