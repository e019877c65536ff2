/*
 * 256-bit ids and hexadecimal text.  See id.h.
 */
#include <errno.h>

#include "repo/util/bytes/id.h"

bool id_is_zero(const struct id *a)
{
	static const struct id zero;

	return id_equal(a, &zero);
}

void hex_encode(const uint8_t *in, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < len; i++) {
		*out++ = digits[in[i] >> 4];
		*out++ = digits[in[i] & 15];
	}
	*out = '\0';
}

int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of a lower-case digit, or -1. */
static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int hex_decode(const char *in, size_t len, uint8_t *out)
{
	size_t i;
	int high, low;

	for (i = 0; i < len; i++) {
		/* A NUL is no digit, so nothing behind the end of a short string is read. */
		high = digit_value(in[2 * i]);
		if (high < 0)
			return -EINVAL;
		low = digit_value(in[2 * i + 1]);
		if (low < 0)
			return -EINVAL;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

char *id_hex(const struct id *id, char out[ID_HEX_SIZE])
{
	hex_encode(id->b, ID_LEN, out);
	return out;
}

int id_parse(const char *hex, struct id *out)
{
	int rc = hex_decode(hex, ID_LEN, out->b);

	if (rc == 0 && hex[ID_HEX_SIZE - 1] != '\0')
		rc = -EINVAL;
	return rc;
}
