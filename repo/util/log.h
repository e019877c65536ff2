/*
 * Messages of the library, handed to a function that the program gives (command line: stderr; varvefs: stderr or
 * syslog; tests: a buffer to search).  A fault is told once, where it is known: operation, object, cause.
 */
#ifndef VARVE_UTIL_LOG_H
#define VARVE_UTIL_LOG_H

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/*
 * ${write} gets one whole message without a newline, at levels up to ${max}.  It may be called from several threads at
 * once, must not call back into the library, and ${arg} is its own.  Owned by the program; it outlives every handle
 * that was opened with it.
 */
struct log {
	void (*write)(void *arg, enum log_level level, const char *message);
	void *arg;
	enum log_level max;
};

/**
 * log_error(log, fmt, ...), log_warn, log_info, log_debug:
 * Write one message, cut at 4 KiB.  ${log} may be NULL: then nothing happens.  errno is preserved.
 */
void log_error(const struct log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_warn(const struct log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_info(const struct log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_debug(const struct log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * err_text(err, out, size):
 * The agreed words for the error ${err} (0 or a negative errno): -EBADMSG "damaged or tampered with", -EIO "the store
 * failed", -EPROTONOSUPPORT "written by a newer version", -EKEYREJECTED "wrong key or passphrase", else strerror's.
 * Return ${out}.
 */
char *err_text(int err, char *out, unsigned size);

/* err_text() for use in an argument list; valid until the end of the enclosing block. */
#define ERR(err) err_text((err), (char[96]){ 0 }, 96)

/**
 * quote_name(name, len, out, size):
 * Copy a file name or path for display: printable UTF-8 as it is; control bytes, backslash and invalid UTF-8 as \n, \t,
 * \\ or \xHH.  Cut with "..." to fit ${size} bytes with the NUL.  Return ${out}.
 */
char *quote_name(const char *name, unsigned len, char *out, unsigned size);

#endif
