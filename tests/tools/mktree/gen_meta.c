/*
 * Sections of a generated tree: everything about a file but its name and bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/tools/mktree/gen.h"

static void make_node(struct gen *g, int dir, const char *name, mode_t mode, dev_t dev)
{
	if (mknodat(dir, name, mode, dev) < 0)
		gen_skip(g, name);
	else
		gen_stamp(g, dir, name);
}

static void make_symlink(struct gen *g, int dir, const char *name, const char *target)
{
	if (symlinkat(target, dir, name) < 0)
		gen_skip(g, name);
	else
		gen_stamp(g, dir, name);
}

static void make_link(struct gen *g, int from, const char *old, int to, const char *new)
{
	if (linkat(from, old, to, new, 0) < 0)
		gen_skip(g, new);
}

/* The longest symlink that the filesystem takes, up to the 4,095 bytes that Linux allows. */
static void make_longest_symlink(struct gen *g, int dir)
{
	static const size_t sizes[] = { 4095, 4000, 2000, 1023 };
	char target[4096];

	for (size_t i = 0; i < sizeof(target); i++)
		target[i] = (char)(i % 16 == 15 ? '/' : 'a' + (char)(i % 16));
	for (size_t i = 0; i < 4; i++) {
		target[sizes[i]] = '\0';
		if (symlinkat(target, dir, "symlink-longest") == 0) {
			gen_stamp(g, dir, "symlink-longest");
			return;
		}
		gen_skip(g, "a longer symlink");
	}
}

void gen_types(struct gen *g, int dir)
{
	gen_file(g, dir, "file", CONTENT_TEXT, 1234);
	gen_file(g, dir, "file-empty", CONTENT_TEXT, 0);
	gen_done(g, gen_dir(dir, "directory-empty"), 0755);
	make_symlink(g, dir, "symlink-to-file", "file");
	make_symlink(g, dir, "symlink-to-directory", "directory-empty");
	make_symlink(g, dir, "symlink-dangling", "nothing/here");
	make_symlink(g, dir, "symlink-absolute", "/etc/passwd");
	make_symlink(g, dir, "symlink-to-itself", "symlink-to-itself");
	make_symlink(g, dir, "symlink-odd", "new\nline \\ \"quote\" \xff\xfe ../..//./x/");
	make_symlink(g, dir, "symlink-60-bytes", "123456789 123456789 123456789 123456789 123456789 123456789 ");
	make_longest_symlink(g, dir);
	make_node(g, dir, "fifo", S_IFIFO | 0640, 0);
	make_node(g, dir, "socket", S_IFSOCK | 0755, 0);
	make_node(g, dir, "null", S_IFCHR | 0666, makedev(1, 3));
	make_node(g, dir, "character", S_IFCHR | 0600, makedev(4095, 1048575));
	make_node(g, dir, "block", S_IFBLK | 0660, makedev(259, 65536));
	make_node(g, dir, "block-0-0", S_IFBLK | 0600, makedev(0, 0));
}

void gen_links(struct gen *g, int dir)
{
	int a = gen_dir(dir, "a"), b = gen_dir(dir, "b"), c = gen_dir(b, "c");
	char name[32];

	gen_file(g, dir, "one", CONTENT_TEXT, 5000);
	make_link(g, dir, "one", a, "one again");
	make_link(g, dir, "one", c, "one once more");
	gen_file(g, a, "two", CONTENT_RANDOM, 100);
	make_link(g, a, "two", b, "two");
	gen_file(g, c, "same bytes as nothing else", CONTENT_RANDOM, 100);
	gen_file(g, c, "empty", CONTENT_TEXT, 0);
	make_link(g, c, "empty", dir, "empty");
	make_node(g, dir, "fifo", S_IFIFO | 0600, 0);
	make_link(g, dir, "fifo", c, "fifo");
	make_symlink(g, dir, "symlink", "one");
	make_link(g, dir, "symlink", a, "symlink");
	make_node(g, dir, "device", S_IFCHR | 0600, makedev(1, 3));
	make_link(g, dir, "device", a, "device");
	gen_file(g, b, "many", CONTENT_TEXT, 10);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "many %d", i);
		make_link(g, b, "many", i % 2 ? a : c, name);
	}
	gen_done(g, c, 0755);
	gen_done(g, b, 0755);
	gen_done(g, a, 0755);
}

void gen_modes(struct gen *g, int dir)
{
	static const mode_t modes[] = { 0400, 0401, 0410, 0420, 0500, 0644, 0755, 0777, 01777, 02755, 04755, 06755,
		07777, 02644, 04644, 01644 };
	char name[32];

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		snprintf(name, sizeof(name), "file-%04o", modes[i]);
		gen_file(g, dir, name, CONTENT_TEXT, 20);
		if (fchmodat(dir, name, modes[i], 0) < 0)
			gen_skip(g, name);
		if ((modes[i] & 0500) != 0500)
			continue;
		snprintf(name, sizeof(name), "directory-%04o", modes[i]);
		gen_done(g, gen_dir(dir, name), modes[i]);
	}
}

