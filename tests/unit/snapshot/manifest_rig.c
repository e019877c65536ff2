/*
 * Manifests to test with.  See manifest_rig.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/snapshot/manifest_rig.h"

int manifest_rig_setup(void **state)
{
	struct manifest_rig *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	assert_int_equal(crypt_init(), 0);
	crypt_random(e->config.repo_id, sizeof(e->config.repo_id));
	e->config.cipher = CIPHER_XCHACHA20_POLY1305;
	e->owner = secrets_generate(e->config.repo_id, "tester", MANIFEST_RIG_TIME);
	assert_non_null(e->owner);
	crypt_box_public(&e->owner->metadata, &e->config.metadata);
	crypt_box_public(&e->owner->data, &e->config.data);
	seal_metadata_domain(&e->config, e->owner, &e->metadata);
	*state = e;
	return 0;
}

int manifest_rig_teardown(void **state)
{
	struct manifest_rig *e = *state;

	secrets_free(e->owner);
	free(e);
	return 0;
}

struct tree_entry manifest_rig_root(void)
{
	struct tree_entry e = {
		.name = "whatever",
		.name_len = 8,
		.type = ENTRY_DIR,
		.flags = ENTRY_HAS_CHILD,
		.mode = 0755,
		.uid = 1000,
		.nlink = 20,
		.below = 12345,
	};

	memset(e.child.b, 0xee, ID_LEN);
	return e;
}

void manifest_rig_set_string(char **out, const char *s)
{
	free(*out);
	*out = strdup(s);
	assert_non_null(*out);
}

void manifest_rig_make(struct manifest *m)
{
	static const uint8_t place[32 + 80 + 17] = { 1, 2, 3 };
	const struct tree_entry root = manifest_rig_root();

	manifest_init(m);
	m->time_ns = MANIFEST_RIG_TIME;
	m->zone_s = -3600;
	manifest_rig_set_string(&m->host, "web");
	manifest_rig_set_string(&m->user, "alice");
	manifest_rig_set_string(&m->profile, "daily");
	manifest_rig_set_string(&m->program, "varve 0.1.0");
	assert_int_equal(manifest_add_path(m, "/etc"), 0);
	assert_int_equal(manifest_add_path(m, "/srv/\xff\n"), 0);
	assert_int_equal(manifest_add_path(m, "/var"), 0);
	assert_int_equal(manifest_add_tag(m, "weekly"), 0);
	m->has_parent = true;
	memset(m->parent.b, 1, ID_LEN);
	m->has_previous = true;
	memset(m->previous.b, 2, ID_LEN);
	m->unreadable = 1;
	m->files = 2;
	m->dirs = 3;
	m->others = 4;
	m->bytes = 5;
	m->added = 6;
	m->stored = UINT64_MAX;
	m->duration_ns = 8;
	assert_int_equal(buf_append(&m->root_place, place, sizeof(place)), 0);
	m->root_pack_size = 123456;
	assert_int_equal(manifest_set_root(m, &root), 0);
}

int manifest_rig_seal(struct manifest_rig *e, const struct secrets *s, struct buf *out, struct id *id)
{
	struct manifest m;
	int rc;

	manifest_rig_make(&m);
	rc = manifest_seal(&m, s, &e->metadata, out, id);
	manifest_destroy(&m);
	return rc;
}

int manifest_rig_open(struct manifest_rig *e, const struct buf *object, const struct id *id, const struct secrets *s,
    struct manifest *out)
{
	return manifest_open(object->data, object->len, id, s, &e->metadata, out);
}
