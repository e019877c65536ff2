/*
 * Access: URL, secrets and cache directory from options, environment, files, commands, the terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "repo/access/access.h"
#include "repo/util/process/harden.h"

#define PASSPHRASE_MAX 4096 /* bytes */
#define NEW_KEY_FILE_LEN 64 /* bytes */

const char *access_url(const struct access *a)
{
	const char *env = getenv("VARVE_REPOSITORY");

	if (a->repo_url != NULL)
		return a->repo_url;
	return env != NULL && *env != '\0' ? env : NULL;
}

static char *join(const char *dir, const char *rest)
{
	char *out = NULL;

	return asprintf(&out, "%s%s", dir, rest) < 0 ? NULL : out;
}

char *access_cache_dir(const struct access *a)
{
	const char *env = getenv("VARVE_CACHE_DIR"), *home;

	if (a->cache_dir != NULL)
		return strdup(a->cache_dir);
	if (env != NULL && *env != '\0')
		return strdup(env);
	if (geteuid() == 0)
		return strdup("/var/cache/varve");
	home = getenv("XDG_CACHE_HOME");
	if (home != NULL && *home == '/')
		return join(home, "/varve");
	home = getenv("HOME");
	return home != NULL && *home == '/' ? join(home, "/.cache/varve") : NULL;
}

/* --- Reading secrets ---------------------------------------------------------------------------------------------- */

/* Room for a secret, at once: growing later would leave a copy behind in freed memory. */
static int secret_reserve(struct buf *b, size_t len)
{
	int rc = buf_reserve(b, len);

	if (rc == 0)
		crypt_lock(b->data, b->cap);
	return rc;
}

static void secret_wipe(struct buf *b)
{
	if (b->data != NULL)
		crypt_unlock(b->data, b->cap);
	buf_free(b);
}

/* Read ${fd} to its end, at most ${max} bytes (-EFBIG). */
static int read_fd(int fd, size_t max, struct buf *out)
{
	ssize_t n;

	if (secret_reserve(out, max + 1 - out->len) != 0)
		return -ENOMEM;
	for (;;) {
		n = read(fd, out->data + out->len, max + 1 - out->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		out->len += (size_t)n;
		if (out->len > max)
			return -EFBIG;
	}
}

static int read_file(struct access *a, const char *what, const char *path, size_t max, struct buf *out)
{
	int fd, rc;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	rc = fd < 0 ? -errno : read_fd(fd, max, out);
	if (fd >= 0)
		close(fd);
	if (rc == 0)
		return 0;
	log_error(a->log, "%s %s: %s", what, path, rc == -EFBIG ? "too large" : strerror(-rc));
	/* Not -ENOENT: that would mean that there is no repository. */
	return rc == -ENOMEM ? rc : -EINVAL;
}

/* Run the command with a shell, as ssh and restic do, and take what it prints. */
static int read_command(struct access *a, const char *command, struct buf *out)
{
	FILE *f = popen(command, "re");
	int rc, status;

	if (f == NULL) {
		log_error(a->log, "password command: %s", strerror(errno));
		return -EIO;
	}
	rc = read_fd(fileno(f), PASSPHRASE_MAX, out);
	status = pclose(f);
	if (rc == 0 && status == 0)
		return 0;
	if (rc != 0)
		log_error(a->log, "password command: %s", rc == -EFBIG ? "its output is too long" : strerror(-rc));
	else if (WIFSIGNALED(status))
		log_error(a->log, "password command: ended by signal %d", WTERMSIG(status));
	else
		log_error(a->log, "password command: exit status %d", WEXITSTATUS(status));
	return -EIO;
}

/* A passphrase is the first line. */
static int first_line(struct access *a)
{
	struct buf *b = &a->passphrase;
	uint8_t *nl = b->len > 0 ? memchr(b->data, '\n', b->len) : NULL;

	if (nl != NULL)
		b->len = (size_t)(nl - b->data);
	if (b->len > 0 && b->data[b->len - 1] == '\r')
		b->len--;
	if (b->len > 0)
		return 0;
	log_error(a->log, "the passphrase is empty");
	return -EINVAL;
}

/* --- The terminal ------------------------------------------------------------------------------------------------- */

static int prompt_once(int tty, const char *prompt, struct buf *out)
{
	struct termios old, quiet;
	uint8_t c;
	ssize_t n = 0;
	int rc = 0;

	if (tcgetattr(tty, &old) != 0)
		return -errno;
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
	quiet.c_lflag |= ECHONL;
	if (tcsetattr(tty, TCSAFLUSH, &quiet) != 0)
		return -errno;
	if (write(tty, prompt, strlen(prompt)) < 0)
		rc = -errno;
	while (rc == 0 && (n = read(tty, &c, 1)) == 1 && c != '\n')
		rc = out->len < PASSPHRASE_MAX ? buf_u8(out, c) : -EFBIG;
	if (rc == 0 && n < 0)
		rc = -errno;
	tcsetattr(tty, TCSAFLUSH, &old);
	return rc;
}

static int prompt_passphrase(struct access *a, bool twice)
{
	struct buf again = BUF_INIT;
	int tty, rc;

	tty = a->no_prompt ? -1 : open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0) {
		log_error(a->log, "no passphrase or key given (--password-file, --key-file, VARVE_PASSWORD_FILE, "
		    "VARVE_PASSWORD_COMMAND), and no terminal to ask on");
		return -EKEYREJECTED;
	}
	if (secret_reserve(&a->passphrase, PASSPHRASE_MAX) != 0 || secret_reserve(&again, PASSPHRASE_MAX) != 0) {
		rc = -ENOMEM;
		goto out;
	}
	rc = prompt_once(tty, twice ? "new passphrase: " : "passphrase: ", &a->passphrase);
	if (rc == 0 && twice) {
		rc = prompt_once(tty, "the same again: ", &again);
		if (rc == 0 && (again.len != a->passphrase.len ||
		    !crypt_equal(again.data, a->passphrase.data, again.len))) {
			log_error(a->log, "the two passphrases differ");
			rc = -EINVAL;
		}
	} else if (rc != 0) {
		log_error(a->log, "/dev/tty: %s", strerror(-rc));
	}
out:
	secret_wipe(&again);
	close(tty);
	return rc;
}

