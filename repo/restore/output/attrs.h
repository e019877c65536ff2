/*
 * Attributes of restored entries: owner, extended attributes (ACLs are such), mode, times; in this order, as a change
 * of owner clears setuid bits and capabilities, an ACL changes the mode, and all but the last change times.
 *
 * Everything is done to an open descriptor, so that nothing can be slipped in between looking and setting.
 */
#ifndef VARVE_RESTORE_ATTRS_H
#define VARVE_RESTORE_ATTRS_H

#include "repo/restore/session.h"

/* What attributes are set of. */
struct subject {
	int fd;           /* -1: only times can be set, by name */
	bool path_only;   /* ${fd} was opened with O_PATH: what it cannot do itself is done through /proc */
	int dirfd;        /* where it is; used only with ${path_only} */
	const char *name;
	char proc[32];
};

/* What is known of it already, to save what need not be done. */
struct attrs_now {
	bool owner_known, mode_known;
	bool clean;  /* it has no extended attributes */
	uid_t uid;
	gid_t gid;
	mode_t mode; /* 07777 */
};

/* The subject that is open for writing. */
void subject_init(struct subject *s, int fd);

/*
 * Open ${name} without following it: for reading if ${readable} and it can be, else to set attributes only.  Return 0
 * or a negative errno.
 */
int subject_open(struct subject *s, int dirfd, const char *name, bool readable);
void subject_close(struct subject *s);

/* State as fstat() says. */
void attrs_of_stat(const struct stat *st, struct attrs_now *out);

/*
 * The mode to make ${e} with in ${d}, and what will be known of it then: the final mode at once where nobody is let in
 * by it too early; else 0600.
 */
mode_t attrs_begin(const struct restore *rs, const struct outdir *d, const struct tree_entry *e, struct attrs_now *now);

/* Need attributes be set at all, other than times? */
bool attrs_needed(const struct tree_entry *e, const struct attrs_now *now);

/**
 * attrs_set(rs, s, d, e, now):
 * Set all that is recorded.  What this user may not set is counted; what fails otherwise is told, as of ${e} in ${d}.
 * A file whose owner could not be set gets no setuid or setgid bit.
 */
void attrs_set(struct restore *rs, const struct subject *s, const struct outdir *d, const struct tree_entry *e,
    struct attrs_now *now);

/* Is all but times as it is recorded already? */
bool attrs_same(struct restore *rs, const struct subject *s, const struct tree_entry *e, const struct attrs_now *now);

/* Attributes of a directory that is finished; ${arg} is the struct restore. */
void attrs_finish_dir(void *arg, struct outdir *d);

/**
 * xattrs_set(s, want, len, clean):
 * Make the extended attributes those encoded in ${want}.  Unless it is ${clean}, those that are as they should be are
 * left, and those that should not be there are removed.  Return 0; 1 if some may not be set by this user or are not
 * supported there; the error of the first that failed otherwise.
 */
int xattrs_set(const struct subject *s, const void *want, size_t len, bool clean);

/* Would xattrs_set() have nothing to do? */
bool xattrs_same(const struct subject *s, const void *want, size_t len);

/* What a directory gives to what is made in it: has it a default ACL?  And remove that. */
bool xattrs_inherited(int fd);
void xattrs_disinherit(int fd);

#endif
