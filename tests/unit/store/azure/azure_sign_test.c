/*
 * azure_sign.h: the strings that Microsoft's "Authorize with Shared Key" gives, and a signature by another
 * implementation with the public key of the development account.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "repo/crypt/crypt.h"
#include "repo/store/azure/azure_sign.h"
#include "repo/store/http/http.h"

static const char key64[] = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/* The documentation's Get Container Metadata; headers and parameters are given unsorted. */
static const struct azure_field metadata_headers[] = {
	{ "x-ms-version", "2015-02-21" },
	{ "x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT" },
};
static const struct azure_field metadata_params[] = {
	{ "restype", "container" },
	{ "timeout", "20" },
	{ "comp", "metadata" },
};
static const struct azure_message metadata = { .method = "GET", .account = "myaccount", .path = "/mycontainer",
	.headers = metadata_headers, .nheaders = 2, .params = metadata_params, .nparams = 3 };

static void assert_text(const struct buf *b, const char *text)
{
	assert_int_equal(b->len, strlen(text));
	assert_memory_equal(b->data, text, b->len);
}

static void test_documented(void **state)
{
	struct buf out = BUF_INIT;

	(void)state;
	assert_int_equal(azure_string_to_sign(&metadata, &out), 0);
	assert_text(&out, "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n"
	    "x-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20");
	buf_free(&out);
}

/* Every standard header has its line; a length of 0 is left out; the account is in the path once more (Azurite). */
static void test_upload(void **state)
{
	static const struct azure_field headers[] = {
		{ "if-none-match", "*" },
		{ "x-ms-blob-type", "BlockBlob" },
		{ "content-md5", "XrY7u+Ae7tCTyyK7j1rNww==" },
		{ "x-ms-access-tier", "Cool" },
		{ "x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT" },
	};
	struct azure_message m = { .method = "PUT", .account = "devstoreaccount1",
		.path = "/devstoreaccount1/varve/a/b", .length = 11, .headers = headers, .nheaders = 5 };
	struct buf out = BUF_INIT;

	(void)state;
	assert_int_equal(azure_string_to_sign(&m, &out), 0);
	assert_text(&out, "PUT\n\n\n11\nXrY7u+Ae7tCTyyK7j1rNww==\n\n\n\n\n*\n\n\nx-ms-access-tier:Cool\n"
	    "x-ms-blob-type:BlockBlob\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n"
	    "/devstoreaccount1/devstoreaccount1/varve/a/b");
	buf_clear(&out);
	m.length = 0;
	assert_int_equal(azure_string_to_sign(&m, &out), 0);
	assert_memory_equal(out.data, "PUT\n\n\n\nXrY7", 11);
	buf_free(&out);
}

static void test_signature(void **state)
{
	struct buf out = BUF_INIT;
	uint8_t key[64];
	size_t len;

	(void)state;
	assert_int_equal(crypt_base64_decode(key64, key, sizeof(key), &len), 0);
	assert_int_equal(len, 64);
	assert_int_equal(azure_authorize(&metadata, key, len, &out), 0);
	/* printf 'GET...' | openssl dgst -sha256 -mac HMAC -macopt hexkey:... -binary | base64 */
	assert_string_equal((const char *)out.data,
	    "authorization: SharedKey myaccount:1u9lui2jDxj0+fpbHjQ5m5NnastJRSYM+PSmfi8TXx4=");
	buf_free(&out);
}

static void test_bounds(void **state)
{
	struct azure_field many[AZURE_FIELDS_MAX + 1];
	struct azure_message m = metadata;
	struct buf out = BUF_INIT;

	(void)state;
	for (size_t i = 0; i <= AZURE_FIELDS_MAX; i++)
		many[i] = (struct azure_field){ "x-ms-a", "b" };
	m.headers = many;
	m.nheaders = AZURE_FIELDS_MAX;
	assert_int_equal(azure_string_to_sign(&m, &out), 0);
	m.nheaders++;
	assert_int_equal(azure_string_to_sign(&m, &out), -EINVAL);
	buf_free(&out);
}

static void test_dates(void **state)
{
	char text[AZURE_DATE_SIZE];

	(void)state;
	azure_date(1435361952, text);
	assert_string_equal(text, "Fri, 26 Jun 2015 23:39:12 GMT");
	assert_int_equal(http_date(text), 1435361952);
	azure_date(0, text);
	assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
	assert_int_equal(http_date("Fri, 26 Xxx 2015 23:39:12 GMT"), -1);
	assert_int_equal(http_date("yesterday"), -1);
	assert_int_equal(http_date(""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_documented),
		cmocka_unit_test(test_upload),
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
