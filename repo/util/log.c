/*
 * Messages, words for errors, and names made fit to be shown.  See log.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "repo/util/log.h"

#define MESSAGE_SIZE 4096

static void __attribute__((format(printf, 3, 0)))
log_message(const struct log *log, enum log_level level, const char *fmt, va_list ap)
{
	char message[MESSAGE_SIZE];
	int saved_errno = errno;
	char *c;

	if (log == NULL || log->write == NULL || level > log->max)
		return;
	if (vsnprintf(message, sizeof(message), fmt, ap) < 0)
		snprintf(message, sizeof(message), "%s", fmt);

	/* Callers quote names; this is for what slipped through: a message is one line and commands no terminal. */
	for (c = message; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == '\x7f')
			*c = '?';
	log->write(log->arg, level, message);
	errno = saved_errno;
}

void log_error(const struct log *log, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_message(log, LOG_LEVEL_ERROR, fmt, ap);
	va_end(ap);
}

void log_warn(const struct log *log, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_message(log, LOG_LEVEL_WARNING, fmt, ap);
	va_end(ap);
}

void log_info(const struct log *log, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_message(log, LOG_LEVEL_INFO, fmt, ap);
	va_end(ap);
}

void log_debug(const struct log *log, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_message(log, LOG_LEVEL_DEBUG, fmt, ap);
	va_end(ap);
}

/* strerror() that threads may share.  ${scratch} may or may not be used. */
static const char *errno_text(int errnum, char *scratch, size_t size)
{
#ifdef __GLIBC__
	return strerror_r(errnum, scratch, size);
#else
	if (strerror_r(errnum, scratch, size) != 0)
		snprintf(scratch, size, "error %d", errnum);
	return scratch;
#endif
}

char *err_text(int err, char *out, unsigned size)
{
	int saved_errno = errno;
	char scratch[96];
	const char *text;

	switch (err) {
	case -EBADMSG:
		text = "damaged or tampered with";
		break;
	case -EIO:
		text = "the store failed";
		break;
	case -EPROTONOSUPPORT:
		text = "written by a newer version";
		break;
	case -EKEYREJECTED:
		text = "wrong key or passphrase";
		break;
	default:
		text = errno_text(-err, scratch, sizeof(scratch));
	}
	snprintf(out, size, "%s", text);
	errno = saved_errno;
	return out;
}

/* Is the character harmless on a terminal and in a log: no control, no line end, no change of writing direction? */
static bool is_printable(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false;
	return !(c >= 0x200e && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069);
}

/* Length and value of the well-formed UTF-8 character that the ${len} bytes at ${s} begin with; 0 if there is none. */
static unsigned utf8_char(const uint8_t *s, unsigned len, uint32_t *value)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned n, i;
	uint32_t c;

	if (s[0] < 0x80)
		n = 1, c = s[0];
	else if (s[0] >= 0xc0 && s[0] < 0xe0)
		n = 2, c = s[0] & 0x1f;
	else if (s[0] >= 0xe0 && s[0] < 0xf0)
		n = 3, c = s[0] & 0x0f;
	else if (s[0] >= 0xf0 && s[0] < 0xf8)
		n = 4, c = s[0] & 0x07;
	else
		return 0;
	if (n > len)
		return 0;
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		return 0;
	*value = c;
	return n;
}

/* What is shown for the bytes at ${s}: 1-4 bytes in ${text}, their number in ${*textlen}.  Return the bytes used. */
static unsigned quote_one(const uint8_t *s, unsigned len, char text[5], unsigned *textlen)
{
	unsigned n;
	uint32_t c;

	*textlen = 2;
	if (*s == '\\') {
		memcpy(text, "\\\\", 2);
	} else if (*s == '\n') {
		memcpy(text, "\\n", 2);
	} else if (*s == '\t') {
		memcpy(text, "\\t", 2);
	} else {
		n = utf8_char(s, len, &c);
		if (n > 0 && is_printable(c)) {
			memcpy(text, s, n);
			*textlen = n;
			return n;
		}
		*textlen = (unsigned)snprintf(text, 5, "\\x%02x", *s);
	}
	return 1;
}

char *quote_name(const char *name, unsigned len, char *out, unsigned size)
{
	const uint8_t *s = (const uint8_t *)name;
	unsigned in = 0, at = 0, cut = 0, n;
	char text[5];

	if (size == 0)
		return out;
	while (in < len) {
		in += quote_one(s + in, len - in, text, &n);
		if (n >= size - at) {
			at = cut;
			for (n = 0; n < 3 && at < size - 1; n++)
				out[at++] = '.';
			break;
		}
		memcpy(out + at, text, n);
		at += n;
		if (size - at > 3)
			cut = at; /* the last place where "..." and the NUL would fit */
	}
	out[at] = '\0';
	return out;
}
