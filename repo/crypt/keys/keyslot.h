/*
 * Keyslot: a role's bundle (secrets.h) wrapped by a passphrase, a key file, both together, or to a recipient's key.
 *
 * Object "keys/<id>", the id being the BLAKE2b-256 of its bytes:
 *
 *   0  magic "VARVEKS1"                          8
 *   8  kind: 1 passphrase, 2 key file, 3 both, 4 recipient        1
 *   9  zero                                      3
 *  12  Argon2id passes (le32), memory in KiB (le32)              8   (0 for kinds 2, 4)
 *  20  salt, random                             32   (kind 4: the recipient's public key)
 *  52  length of the label (le32), of the bundle (le32)           8
 *  60  label: sealed blob (crypt_seal_blob) to the metadata public key of the newest generation, with the repository's
 *      cipher and the 60 bytes before it as associated data; its plaintext is TLV, enum label_tag
 *      bundle: TLV, enum secrets_tag; kinds 1-3: XChaCha20-Poly1305 box at position 0 under the wrapping key; kind 4:
 *      sealed blob with XChaCha20-Poly1305 to the recipient's key
 *
 * The wrapping key is keyed BLAKE2b-256 (key: salt) of "varve keyslot" ‖ kind ‖ Argon2id(passphrase, salt[0..16)) ‖
 * BLAKE2b-256(key file), leaving out what the kind does not have.  Argon2id is version 1.3 with one lane and gives 32
 * bytes.  All bytes before the bundle are the bundle's associated data, whatever the kind, so that a keyslot opens only
 * as a whole and as it was made.  Who cannot open it learns from the name whether it is what was once put.
 *
 * A recipient's X25519 secret is crypt_derive(BLAKE2b-256(key file), "varve recipient"), so that one key file opens
 * keyslots of kind 2 and 4 alike.
 */
#ifndef VARVE_CRYPT_KEYSLOT_H
#define VARVE_CRYPT_KEYSLOT_H

#include "repo/crypt/keys/secrets.h"
#include "repo/util/bytes/buf.h"

enum keyslot_kind {
	KEYSLOT_PASSPHRASE = 1,
	KEYSLOT_KEY_FILE = 2,
	KEYSLOT_BOTH = 3,
	KEYSLOT_RECIPIENT = 4,
};

/* The fields of a label, each once (tlv.h); the first three are always there. */
enum label_tag {
	LABEL_ROLE = 1,    /* le32, enum role */
	LABEL_NAME = 2,    /* 0 to 255 bytes, no NUL */
	LABEL_CREATED = 3, /* le64, nanoseconds since 1970, two's complement */
	LABEL_CERT = 4,    /* the certificate that is in the bundle, if there is one */
	LABEL_GRANT = 5,   /* the grant that is in the bundle, if there is one */
};

#define KEYSLOT_MAX (64 * 1024) /* bytes of a keyslot object */
#define KEY_FILE_MIN 32         /* bytes a key file must have at least, as Argon2id is not run over it */
#define KEY_FILE_MAX (1024 * 1024)
#define RECIPIENT_PURPOSE "varve recipient"

/* RFC 9106's second recommendation, but for the lanes: 64 MiB, so that unlocking fits small machines' memory limits. */
#define KEYSLOT_PASSES 3
#define KEYSLOT_MEMORY_KIB (64 * 1024)
#define KEYSLOT_PASSES_MAX 64               /* limits on what a hostile store can make us spend */
#define KEYSLOT_MEMORY_KIB_MAX (1024 * 1024)
#define KEYSLOT_MEMORY_KIB_MIN 8            /* what Argon2id needs at least */

/* What a person brings to open a keyslot.  Any part may be absent (NULL); memory is the caller's. */
struct credentials {
	const char *passphrase;
	size_t passphrase_len;
	const uint8_t *key_file; /* its bytes */
	size_t key_file_len;
	const struct box_secret *recipient;
};

struct keyslot_params {
	uint32_t passes;     /* Argon2id */
	uint32_t memory_kib;
	const struct box_public *recipient; /* for kind 4 */
};

struct keyslot_label {
	enum role role;
	int64_t created_ns;
	char name[256];
	/* Encoded; empty: none.  keyslot_seal() borrows them, keyslot_label() makes them the caller's. */
	struct buf cert, grant;
};

/* Free what a label that was read holds. */
void keyslot_label_destroy(struct keyslot_label *label);

/**
 * keyslot_seal(secrets, cred, params, cipher, metadata, label, out):
 * Append to ${out} a keyslot object with ${secrets}, wrapped by what ${cred} holds (passphrase, key file, or both), or
 * to ${params->recipient} if that is not NULL.  Return 0; -EINVAL if there is nothing to wrap with, the passphrase is
 * empty, the key file is shorter than KEY_FILE_MIN or longer than KEY_FILE_MAX, the recipient's key is none that can be
 * wrapped to, or the parameters that the kind needs are outside the limits; -ENOTSUP if this machine cannot do
 * ${cipher}; -ENOMEM.
 */
int keyslot_seal(const struct secrets *secrets, const struct credentials *cred, const struct keyslot_params *params,
    enum cipher cipher, const struct box_public *metadata, const struct keyslot_label *label, struct buf *out);

/**
 * keyslot_open(data, len, cred, out):
 * Open it with ${cred}; ${*out} is the caller's (secrets_free).  Return 0; -EKEYREJECTED if ${cred} has not what the
 * kind needs or it is the wrong one; -EBADMSG if the object is no well-formed keyslot; -EPROTONOSUPPORT for an unknown
 * kind or parameters beyond the limits; -ENOMEM.
 */
int keyslot_open(const void *data, size_t len, const struct credentials *cred, struct secrets **out);

/* Are these bytes those of the keyslot ${id}, as they were once put?  Needs no key. */
bool keyslot_has_id(const void *data, size_t len, const struct id *id);

/**
 * keyslot_recipient(key_file, len, out):
 * The secret of the recipient who has this key file of ${len} bytes; crypt_box_public() of it is what others make
 * keyslots for.  Wipe it when done.  Return 0; -EINVAL for a key file that is shorter than KEY_FILE_MIN or longer than
 * KEY_FILE_MAX.
 */
int keyslot_recipient(const void *key_file, size_t len, struct box_secret *out);

/* Kind of a keyslot object, without a key.  Return 0, -EBADMSG, -EPROTONOSUPPORT. */
int keyslot_kind(const void *data, size_t len, enum keyslot_kind *out);

/* The public key that a keyslot of kind 4 was made for, without a key.  Return 0; -EINVAL of another kind; as above. */
int keyslot_addressee(const void *data, size_t len, struct box_public *out);

/* Could ${cred} open a keyslot of this kind at all (has it the needed parts)? */
bool keyslot_suits(enum keyslot_kind kind, const struct credentials *cred);

/**
 * keyslot_label(data, len, cipher, pk, sk, out):
 * Read the label with the repository's cipher and the metadata key pair; it is the caller's (keyslot_label_destroy()).
 * What it says, and that its certificate is the owner's, has not been verified.  Return 0; -EBADMSG; -EPROTONOSUPPORT;
 * -ENOTSUP if this machine cannot do the cipher; -ENOMEM.
 */
int keyslot_label(const void *data, size_t len, enum cipher cipher, const struct box_public *pk,
    const struct box_secret *sk, struct keyslot_label *out);

/* The same with the metadata secrets of all generations of ${s}, as there is no telling of which it is. */
int keyslot_read_label(const void *data, size_t len, enum cipher cipher, const struct secrets *s,
    struct keyslot_label *out);

#endif
