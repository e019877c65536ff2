/*
 * Repositories to be checked.  See check_rig.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/check/repair.h"
#include "tests/unit/check/check_rig.h"

static void on_found(void *arg, const struct check_finding *f)
{
	struct check_rig *k = arg;
	size_t len = strlen(k->text);
	char *out = k->text + len;
	size_t size = sizeof(k->text) - len;

	if (f->unreachable)
		snprintf(out, size, "unreachable %s %s: %s\n", check_kind_name(f->kind), f->object, f->what);
	else if (f->path != NULL)
		snprintf(out, size, "affected %s %s: %s\n", f->object, f->path, f->what);
	else if (f->object == NULL)
		snprintf(out, size, "snapshot %llu\n", (unsigned long long)f->more);
	else if (f->more > 0)
		snprintf(out, size, "more %s %llu\n", f->object, (unsigned long long)f->more);
	else
		snprintf(out, size, "finding %s %s: %s\n", check_kind_name(f->kind), f->object, f->what);
	if (k->stop_at > 0 && --k->stop_at == 0)
		k->stop = 1;
}

static void on_snapshot(void *arg, const struct id *id, const struct manifest *m)
{
	struct check_rig *k = arg;

	assert_false(id_is_zero(id));
	assert_string_equal(m->writer, "tester");
	k->nsigned++;
}

int check_rig_setup(void **state)
{
	struct check_rig *k = calloc(1, sizeof(*k));
	void *g = NULL;

	assert_non_null(k);
	assert_int_equal(rig_setup(&g), 0);
	k->g = g;
	k->o = (struct check_options){
		.threads = 2,
		.cancel = &k->stop,
		.found = on_found,
		.snapshot = on_snapshot,
		.arg = k,
	};
	*state = k;
	return 0;
}

int check_rig_teardown(void **state)
{
	struct check_rig *k = *state;
	void *g = k->g;
	int rc = rig_teardown(&g);

	free(k);
	return rc;
}

static void add_keyslot(struct repo *r)
{
	static const uint8_t key_file[KEY_FILE_MIN] = "a key file for a test";
	struct repo_new_keyslot slot = {
		.role = ROLE_OWNER,
		.cred = { .key_file = key_file, .key_file_len = sizeof(key_file) },
		.name = "tester",
		.same_bundle = true,
	};
	struct id id;

	assert_int_equal(repo_add_keyslot(r, &slot, &id), 0);
}

void check_rig_fill(struct check_rig *k)
{
	char name[32];

	add_keyslot(&k->g->repo);
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "src/small/%u", i);
		rig_file(name, i, 300 + 10 * i);
	}
	rig_file("src/large", 100, 200000);
	rig_note("src/dir/other", "some text");
	assert_int_equal(rig_backup(k->g, "src", NULL), 0);
	rig_note("src/new", "something new");
	assert_int_equal(rig_backup(k->g, "src", NULL), 0);
}

uint64_t check_rig_run(struct check_rig *k, bool read_data)
{
	k->text[0] = '\0';
	k->nsigned = 0;
	k->o.read_data = read_data;
	assert_int_equal(check_run(&k->g->repo, &k->o, &k->result), 0);
	assert_int_equal(k->result.findings, check_rig_lines(k, "finding "));
	return k->result.findings;
}

uint64_t check_rig_locked(struct check_rig *k, bool read_data)
{
	k->text[0] = '\0';
	k->o.read_data = read_data;
	assert_int_equal(check_locked(k->g->f.store, &k->o, &k->result), 0);
	assert_int_equal(k->result.findings, check_rig_lines(k, "finding "));
	return k->result.findings;
}

/* The next line after ${at} that begins with ${begin}, or NULL. */
static const char *next_line(const char *at, const char *begin)
{
	while (*at != '\0' && strncmp(at, begin, strlen(begin)) != 0) {
		at = strchr(at, '\n');
		assert_non_null(at);
		at++;
	}
	return *at != '\0' ? at : NULL;
}

bool check_rig_told(const struct check_rig *k, const char *begin, const char *part)
{
	const char *line = k->text, *found;

	while ((line = next_line(line, begin)) != NULL) {
		found = strstr(line, part);
		line = strchr(line, '\n') + 1;
		if (found != NULL && found < line)
			return true;
	}
	return false;
}

unsigned check_rig_lines(const struct check_rig *k, const char *begin)
{
	const char *line = k->text;
	unsigned n = 0;

	while ((line = next_line(line, begin)) != NULL) {
		line = strchr(line, '\n') + 1;
		n++;
	}
	return n;
}

struct fixture *check_rig_fixture(struct check_rig *k)
{
	return &k->g->f;
}

static int take_size(void *arg, const char *name, uint64_t size)
{
	struct check_rig_sizes *l = arg;
	unsigned at = l->n++;

	assert_true(l->n <= 16);
	for (; at > 0 && l->of[at - 1].size < size; at--)
		l->of[at] = l->of[at - 1];
	snprintf(l->of[at].name, sizeof(l->of[at].name), "%s", name);
	l->of[at].size = size;
	return 0;
}

const char *check_rig_largest(struct check_rig *k, const char *prefix, struct check_rig_sizes *l)
{
	l->n = 0;
	assert_int_equal(store_list(check_rig_fixture(k)->store, prefix, take_size, l), 0);
	assert_true(l->n > 0);
	return l->of[0].name;
}

void check_rig_flip(struct check_rig *k, const char *name, int64_t at)
{
	struct buf b = BUF_INIT;

	assert_int_equal(store_get_all(check_rig_fixture(k)->store, name, 1 << 28, &b), 0);
	b.data[at < 0 ? (int64_t)b.len + at : at] ^= 0x10;
	assert_int_equal(store_mem_replace(check_rig_fixture(k)->store, name, b.data, b.len), 0);
	buf_free(&b);
}

void check_rig_cut(struct check_rig *k, const char *name, uint64_t len)
{
	struct buf b = BUF_INIT;

	assert_int_equal(store_get_all(check_rig_fixture(k)->store, name, 1 << 28, &b), 0);
	assert_true(len < b.len);
	assert_int_equal(store_mem_replace(check_rig_fixture(k)->store, name, b.data, (size_t)len), 0);
	buf_free(&b);
}
