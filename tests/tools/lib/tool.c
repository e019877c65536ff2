/*
 * Helpers of the test instruments: messages, memory, strings, random numbers.
 */
#include "tests/tools/lib/tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void vdie(int err, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

static void vdie(int err, const char *fmt, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, fmt, ap);
	if (err)
		fprintf(stderr, ": %s", strerror(err));
	fputc('\n', stderr);
	exit(2);
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vdie(0, fmt, ap);
}

void die_errno(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	vdie(err, fmt, ap);
}

void *xmalloc(size_t size)
{
	return xrealloc(NULL, size);
}

void *xrealloc(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (!p)
		die("out of memory");
	return p;
}

char *xstrdup(const char *s)
{
	size_t size = strlen(s) + 1;

	return memcpy(xmalloc(size), s, size);
}

uint64_t parse_size(const char *what, const char *text)
{
	static const char units[] = "KMGT";
	char *end;
	unsigned shift = 0;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (end != text && *end && strchr(units, *end))
		shift = 10 * (unsigned)(strchr(units, *end++) - units + 1);
	if (errno || end == text || *end || *text == '-' || n > (UINT64_MAX >> shift))
		die("%s: not a number: %s", what, text);
	return (uint64_t)n << shift;
}

void str_add(struct str *b, const char *data, size_t len)
{
	if (b->len + len + 1 > b->cap) {
		b->cap = (b->len + len + 1) * 2;
		b->s = xrealloc(b->s, b->cap);
	}
	memcpy(b->s + b->len, data, len);
	b->len += len;
	b->s[b->len] = '\0';
}

void str_cut(struct str *b, size_t len)
{
	if (len < b->len) {
		b->len = len;
		b->s[len] = '\0';
	}
}

void str_free(struct str *b)
{
	free(b->s);
	*b = (struct str){ 0 };
}

void str_add_name(struct str *path, const char *name)
{
	if (path->len)
		str_add(path, "/", 1);
	str_add(path, name, strlen(name));
}

void str_add_quoted(struct str *out, const char *s, size_t len)
{
	str_add(out, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		char text[8];
		int n;

		if (c == '\n')
			n = snprintf(text, sizeof(text), "\\n");
		else if (c == '"' || c == '\\')
			n = snprintf(text, sizeof(text), "\\%c", c);
		else if (c < ' ' || c > '~')
			n = snprintf(text, sizeof(text), "\\%03o", c);
		else
			n = snprintf(text, sizeof(text), "%c", c);
		str_add(out, text, (size_t)n);
	}
	str_add(out, "\"", 1);
}

void put_quoted(FILE *out, const char *s, size_t len)
{
	struct str text = { 0 };

	str_add_quoted(&text, s, len);
	fwrite(text.s, 1, text.len, out);
	str_free(&text);
}

void rng_init(struct rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = (seed += 0x9e3779b97f4a7c15u);

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
		r->s[i] = z ^ (z >> 31);
	}
}

static uint64_t rotl(uint64_t x, unsigned k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t rng_next(struct rng *r)
{
	uint64_t *s = r->s;
	uint64_t result = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

uint64_t rng_below(struct rng *r, uint64_t below)
{
	return rng_next(r) % below;
}

void rng_fill(struct rng *r, void *out, size_t len)
{
	unsigned char *p = out;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t v = rng_next(r);

		memcpy(p, &v, 8);
	}
	if (len) {
		uint64_t v = rng_next(r);

		memcpy(p, &v, len);
	}
}
