/*
 * Access: where the programs take repository URL, secret and cache directory from, in the order that the manual
 * promises.
 *
 *   URL:     --repo, $VARVE_REPOSITORY (the configuration file's comes in as a default of the program)
 *   secret:  --password-file, --key-file (both: two factors), $VARVE_PASSWORD_FILE, $VARVE_KEY_FILE,
 *            $VARVE_PASSWORD_COMMAND,
 *            $VARVE_PASSWORD, a prompt on the terminal (/dev/tty, never stdin)
 *   remote:  --ca-file, --limit-upload, --limit-download, --deadline, each else from $VARVE_CA_FILE and so on
 *   replica: --replica, as often as wanted; $VARVE_REPLICAS, with blanks between; the configuration file's lines
 *   cache:   --cache-dir, $VARVE_CACHE_DIR, /var/cache/varve for root, $XDG_CACHE_HOME/varve, ~/.cache/varve;
 *            its bound: --cache-size, $VARVE_CACHE_SIZE
 */
#ifndef VARVE_ACCESS_H
#define VARVE_ACCESS_H

#include "repo/crypt/keys/keyslot.h"
#include "repo/store/store.h"
#include "repo/util/bytes/buf.h"
#include "repo/util/log.h"

struct access {
	const char *repo_url;      /* options; NULL: not given; borrowed */
	const char *password_file;
	const char *key_file;
	const char *cache_dir;
	const char *cache_size;    /* of what is kept of a remote store */
	const char *ca_file;
	const char *limit_upload, *limit_download; /* sizes, a second */
	const char *deadline;                      /* seconds */
	char *replica[STORE_REPLICAS_MAX];         /* access_add_replicas(); owned, for access_forget_replicas() */
	unsigned nreplicas;
	const char *default_replicas;              /* a URL a line, if neither options nor the environment say any */
	bool no_prompt;
	const struct log *log;
	struct buf passphrase, key; /* filled by access_credentials(); wiped by access_destroy() */
	struct box_secret recipient; /* whose secret is made from ${key}; likewise */
};

/* The URL to use, or NULL if none was given.  Borrowed. */
const char *access_url(const struct access *a);

/**
 * access_store_options(a, patience_ms, out):
 * How to open the store: ${out} is filled with the URL (NULL if none was given), and what concerns remote stores; all
 * borrowed as long as ${a} and the environment.  ${patience_ms} is the deadline if nobody says another.  Return 0;
 * -EINVAL for a rate or a time that is none (logged with its name).
 */
int access_store_options(const struct access *a, unsigned patience_ms, struct store_options *out);

/**
 * access_add_replicas(a, urls, separators):
 * Add one or more URLs that are separated by any of these characters; "" takes ${urls} as one.  Return 0; -E2BIG for
 * more than STORE_REPLICAS_MAX in all (logged); -ENOMEM.
 */
int access_add_replicas(struct access *a, const char *urls, const char *separators);

/**
 * access_store_replicas(a, out):
 * Give the replicas to ${out}, borrowed until access_forget_replicas(): those that were added, else what the
 * environment or ${a->default_replicas} say.  For who only reads: writing and verifying is about the primary alone.
 * Return 0; as access_add_replicas().
 */
int access_store_replicas(struct access *a, struct store_options *out);
void access_forget_replicas(struct access *a);

/* The cache directory (malloc, the caller's); NULL without memory or without any home. */
char *access_cache_dir(const struct access *a);

/* The bound of the cache, in bytes (0: the default).  Return 0; -EINVAL for what is no size (logged with its name). */
int access_cache_bytes(const struct access *a, uint64_t *out);

/**
 * access_credentials(arg, out):
 * A repo_credentials_fn for an existing repository; ${arg} is the struct access.  A passphrase ends at the first
 * newline of its file or the command's output.  Return 0; -EKEYREJECTED if nothing was given and there is no
 * terminal; -EINVAL for an empty passphrase, a key file that is too short, or a file that cannot be read; -EIO if the
 * command failed.  Logged.
 */
int access_credentials(void *arg, struct credentials *out);

/* As access_credentials(), but a prompt asks twice: for init and new keyslots. */
int access_new_credentials(void *arg, struct credentials *out);

/**
 * access_recipient(a, out):
 * The public key of who holds the key file that is given: by the option, or the environment.  Return 0; -EKEYREJECTED
 * if none is given; else as access_credentials().  Logged.
 */
int access_recipient(struct access *a, struct box_public *out);

/**
 * access_make_key_file(path, log):
 * Make a key file of random bytes, and sync it; nobody but the user can read it.  Return 0; -EEXIST if there is
 * something of that name, which stays; another negative errno, and there is no file then.  Logged.
 */
int access_make_key_file(const char *path, const struct log *log);

void access_destroy(struct access *a);

/* Overwrite the passphrase that the environment has ($VARVE_PASSWORD), which is empty then. */
void access_forget_password(void);

#endif