void gen_owners(struct gen *g, int dir)
{
	static const uid_t ids[][2] = { { 0, 0 }, { 1, 2 }, { 65534, 65534 }, { 65535, 65536 }, { 65536, 100000 },
		{ 4294967293u, 4294967294u }, { 2147483648u, 2147483647u }, { 1000, 0 } };
	char name[64];

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		int sub;

		snprintf(name, sizeof(name), "file-%u-%u", ids[i][0], ids[i][1]);
		gen_file(g, dir, name, CONTENT_TEXT, 30);
		if (fchownat(dir, name, ids[i][0], ids[i][1], AT_SYMLINK_NOFOLLOW) < 0) {
			gen_skip(g, name);
			continue;
		}
		/* A change of owner takes these bits away, so they come after it. */
		if (fchmodat(dir, name, 06711, 0) < 0)
			gen_skip(g, name);
		snprintf(name, sizeof(name), "symlink-%u-%u", ids[i][0], ids[i][1]);
		make_symlink(g, dir, name, "target");
		if (fchownat(dir, name, ids[i][0], ids[i][1], AT_SYMLINK_NOFOLLOW) < 0)
			gen_skip(g, name);
		snprintf(name, sizeof(name), "directory-%u-%u", ids[i][0], ids[i][1]);
		sub = gen_dir(dir, name);
		if (fchown(sub, ids[i][0], ids[i][1]) < 0)
			gen_skip(g, name);
		gen_done(g, sub, 02750);
	}
}

void gen_times(struct gen *g, int dir)
{
	/* The last ones are the ends of what ext4 and XFS can hold; a filesystem rounds what it cannot. */
	static const struct timespec times[] = {
		{ 0, 0 },
		{ 0, 1 },
		{ -1, 0 },
		{ -1, 999999999 },
		{ -2, 1 },
		{ -86400 * 365, 123456789 },
		{ 1, 999999999 },
		{ 2147483647, 999999999 },
		{ 2147483648, 0 },
		{ 4294967295, 5 },
		{ 4294967296, 500000000 },
		{ 7258118400, 1 },
		{ -2147483648, 0 },
		{ -2147483648, 999999999 },
		{ 15032385535, 999999999 },
		{ 16299260425, 7 },
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct timespec t[2] = { { .tv_nsec = UTIME_OMIT }, times[i] };
		char name[3][64];
		int sub;

		snprintf(name[0], sizeof(name[0]), "file %zu", i);
		snprintf(name[1], sizeof(name[1]), "symlink %zu", i);
		snprintf(name[2], sizeof(name[2]), "directory %zu", i);
		gen_file(g, dir, name[0], CONTENT_TEXT, 10);
		make_symlink(g, dir, name[1], name[0]);
		sub = gen_dir(dir, name[2]);
		gen_file(g, sub, "inside", CONTENT_TEXT, 10);
		gen_done(g, sub, 0755);
		for (int k = 0; k < 3; k++)
			if (utimensat(dir, name[k], t, AT_SYMLINK_NOFOLLOW) < 0)
				gen_skip(g, name[k]);
	}
}

/* The largest value that fits; how much that is depends on the filesystem. */
static void make_large_xattr(struct gen *g, int dir, const char *name)
{
	static const size_t sizes[] = { 65536, 65535, 32768, 16384, 8192, 4096, 4000, 3900, 3800, 3600, 3000, 2000,
		1000 };
	char *value = xmalloc(sizes[0]);
	size_t i = 0, last = sizeof(sizes) / sizeof(sizes[0]) - 1;

	rng_fill(&g->rng, value, sizes[0]);
	while (i <= last && !gen_try_xattr(dir, name, "user.large", value, sizes[i]))
		i++;
	if (i > last)
		gen_skip(g, "user.large");
	free(value);
}

void gen_xattrs(struct gen *g, int dir)
{
	/* vfs_cap_data, revision 2: effective, permitted cap_net_raw. */
	static const unsigned char capability[20] = { 1, 0, 0, 2, 0, 0x20 };
	char long_name[256] = "user.", attr[64];
	int sub;

	gen_file(g, dir, "user", CONTENT_TEXT, 100);
	gen_xattr(g, dir, "user", "user.one", "value", 5);
	gen_xattr(g, dir, "user", "user.empty", "", 0);
	gen_xattr(g, dir, "user", "user.binary", "\0\xff\n\0", 4);
	gen_xattr(g, dir, "user", "user.odd name\n\xfe=", "odd", 3);
	memset(long_name + 5, 'n', 250);
	gen_xattr(g, dir, "user", long_name, "long", 4);
	gen_file(g, dir, "large", CONTENT_TEXT, 100);
	make_large_xattr(g, dir, "large");
	gen_file(g, dir, "many", CONTENT_TEXT, 100);
	for (int i = 0; i < 60; i++) {
		snprintf(attr, sizeof(attr), "user.%c%d", 'a' + i * 7 % 26, i);
		gen_xattr(g, dir, "many", attr, attr, (size_t)i % 8);
	}
	gen_file(g, dir, "program", CONTENT_RANDOM, 100);
	gen_xattr(g, dir, "program", "security.capability", capability, sizeof(capability));
	gen_file(g, dir, "trusted", CONTENT_TEXT, 100);
	gen_xattr(g, dir, "trusted", "trusted.overlay.opaque", "y", 1);
	make_symlink(g, dir, "symlink", "nowhere");
	gen_xattr(g, dir, "symlink", "trusted.on-symlink", "1", 1);
	make_node(g, dir, "fifo", S_IFIFO | 0600, 0);
	gen_xattr(g, dir, "fifo", "trusted.on-fifo", "2", 1);
	sub = gen_dir(dir, "directory");
	gen_file(g, sub, "inside", CONTENT_TEXT, 1);
	gen_done(g, sub, 0755);
	gen_xattr(g, dir, "directory", "user.on-directory", "3", 1);
	gen_file(g, dir, "same values as many", CONTENT_TEXT, 100);
	gen_xattr(g, dir, "same values as many", "user.one", "value", 5);
}

