/*
 * Sections of a generated tree: names, their order, and how many there are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/tools/mktree/gen.h"

/* An empty file, if the filesystem takes the name. */
static void try_name(struct gen *g, int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0) {
		gen_skip(g, name);
		return;
	}
	close(fd);
	gen_stamp(g, dir, name);
}

static const char *const odd_names[] = {
	"new\nline", "\n", "\n\n", "tab\there", "return\rhere", "escape\033[31m", "bell\a", " ", "  leading",
	"trailing ", "'single'", "\"double\"", "`back`", "$HOME", "$(id)", "*", "?", "[a-z]", "{a,b}", "~", "#",
	"!", "&", "|", ";", "back\\slash", "\\", "\\n", "\\000", "%s%n%d", "%2F", "-", "--", "-rf", "--help",
	"...", "..a", ".hidden", "a.", "a:b", "C:\\x", "=", "@", "+", ",", "con", "nul", "A", "Z", "z", "\xff",
	"\xfe\xff", "\xc3", "\xc3(", "\xc0\xaf", "\xe2\x82", "\xf0\x9f\x8f", "\xed\xa0\x80", "latin-\xe9",
	"\xc3\xa9", "e\xcc\x81", "\xf0\x9f\x8f\xb3", "\xe6\xbc\xa2\xe5\xad\x97", "\xd7\xa2\xd7\x91",
	"\xe2\x80\xae" "rtl", "\xef\xbb\xbf" "bom", "\x7f", "\x01", "\x1f",
};

void gen_names(struct gen *g, int dir)
{
	char name[256], one[2] = "";
	int sub;

	for (size_t i = 0; i < sizeof(odd_names) / sizeof(odd_names[0]); i++)
		try_name(g, dir, odd_names[i]);
	memset(name, 'n', 255);
	name[255] = '\0';
	try_name(g, dir, name);
	name[254] = '\0';
	try_name(g, dir, name);
	for (size_t i = 0; i < 255; i++)
		name[i] = (char)(128 + i % 128);
	name[255] = '\0';
	try_name(g, dir, name);
	sub = gen_dir(dir, "every byte");
	for (int c = 1; c < 256; c++) {
		one[0] = (char)c;
		if (c != '/' && c != '.')
			try_name(g, sub, one);
	}
	gen_done(g, sub, 0755);
	sub = gen_dir(dir, "dir\n\"\\\xff'");
	try_name(g, sub, "in\na dir");
	gen_done(g, sub, 0755);
}

/* Names around '/' and '.': who sorts whole paths sees another order than who sorts the names of one directory. */
void gen_order(struct gen *g, int dir)
{
	static const char *const dirs[] = { "a", "a.b", "a-b", "a b", "a!", "b", "a0", "aa", "ab" };
	static const char *const files[] = { "a.", "a.c", "a-", "a-c", "a+", "a,", "a ", "a1", "aB", "a\x01", "a\xff",
		"B" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		int sub = gen_dir(dir, dirs[i]);

		gen_file(g, sub, "x", CONTENT_TEXT, 10);
		gen_file(g, sub, "a", CONTENT_TEXT, 10);
		gen_file(g, sub, "..x", CONTENT_TEXT, 10);
		gen_done(g, sub, 0755);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		gen_file(g, dir, files[i], CONTENT_TEXT, 10);
}

/* Go ${levels} down from ${dir}, with a file on each; ${name_of} writes the name of a level. */
static void make_chain(struct gen *g, int dir, uint64_t levels, void (*name_of)(uint64_t level, char name[256]))
{
	char name[256];
	int at = dup(dir);

	if (at < 0)
		die_errno("dup");
	for (uint64_t i = 0; i < levels; i++) {
		int below;

		name_of(i, name);
		below = gen_dir(at, name);
		gen_file(g, at, "file", CONTENT_TEXT, 1 + i % 300);
		if (i % 50 == 0 && symlinkat("file", at, "symlink") == 0)
			gen_stamp(g, at, "symlink");
		if (i % 70 == 0)
			gen_xattr(g, at, "file", "user.level", name, strlen(name));
		gen_done(g, at, 0755);
		at = below;
	}
	gen_file(g, at, "bottom", CONTENT_RANDOM, 70000);
	if (linkat(at, "bottom", at, "bottom again", 0) < 0)
		die_errno("link");
	gen_done(g, at, 0700);
}

static void long_name(uint64_t level, char name[256])
{
	memset(name, 'a' + (int)(level % 26), 255);
	name[255] = '\0';
}

static void tall_name(uint64_t level, char name[256])
{
	snprintf(name, 256, "level-%ju", (uintmax_t)level);
}

/* Few levels, but a path beyond PATH_MAX. */
void gen_long(struct gen *g, int dir)
{
	make_chain(g, dir, 20, long_name);
}

void gen_tall(struct gen *g, int dir)
{
	make_chain(g, dir, g->tall, tall_name);
}

/* One directory with very many entries: mostly files, many of them empty. */
void gen_wide(struct gen *g, int dir)
{
	char name[64];

	for (uint64_t i = 0; i < g->wide; i++) {
		uint64_t n = rng_next(&g->rng);

		snprintf(name, sizeof(name), "%c%0*ju", 'a' + (int)(n % 26), 6 + (int)(n % 20), (uintmax_t)i);
		if (i % 500 == 7)
			gen_done(g, gen_dir(dir, name), 0755);
		else if (i % 500 == 9 && symlinkat(name, dir, name) == 0)
			gen_stamp(g, dir, name);
		else
			gen_file(g, dir, name, CONTENT_TEXT, n % 3 ? 0 : (n >> 8) % 200);
	}
}
