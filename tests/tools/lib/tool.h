/*
 * What the test instruments share.  They use nothing of repo/: an instrument must not stand on what it judges.
 *
 * A failed allocation, and anything else that makes a result worthless, ends the program with status 2.
 */
#ifndef VARVE_TEST_TOOL_H
#define VARVE_TEST_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Print "PROGRAM: message" (with ": strerror(errno)" for die_errno) to stderr and exit with status 2. */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die_errno(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* As malloc and friends; never NULL. */
void *xmalloc(size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);

/* A number with an optional K, M, G or T (powers of 1024).  Ends the program if ${text} is none. */
uint64_t parse_size(const char *what, const char *text);

/* Growing string; ${s} has a NUL at ${len}.  All zero is empty, with ${s} NULL until the first append. */
struct str {
	char *s;
	size_t len, cap;
};

void str_add(struct str *b, const char *data, size_t len);
void str_cut(struct str *b, size_t len);
void str_free(struct str *b);

/* Append "/name" (or just "name" to an empty string). */
void str_add_name(struct str *path, const char *name);

/* Append as a C string in double quotes: everything outside of printable ASCII as an escape, so always one line. */
void str_add_quoted(struct str *out, const char *s, size_t len);
void put_quoted(FILE *out, const char *s, size_t len);

/* The names of one directory, without "." and "..", sorted by bytes. */
struct names {
	char *text; /* all names, each with its NUL */
	struct name *name;
	size_t count;
};

struct name {
	uint64_t ino;       /* as readdir gave it */
	size_t at;          /* where in text */
	unsigned char type; /* DT_* */
};

/* Read all names of the directory open at ${fd}, from its start.  Return 0 or a negative errno with ${out} empty. */
int names_read(int fd, struct names *out);
void names_free(struct names *n);

static inline const char *names_get(const struct names *n, size_t i)
{
	return n->text + n->name[i].at;
}

/* xoshiro256**, seeded by splitmix64: the same numbers for the same seed on every machine. */
struct rng {
	uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);

/* A number from 0 to ${below} - 1; ${below} > 0. */
uint64_t rng_below(struct rng *r, uint64_t below);
void rng_fill(struct rng *r, void *out, size_t len);

#endif