/* An ACL as the kernel takes it: version 2, then tag, permissions and id of each entry, little-endian. */
struct acl {
	unsigned char bytes[4 + 8 * 16];
	size_t len;
};

static void acl_entry(struct acl *a, unsigned tag, unsigned perm, uint32_t id)
{
	unsigned char *p = a->bytes + a->len;

	if (a->len == 0) {
		memcpy(p, "\2\0\0\0", 4);
		a->len = 4;
		p += 4;
	}
	p[0] = (unsigned char)tag;
	p[1] = 0;
	p[2] = (unsigned char)perm;
	p[3] = 0;
	for (int i = 0; i < 4; i++)
		p[4 + i] = (unsigned char)(id >> (8 * i));
	a->len += 8;
}

/* The ids of ${named} users, the last of which needs 32 bits, are ${step} apart from each other. */
static struct acl make_acl(unsigned named, int step)
{
	struct acl a = { .len = 0 };

	acl_entry(&a, 0x01, 7, UINT32_MAX);
	for (unsigned i = 0; i < named; i++)
		acl_entry(&a, 0x02, i % 8, i == 7 ? 3000000000u : 1000 + (uint32_t)((int)i * step));
	acl_entry(&a, 0x04, 5, UINT32_MAX);
	acl_entry(&a, 0x08, 6, 70000);
	acl_entry(&a, 0x10, 7, UINT32_MAX);
	acl_entry(&a, 0x20, 4, UINT32_MAX);
	return a;
}

void gen_acls(struct gen *g, int dir)
{
	struct acl small = make_acl(1, 1), large = make_acl(8, 1), unordered = make_acl(7, -1);
	int sub;

	gen_file(g, dir, "access", CONTENT_TEXT, 100);
	gen_xattr(g, dir, "access", "system.posix_acl_access", small.bytes, small.len);
	gen_file(g, dir, "larger", CONTENT_TEXT, 100);
	gen_xattr(g, dir, "larger", "system.posix_acl_access", large.bytes, large.len);
	gen_xattr(g, dir, "larger", "user.beside", "x", 1);
	/* The kernel keeps such a one as it is; libacl, and so cp, sorts it. */
	gen_file(g, dir, "unordered", CONTENT_TEXT, 100);
	gen_xattr(g, dir, "unordered", "system.posix_acl_access", unordered.bytes, unordered.len);
	sub = gen_dir(dir, "directory");
	gen_file(g, sub, "made before the default", CONTENT_TEXT, 10);
	gen_xattr(g, dir, "directory", "system.posix_acl_access", small.bytes, small.len);
	gen_xattr(g, dir, "directory", "system.posix_acl_default", large.bytes, large.len);
	gen_file(g, sub, "inherits", CONTENT_TEXT, 10);
	gen_done(g, gen_dir(sub, "inherits too"), 0750);
	gen_file(g, sub, "inherits and has none", CONTENT_TEXT, 10);
	if (fchmodat(sub, "inherits and has none", 0604, 0) < 0)
		die_errno("chmod");
	gen_done(g, sub, 0771);
}

/* What only root, or somebody with CAP_DAC_OVERRIDE, gets at. */
void gen_unreadable(struct gen *g, int dir)
{
	static const mode_t modes[] = { 0000, 0111, 0444, 0333 };
	static const mode_t file_modes[] = { 0000, 0001, 0010, 0100, 0200, 0222, 04111 };
	char name[32];

	for (size_t i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "file-%04o", file_modes[i]);
		gen_file(g, dir, name, CONTENT_TEXT, 1000);
		if (fchmodat(dir, name, file_modes[i], 0) < 0)
			die_errno("chmod");
	}
	for (size_t i = 0; i < 4; i++) {
		int sub;

		snprintf(name, sizeof(name), "directory-%04o", modes[i]);
		sub = gen_dir(dir, name);
		gen_file(g, sub, "inside", CONTENT_TEXT, 1000);
		gen_done(g, gen_dir(sub, "below"), 0700);
		gen_done(g, sub, modes[i]);
	}
}
