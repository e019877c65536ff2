/*
 * Command line of varvefs.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/options.h"

#define REFRESH_DEFAULT 10 /* seconds */
#define NOBODY UINT32_MAX /* what the kernel takes for no user or group at all */
#define CACHE_MEM_MIN (4u * 1024 * 1024)

const char fs_usage[] =
    "usage: varvefs URL DIR [-f] [-d] [-o OPTION,...]\n"
    "\n"
    "Mount the snapshots of the repository at URL on DIR, read-only.\n"
    "\n"
    "  -f                    stay in the foreground, messages to stderr\n"
    "  -d                    as -f, with what libfuse has to say\n"
    "  -o OPTION,...         mount options:\n"
    "     password_file=F, key_file=F   the secret (else as varve(1): environment, terminal)\n"
    "     replica=URL        a copy to read from where URL fails; several are asked in order\n"
    "     cache_dir=D        place of the local index\n"
    "     snapshot=SNAP[:PATH]  only this, as the root of the mount\n"
    "     host=H, tag=T, path=P  only snapshots with this\n"
    "     utc, gmt           names in UTC; as @GMT-YYYY.MM.DD-HH.MM.SS\n"
    "     allow_other        other users too, with the permissions of the files\n"
    "     uid=N, gid=N       owner of everything\n"
    "     refresh=SECONDS    look for new snapshots this often (10)\n"
    "     cache_mem=SIZE     memory for opened data (48M), at least 4M\n"
    "     cache_disk=SIZE    disk for what was fetched from a remote store\n"
    "     deadline=SECONDS   how long to try to reach a remote store (30)\n"
    "     limit_download=SIZE  bytes a second to fetch from it\n"
    "     ca_file=F          authorities to trust instead of the system's\n"
    "     offline            do not ask a remote store\n"
    "     audit=FILE         log each file that is opened\n"
    "     nopush             do not push file contents into the page cache\n"
    "     nosandbox          do not confine the daemon\n"
    "     and those of mount(8): suid, dev, noexec, ...\n"
    "  -h, --help            this text\n"
    "  -V, --version         the version\n";

/* --- Option tables ------------------------------------------------------------------------------------------------ */

enum kind { TEXT, LINES, FLAG, NO_FLAG, SIZE, MEMORY, SECONDS, OWNER_UID, OWNER_GID, KERNEL, IGNORED };

static const struct option_def {
	const char *name;
	enum kind kind;
	size_t offset;
} defs[] = {
	{ "password_file", TEXT, offsetof(struct fs_options, password_file) },
	{ "key_file", TEXT, offsetof(struct fs_options, key_file) },
	{ "cache_dir", TEXT, offsetof(struct fs_options, cache_dir) },
	{ "replica", LINES, offsetof(struct fs_options, replicas) },
	{ "ca_file", TEXT, offsetof(struct fs_options, ca_file) },
	{ "limit_download", TEXT, offsetof(struct fs_options, limit_download) },
	{ "deadline", TEXT, offsetof(struct fs_options, deadline) },
	{ "snapshot", TEXT, offsetof(struct fs_options, snapshot) },
	{ "host", TEXT, offsetof(struct fs_options, host) },
	{ "tag", TEXT, offsetof(struct fs_options, tag) },
	{ "path", TEXT, offsetof(struct fs_options, path) },
	{ "audit", TEXT, offsetof(struct fs_options, audit) },
	{ "utc", FLAG, offsetof(struct fs_options, utc) },
	{ "allow_other", FLAG, offsetof(struct fs_options, allow_other) },
	{ "offline", FLAG, offsetof(struct fs_options, offline) },
	{ "nopush", FLAG, offsetof(struct fs_options, nopush) },
	{ "nosandbox", FLAG, offsetof(struct fs_options, nosandbox) },
	{ "rw", FLAG, offsetof(struct fs_options, rw) },
	{ "ro", NO_FLAG, offsetof(struct fs_options, rw) },
	{ "cache_mem", MEMORY, offsetof(struct fs_options, cache_mem) },
	{ "cache_disk", SIZE, offsetof(struct fs_options, cache_disk) },
	{ "refresh", SECONDS, offsetof(struct fs_options, refresh_s) },
	{ "uid", OWNER_UID, 0 },
	{ "gid", OWNER_GID, 0 },
	/* What mount(2) and fusermount3 take. */
	{ "suid", KERNEL, 0 }, { "nosuid", KERNEL, 0 }, { "dev", KERNEL, 0 }, { "nodev", KERNEL, 0 },
	{ "exec", KERNEL, 0 }, { "noexec", KERNEL, 0 }, { "atime", KERNEL, 0 }, { "noatime", KERNEL, 0 },
	{ "default_permissions", KERNEL, 0 },
	/* What mount(8), fstab and systemd add for themselves. */
	{ "auto", IGNORED, 0 }, { "noauto", IGNORED, 0 }, { "user", IGNORED, 0 },
	{ "users", IGNORED, 0 }, { "nouser", IGNORED, 0 }, { "_netdev", IGNORED, 0 }, { "nofail", IGNORED, 0 },
	{ "defaults", IGNORED, 0 }, { "relatime", IGNORED, 0 }, { "norelatime", IGNORED, 0 },
	{ "async", IGNORED, 0 }, { "nodiratime", IGNORED, 0 }, { "diratime", IGNORED, 0 },
	{ "strictatime", IGNORED, 0 }, { "lazytime", IGNORED, 0 }, { "nolazytime", IGNORED, 0 },
	{ "owner", IGNORED, 0 }, { "noowner", IGNORED, 0 }, { "group", IGNORED, 0 }, { "nogroup", IGNORED, 0 },
	{ "nousers", IGNORED, 0 },
};

