/*
 * The SFTP store without a server: where it is and who asks, lines of listings, commands, what refusals mean.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "repo/store/sftp/sftp_impl.h"
#include "repo/store/sftp/store_sftp.h"
#include "tests/lib/scratch.h"

static char last[4096];

static void keep(void *arg, enum log_level level, const char *message)
{
	(void)arg;
	if (level == LOG_LEVEL_ERROR)
		strncpy(last, message, sizeof(last) - 1);
}

static const struct log log_to_last = { keep, NULL, LOG_LEVEL_DEBUG };

static int set_up(void **state)
{
	(void)state;
	setenv("VARVE_KNOWN_HOSTS", "/dev/null", 1);
	unsetenv("VARVE_SSH_KEY");
	unsetenv("VARVE_SFTP_PASSWORD");
	last[0] = '\0';
	return 0;
}

static int find(const char *text, struct sftp_place *out)
{
	struct url u;
	int rc = url_parse(text, &log_to_last, &u);

	if (rc < 0)
		return rc;
	rc = sftp_place_find(&u, &log_to_last, out);
	url_free(&u);
	return rc;
}

static void test_places(void **state)
{
	static const struct {
		const char *url, *server, *path, *directory;
	} cases[] = {
		{ "sftp://ann@h/srv/a%20b/", "sftp://h", "/srv/a b", "/srv/a b/" },
		{ "sftp://ann@h:2222/~/v/x", "sftp://h:2222", "/~/v/x", "v/x/" },
		{ "sftp://ann@h/~", "sftp://h", "/~", "" },
		{ "sftp://ann@h", "sftp://h", "", "/" },
		{ "sftp://ann@h/", "sftp://h", "", "/" },
		{ "sftp://ann@[::1]:22/v", "sftp://[::1]:22", "/v", "/v/" },
	};
	struct sftp_place p;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(find(cases[i].url, &p), 0);
		assert_string_equal(p.server, cases[i].server);
		assert_string_equal(p.path, cases[i].path);
		assert_string_equal(p.directory, cases[i].directory);
		assert_string_equal(p.user, "ann");
		assert_string_equal(p.known_hosts, "/dev/null");
		sftp_place_free(&p);
	}
	assert_int_equal(find("sftp://ann@h/a%0Ab", &p), -EINVAL);
}

static void test_credentials(void **state)
{
	struct http_auth auth;
	struct sftp_place p;

	(void)state;
	assert_int_equal(find("sftp://ann:secret@h/v", &p), -EINVAL);
	assert_non_null(strstr(last, "VARVE_SFTP_PASSWORD"));
	assert_null(strstr(last, "secret"));
	setenv("VARVE_SFTP_PASSWORD", "pw", 1);
	setenv("VARVE_SSH_KEY", "/dev/zero", 1);
	assert_int_equal(find("sftp://ann@h/v?key=/dev/null", &p), 0);
	auth = sftp_place_auth(&p);
	assert_int_equal(auth.kind, HTTP_AUTH_SSH);
	assert_string_equal(auth.user, "ann");
	assert_string_equal(auth.password, "pw");
	assert_string_equal(auth.key_file, "/dev/null");
	assert_string_equal(auth.known_hosts, "/dev/null");
	sftp_place_free(&p);
	assert_int_equal(find("sftp://ann@h/v?key=/nowhere/key", &p), -EACCES);
	assert_non_null(strstr(last, "/nowhere/key"));
	setenv("VARVE_KNOWN_HOSTS", "/nowhere/hosts", 1);
	assert_int_equal(find("sftp://ann@h:99/v", &p), -EACCES);
	assert_non_null(strstr(last, "/nowhere/hosts"));
	assert_non_null(strstr(last, "ssh-keyscan -p 99 h"));
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static bool is_rsa(const char *dir, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return sftp_key_is_rsa(path);
}

static void test_rsa(void **state)
{
	const char *dir = ((struct scratch *)*state)->dir;

	write_file(dir, "old", "-----BEGIN RSA PRIVATE KEY-----\n");
	write_file(dir, "new", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	write_file(dir, "ed", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	write_file(dir, "new.pub", "ssh-rsa AAAA me\n");
	write_file(dir, "ed.pub", "ssh-ed25519 AAAA me\n");
	assert_true(is_rsa(dir, "old"));
	assert_true(is_rsa(dir, "new"));
	assert_false(is_rsa(dir, "ed"));
	assert_false(is_rsa(dir, "none"));
}

/* --- Listings ----------------------------------------------------------------------------------------------------- */

static bool parse(const char *text, struct sftp_entry *e)
{
	static char line[256];

	snprintf(line, sizeof(line), "%s", text);
	return sftp_parse_line(line, e);
}

static void assert_file(const char *line, const char *name, uint64_t size)
{
	struct sftp_entry e;

	assert_true(parse(line, &e));
	assert_string_equal(e.name, name);
	assert_false(e.directory);
	assert_true(e.sized);
	assert_int_equal(e.size, size);
}