/* --- Putting it together ------------------------------------------------------------------------------------------ */

static const char *option_or_env(const char *option, const char *name)
{
	const char *env = getenv(name);

	if (option != NULL)
		return option;
	return env != NULL && *env != '\0' ? env : NULL;
}

/* The first source of a passphrase that is given.  Return 1 if none is. */
static int given_passphrase(struct access *a)
{
	const char *file, *command = getenv("VARVE_PASSWORD_COMMAND"), *plain = getenv("VARVE_PASSWORD");

	/* A key file on the command line is a choice: what is left in the environment does not make it two factors. */
	if (a->password_file == NULL && a->key_file != NULL)
		return 1;
	file = option_or_env(a->password_file, "VARVE_PASSWORD_FILE");
	if (file != NULL)
		return read_file(a, "password file", file, PASSPHRASE_MAX, &a->passphrase);
	if (command != NULL && *command != '\0')
		return read_command(a, command, &a->passphrase);
	if (plain != NULL && *plain != '\0')
		return buf_append(&a->passphrase, plain, strlen(plain));
	return 1;
}

static int given_key_file(struct access *a)
{
	const char *file = a->password_file != NULL ? a->key_file : option_or_env(a->key_file, "VARVE_KEY_FILE");
	int rc;

	if (file == NULL)
		return 1;
	rc = read_file(a, "key file", file, KEY_FILE_MAX, &a->key);
	if (rc == 0 && a->key.len < KEY_FILE_MIN) {
		log_error(a->log, "key file %s: has %zu bytes, needs at least %d", file, a->key.len, KEY_FILE_MIN);
		rc = -EINVAL;
	}
	return rc;
}

static int gather(struct access *a, struct credentials *out, bool twice)
{
	int key, pass;

	secret_wipe(&a->passphrase);
	secret_wipe(&a->key);
	key = given_key_file(a);
	if (key < 0)
		return key;
	pass = given_passphrase(a);
	if (pass == 1 && key == 1)
		pass = prompt_passphrase(a, twice);
	if (pass == 0)
		pass = first_line(a);
	if (pass < 0)
		return pass;
	if (pass == 0) {
		out->passphrase = (const char *)a->passphrase.data;
		out->passphrase_len = a->passphrase.len;
	}
	if (key == 0) {
		out->key_file = a->key.data;
		out->key_file_len = a->key.len;
		out->recipient = &a->recipient;
		return keyslot_recipient(a->key.data, a->key.len, &a->recipient);
	}
	return 0;
}

int access_credentials(void *arg, struct credentials *out)
{
	return gather(arg, out, false);
}

int access_new_credentials(void *arg, struct credentials *out)
{
	return gather(arg, out, true);
}

/* --- Recipients --------------------------------------------------------------------------------------------------- */

int access_recipient(struct access *a, struct box_public *out)
{
	int rc;

	secret_wipe(&a->key);
	rc = given_key_file(a);
	if (rc == 1) {
		log_error(a->log, "no key file given (--key-file, VARVE_KEY_FILE)");
		return -EKEYREJECTED;
	}
	if (rc == 0)
		rc = crypt_init();
	if (rc == 0)
		rc = keyslot_recipient(a->key.data, a->key.len, &a->recipient);
	if (rc == 0)
		crypt_box_public(&a->recipient, out);
	return rc;
}

static int write_random(int fd)
{
	uint8_t bytes[NEW_KEY_FILE_LEN];
	ssize_t n;

	crypt_random(bytes, sizeof(bytes));
	n = write(fd, bytes, sizeof(bytes));
	crypt_wipe(bytes, sizeof(bytes));
	if (n < 0 || fsync(fd) != 0)
		return -errno;
	return n == NEW_KEY_FILE_LEN ? 0 : -ENOSPC;
}

int access_make_key_file(const char *path, const struct log *log)
{
	int fd, rc = crypt_init();

	if (rc != 0)
		return rc;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		rc = -errno;
		goto out;
	}
	rc = write_random(fd);
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	if (rc != 0)
		unlink(path);
out:
	if (rc != 0)
		log_error(log, "key file %s: %s", path, strerror(-rc));
	return rc;
}

void access_destroy(struct access *a)
{
	secret_wipe(&a->passphrase);
	secret_wipe(&a->key);
	crypt_wipe(&a->recipient, sizeof(a->recipient));
}

void access_forget_password(void)
{
	harden_forget_variable("VARVE_PASSWORD");
}