static const struct option_def *find_def(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(defs) / sizeof(defs[0]); i++) {
		if (strlen(defs[i].name) == len && strncmp(defs[i].name, name, len) == 0)
			return &defs[i];
	}
	return NULL;
}

static int fail(char *error, unsigned size, const char *what, const char *option)
{
	snprintf(error, size, "%s: %s", option, what);
	return -EINVAL;
}

/* --- Values ------------------------------------------------------------------------------------------------------- */

static int parse_number(const char *text, uint32_t *out)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || n > UINT32_MAX)
		return -EINVAL;
	*out = (uint32_t)n;
	return 0;
}

static int parse_uid(const char *text, uint32_t *out)
{
	const struct passwd *p;

	if (parse_number(text, out) == 0)
		return *out != NOBODY ? 0 : -EINVAL;
	p = getpwnam(text);
	if (p == NULL)
		return -EINVAL;
	*out = p->pw_uid;
	return 0;
}

static int parse_gid(const char *text, uint32_t *out)
{
	const struct group *g;

	if (parse_number(text, out) == 0)
		return *out != NOBODY ? 0 : -EINVAL;
	g = getgrnam(text);
	if (g == NULL)
		return -EINVAL;
	*out = g->gr_gid;
	return 0;
}

static int set_text(char **field, const char *value)
{
	free(*field);
	*field = strdup(value);
	return *field == NULL ? -ENOMEM : 0;
}

/* One more line. */
static int add_line(char **field, const char *value)
{
	char *longer = NULL;

	if (asprintf(&longer, "%s%s\n", *field != NULL ? *field : "", value) < 0)
		return -ENOMEM;
	free(*field);
	*field = longer;
	return 0;
}

/* None is as little as can be, and not the default. */
static int set_size(uint64_t *field, const char *value)
{
	int rc = size_parse(value, field);

	*field += rc == 0 && *field == 0;
	return rc;
}

/* Less would be rounded up in silence. */
static int set_memory(uint64_t *field, const char *value)
{
	int rc = size_parse(value, field);

	return rc == 0 && *field < CACHE_MEM_MIN ? -ERANGE : rc;
}

static int set_seconds(unsigned *field, const char *value)
{
	uint32_t n;

	if (parse_number(value, &n) != 0 || n == 0 || n > 86400)
		return -EINVAL;
	*field = n;
	return 0;
}

static int add_kernel_option(struct fs_options *o, const char *option)
{
	/* The NUL at the end goes and comes back. */
	if (o->kernel.len > 0)
		o->kernel.len--;
	if (buf_printf(&o->kernel, "%s%s", o->kernel.len > 0 ? "," : "", option) != 0)
		return -ENOMEM;
	return buf_u8(&o->kernel, 0);
}

static int set_value(struct fs_options *o, const struct option_def *d, const char *option, const char *value)
{
	char *field = (char *)o + d->offset;

	switch (d->kind) {
	case TEXT:
		return set_text((char **)(void *)field, value);
	case LINES:
		return *value != '\0' ? add_line((char **)(void *)field, value) : -EINVAL;
	case FLAG:
	case NO_FLAG:
		*(bool *)(void *)field = d->kind == FLAG;
		return 0;
	case SIZE:
		return set_size((uint64_t *)(void *)field, value);
	case MEMORY:
		return set_memory((uint64_t *)(void *)field, value);
	case SECONDS:
		return set_seconds((unsigned *)(void *)field, value);
	case OWNER_UID:
		o->has_uid = true;
		return parse_uid(value, &o->uid);
	case OWNER_GID:
		o->has_gid = true;
		return parse_gid(value, &o->gid);
	case KERNEL:
		return add_kernel_option(o, option);
	default:
		return 0;
	}
}