static void test_lines(void **state)
{
	struct sftp_entry e;

	(void)state;
	assert_file("-rw-r--r--    1 root     root       123456 Nov 21 17:18 config", "config", 123456);
	assert_file("-rw-------    ? 0        0               0 Jan  1  2020 00ff", "00ff", 0);
	assert_file("-rw-r--r-- 1 DOM\\ann domain users 34567890123 Nov 21 17:18 ab\r", "ab", UINT64_C(34567890123));
	assert_true(parse("drwxr-xr-x    2 root     root         4096 Nov 21 17:18 packs", &e));
	assert_string_equal(e.name, "packs");
	assert_true(e.directory);
	assert_true(parse("lrwxrwxrwx    1 root     root            9 Nov 21 17:18 packs -> /big/packs", &e));
	assert_string_equal(e.name, "packs");
	assert_true(e.directory);
	/* Another server's taste: the name is good, the size is to be asked for. */
	assert_true(parse("-rw-r--r-- 1 ann ann 500 2026-11-21 17:18 config", &e));
	assert_string_equal(e.name, "config");
	assert_false(e.sized);
	assert_true(parse("-rw-r--r-- config", &e));
	assert_false(e.sized);
}

static void test_no_objects(void **state)
{
	static const char *const lines[] = { "", "config", "total 12", "-", "d", "- ",
		"drwxr-xr-x    3 root     root         4096 Nov 21 17:18 .",
		"drwxr-xr-x    3 root     root         4096 Nov 21 17:18 ..",
		"-rw-r--r--    1 root     root            5 Nov 21 17:18 README",
		"-rw-r--r--    1 root     root            5 Nov 21 17:18 a/b",
		"drwx------    2 root     root         4096 Nov 21 17:18 tmp",
		"prw-r--r--    1 root     root            5 Nov 21 17:18 fifo" };
	struct sftp_entry e;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_false(parse(lines[i], &e));
}

static void test_other_listings(void **state)
{
	static const char *const good[] = { "", "\r", "-", "drwx------ x", "lrwx x", "prw- x", "Drw x" };
	static const char *const bad[] = { "name", "total 12", "11-21-26  05:18PM  <DIR>  packs", " -rw-r--r-- x" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(sftp_is_line(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(sftp_is_line(bad[i]));
}

/* --- Commands and refusals ---------------------------------------------------------------------------------------- */

static struct store_sftp *fake_store(char *directory)
{
	static const struct store_ops none;
	static char host[] = "h", user[] = "ann";
	struct store_sftp *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(store_init(&f->base, &none, &log_to_last, "sftp://ann@h/v", NULL), 0);
	f->place.directory = directory;
	f->place.host = host;
	f->place.user = user;
	return f;
}

static void free_store(struct store_sftp *f)
{
	store_destroy(&f->base);
	free(f);
}

static void test_commands(void **state)
{
	char directory[] = "/a \"b\\c/";
	struct store_sftp *f = fake_store(directory);
	struct buf out = BUF_INIT;

	(void)state;
	assert_int_equal(sftp_command(&out, "rename", f, "tmp/1", "packs/12/34"), 0);
	assert_string_equal((char *)out.data, "rename \"/a \\\"b\\\\c/tmp/1\" \"/a \\\"b\\\\c/packs/12/34\"");
	buf_clear(&out);
	assert_int_equal(sftp_command(&out, "*mkdir", f, "", NULL), 0);
	assert_string_equal((char *)out.data, "*mkdir \"/a \\\"b\\\\c/\"");
	buf_free(&out);
	free_store(f);
}

static int refused(int rc, int status, const char *text, const char *operation)
{
	char directory[] = "/v/";
	struct store_sftp *f = fake_store(directory);
	struct http_reply r = { .status = status };

	last[0] = '\0';
	assert_int_equal(buf_append(&r.error, text, strlen(text)), 0);
	snprintf(r.cause, sizeof(r.cause), "%s", text);
	rc = sftp_failed(f, rc, &r, operation, "keys/12");
	http_reply_free(&r);
	free_store(f);
	return rc;
}

static void test_refusals(void **state)
{
	(void)state;
	assert_int_equal(refused(0, 404, "No such file", "get"), -ENOENT);
	assert_string_equal(last, "");
	assert_int_equal(refused(0, 403, "Permission denied", "delete"), -EACCES);
	assert_string_equal(last, "sftp://ann@h/v/keys/12: no permission to delete");
	assert_int_equal(refused(0, 409, "rename command failed: Operation failed", "rename to"), -EIO);
	assert_non_null(strstr(last, "Operation failed"));
	assert_int_equal(refused(0, 507, "No space", "put"), -ENOSPC);
	assert_int_equal(refused(-EPIPE, 0, "broken", "get"), -EAGAIN);
	assert_int_equal(refused(-EPERM, 0, "the host's key is not the one in /k", "get"), -EACCES);
	assert_non_null(strstr(last, "the host's key is not the one in /k"));
	assert_int_equal(refused(-EACCES, 0, "Authentication failure", "get"), -EACCES);
	assert_non_null(strstr(last, "login of ann denied, with the agent's keys"));
	assert_int_equal(refused(-EACCES, 0, "the proxy wants credentials", "get"), -EACCES);
	assert_string_equal(last, "sftp://ann@h/v/keys/12: get: the proxy wants credentials");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_places, set_up),
		cmocka_unit_test_setup(test_credentials, set_up),
		cmocka_unit_test_setup_teardown(test_rsa, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup(test_lines, set_up),
		cmocka_unit_test_setup(test_no_objects, set_up),
		cmocka_unit_test_setup(test_other_listings, set_up),
		cmocka_unit_test_setup(test_commands, set_up),
		cmocka_unit_test_setup(test_refusals, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
