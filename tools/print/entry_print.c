/*
 * Entries on stdout.
 */
#include <stdio.h>
#include <string.h>

#include "repo/util/text/when.h"
#include "tools/cli/cli.h"
#include "tools/print/entry_print.h"

static char type_letter(uint8_t type)
{
	switch (type) {
	case ENTRY_DIR:
		return 'd';
	case ENTRY_LNK:
		return 'l';
	case ENTRY_CHR:
		return 'c';
	case ENTRY_BLK:
		return 'b';
	case ENTRY_FIFO:
		return 'p';
	case ENTRY_SOCK:
		return 's';
	default:
		return '-';
	}
}

static const char *type_name(uint8_t type)
{
	switch (type) {
	case ENTRY_DIR:
		return "dir";
	case ENTRY_LNK:
		return "symlink";
	case ENTRY_CHR:
		return "chardev";
	case ENTRY_BLK:
		return "blockdev";
	case ENTRY_FIFO:
		return "fifo";
	case ENTRY_SOCK:
		return "socket";
	default:
		return "file";
	}
}

static void mode_text(const struct tree_entry *e, char out[11])
{
	static const char rwx[] = "rwxrwxrwx";

	out[0] = type_letter(e->type);
	for (int i = 0; i < 9; i++)
		out[1 + i] = e->mode & (0400 >> i) ? rwx[i] : '-';
	if (e->mode & 04000)
		out[3] = e->mode & 0100 ? 's' : 'S';
	if (e->mode & 02000)
		out[6] = e->mode & 0010 ? 's' : 'S';
	if (e->mode & 01000)
		out[9] = e->mode & 0001 ? 't' : 'T';
	out[10] = '\0';
}

/* The name at the source, or the number. */
static void print_owner(const char *name, uint8_t len, uint32_t id)
{
	char quoted[4 * UINT8_MAX + 1];

	if (len > 0)
		printf("%-8s ", quote_name(name, len, quoted, sizeof(quoted)));
	else
		printf("%-8u ", id);
}

void entry_print_long(const struct cli *c, const struct tree_entry *e, const char *path, size_t path_len)
{
	char mode[11], when[WHEN_SIZE];

	mode_text(e, mode);
	printf("%s %3u ", mode, e->nlink);
	print_owner(e->user, e->user_len, e->uid);
	print_owner(e->group, e->group_len, e->gid);
	if (e->type == ENTRY_CHR || e->type == ENTRY_BLK)
		printf("%6u, %4u ", e->rdev_major, e->rdev_minor);
	else
		printf("%12llu ", (unsigned long long)e->size);
	printf("%s ", when_format(e->mtime * NS_PER_SEC, WHEN_HUMAN, c->utc, when));
	cli_print_name(c, path, path_len);
	if (e->type == ENTRY_LNK) {
		fputs(" -> ", stdout);
		cli_print_name(c, e->target, e->target_len);
	}
	cli_end_name(c);
}

json_value *entry_json(const struct tree_entry *e, const char *path, size_t path_len, bool utc)
{
	json_value *o = json_new_object();
	char mode[8];

	json_set_name(o, "path", path, path_len);
	json_set_text(o, "type", type_name(e->type));
	snprintf(mode, sizeof(mode), "%04o", e->mode);
	json_set_text(o, "mode", mode);
	json_set_u64(o, "uid", e->uid);
	json_set_u64(o, "gid", e->gid);
	json_set_name(o, "user", e->user, e->user_len);
	json_set_name(o, "group", e->group, e->group_len);
	json_set_u64(o, "size", e->size);
	json_set_u64(o, "links", e->nlink);
	json_set_i64(o, "mtime_s", e->mtime);
	json_set_u64(o, "mtime_ns", e->mtime_ns);
	/* Years that 64 bits of nanoseconds do not reach have the seconds alone. */
	if (e->mtime < INT64_MAX / NS_PER_SEC && e->mtime > INT64_MIN / NS_PER_SEC)
		json_set_time(o, "mtime", e->mtime * NS_PER_SEC + e->mtime_ns, utc);
	if (e->type == ENTRY_LNK)
		json_set_name(o, "target", e->target, e->target_len);
	if (e->type == ENTRY_CHR || e->type == ENTRY_BLK) {
		json_set_u64(o, "rdev_major", e->rdev_major);
		json_set_u64(o, "rdev_minor", e->rdev_minor);
	}
	return o;
}