static bool takes_value(enum kind k)
{
	return k == TEXT || k == LINES || k == SIZE || k == MEMORY || k == SECONDS || k == OWNER_UID || k == OWNER_GID;
}

/* --- Parsing ------------------------------------------------------------------------------------------------------ */

static int parse_option(struct fs_options *o, const char *option, char *error, unsigned size)
{
	const char *eq = strchr(option, '='), *value = eq != NULL ? eq + 1 : "";
	size_t len = eq != NULL ? (size_t)(eq - option) : strlen(option);
	const struct option_def *d;
	int rc;

	if (strcmp(option, "gmt") == 0) {
		o->names = WHEN_GMT;
		return 0;
	}
	if (strncmp(option, "x-", 2) == 0 || strncmp(option, "comment=", 8) == 0 || strncmp(option, "user=", 5) == 0)
		return 0;
	d = find_def(option, len);
	if (d == NULL)
		return fail(error, size, "unknown mount option", option);
	if (takes_value(d->kind) != (eq != NULL))
		return fail(error, size, eq != NULL ? "takes no value" : "needs a value", option);
	rc = set_value(o, d, option, value);
	if (rc == -ERANGE)
		return fail(error, size, "at least 4M is needed", option);
	return rc == -EINVAL ? fail(error, size, "not a valid value", option) : rc;
}

/* "a,b\,c": commas within a value are written with a backslash, as in fstab. */
static int parse_list(struct fs_options *o, const char *list, char *error, unsigned size)
{
	struct buf one = BUF_INIT;
	int rc = 0;

	while (rc == 0 && *list != '\0') {
		buf_clear(&one);
		while (rc == 0 && *list != '\0' && *list != ',') {
			if (list[0] == '\\' && list[1] != '\0')
				list++;
			rc = buf_u8(&one, (uint8_t)*list++);
		}
		list += *list == ',';
		if (rc == 0)
			rc = buf_u8(&one, 0);
		if (rc == 0 && one.len > 1)
			rc = parse_option(o, (const char *)one.data, error, size);
	}
	buf_free(&one);
	return rc;
}

static int parse_word(struct fs_options *o, const char *word, char *error, unsigned size)
{
	if (strcmp(word, "-f") == 0) {
		o->foreground = true;
	} else if (strcmp(word, "-d") == 0) {
		o->foreground = o->debug = true;
	} else if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
		o->help = true;
	} else if (strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0) {
		o->version = true;
	} else if (strcmp(word, "-s") == 0 || strcmp(word, "-n") == 0 || strcmp(word, "-v") == 0) {
		return 0; /* of mount(8) */
	} else if (word[0] == '-' && word[1] != '\0') {
		return fail(error, size, "unknown option", word);
	} else if (o->url == NULL) {
		return set_text(&o->url, word);
	} else if (o->mountpoint == NULL) {
		return set_text(&o->mountpoint, word);
	} else {
		return fail(error, size, "one argument too many", word);
	}
	return 0;
}

int fs_options_parse(int argc, char **argv, struct fs_options *out, char *error, unsigned size)
{
	int rc = 0;

	memset(out, 0, sizeof(*out));
	out->refresh_s = REFRESH_DEFAULT;
	out->names = WHEN_MINUTES;
	for (int i = 1; i < argc && rc == 0; i++) {
		if (strcmp(argv[i], "-o") == 0 && i + 1 == argc)
			rc = fail(error, size, "needs a list of mount options", "-o");
		else if (strcmp(argv[i], "-o") == 0)
			rc = parse_list(out, argv[++i], error, size);
		else if (strncmp(argv[i], "-o", 2) == 0)
			rc = parse_list(out, argv[i] + 2, error, size);
		else
			rc = parse_word(out, argv[i], error, size);
	}
	if (rc == 0 && !out->help && !out->version && out->mountpoint == NULL) {
		snprintf(error, size, "a repository and a directory are needed: varvefs URL DIR [-o OPTIONS]");
		rc = -EINVAL;
	}
	return rc;
}

void fs_options_destroy(struct fs_options *o)
{
	free(o->url);
	free(o->mountpoint);
	for (size_t i = 0; i < sizeof(defs) / sizeof(defs[0]); i++) {
		if (defs[i].kind == TEXT || defs[i].kind == LINES)
			free(*(char **)(void *)((char *)o + defs[i].offset));
	}
	buf_free(&o->kernel);
}
