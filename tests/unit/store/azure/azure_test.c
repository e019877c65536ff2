/*
 * The Azure store without a service: where account and credentials come from, what refusals mean, what a listing says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <errno.h>

#include "repo/store/azure/azure_impl.h"
#include "repo/store/azure/store_azure.h"

#define KEY "c2VjcmV0IQ==" /* "secret!" */
#define SAS "sv=2021-12-02&sp=rcl&sig=ABC%3D"

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
	static const char *const names[] = { "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN",
		"AZURE_STORAGE_SERVICE_ENDPOINT", "AZURE_STORAGE_CONNECTION_STRING" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	last[0] = '\0';
	return 0;
}

/* --- Account and credentials -------------------------------------------------------------------------------------- */

static int find(const char *text, struct azure_account *out)
{
	struct url u;
	int rc;

	assert_int_equal(url_parse(text, &log_to_last, &u), 0);
	rc = azure_account_find(&u, &log_to_last, out);
	url_free(&u);
	return rc;
}

static void test_variables(void **state)
{
	struct azure_account a;

	(void)state;
	setenv("AZURE_STORAGE_ACCOUNT", "acct", 1);
	setenv("AZURE_STORAGE_KEY", KEY, 1);
	assert_int_equal(find("azure://box/p", &a), 0);
	assert_string_equal(a.name, "acct");
	assert_string_equal(a.endpoint, "https://acct.blob.core.windows.net");
	assert_string_equal(a.base, "");
	assert_int_equal(a.keylen, 7);
	assert_memory_equal(a.key, "secret!", 7);
	assert_null(a.sas);
	azure_account_free(&a);

	/* A signature goes before the key; the URL before the variables. */
	setenv("AZURE_STORAGE_SAS_TOKEN", "?" SAS, 1);
	assert_int_equal(find("azure://box/p?account=other&endpoint=http%3A//127.0.0.1:10000/other/", &a), 0);
	assert_string_equal(a.name, "other");
	assert_string_equal(a.endpoint, "http://127.0.0.1:10000/other");
	assert_string_equal(a.base, "/other");
	assert_string_equal(a.sas, SAS);
	assert_null(a.key);
	azure_account_free(&a);
}

static void test_connection_string(void **state)
{
	struct azure_account a;

	(void)state;
	setenv("AZURE_STORAGE_CONNECTION_STRING",
	    "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=" KEY ";EndpointSuffix=core.example", 1);
	assert_int_equal(find("azure://box/p", &a), 0);
	assert_string_equal(a.name, "acct");
	assert_string_equal(a.endpoint, "https://acct.blob.core.example");
	assert_memory_equal(a.key, "secret!", 7);
	azure_account_free(&a);

	setenv("AZURE_STORAGE_CONNECTION_STRING",
	    ";;nonsense;AccountName=acct;BlobEndpoint=https://e.example:444/x;SharedAccessSignature=" SAS ";", 1);
	assert_int_equal(find("azure://box/p", &a), 0);
	assert_string_equal(a.endpoint, "https://e.example:444/x");
	assert_string_equal(a.base, "/x");
	assert_string_equal(a.sas, SAS);
	azure_account_free(&a);
}

/* Each with the word that helps, and never with the secret. */
static void test_no_credentials(void **state)
{
	struct azure_account a;

	(void)state;
	assert_int_equal(find("azure://box/p", &a), -EINVAL);
	assert_non_null(strstr(last, "AZURE_STORAGE_ACCOUNT"));
	assert_int_equal(find("azure://box/p?account=Not.One", &a), -EINVAL);
	assert_int_equal(find("azure://box/p?account=acct", &a), -EINVAL);
	assert_non_null(strstr(last, "AZURE_STORAGE_SAS_TOKEN"));
	setenv("AZURE_STORAGE_KEY", "c2Vjc!!", 1);
	assert_int_equal(find("azure://box/p?account=acct", &a), -EINVAL);
	assert_non_null(strstr(last, "base64"));
	assert_null(strstr(last, "c2Vjc"));
	setenv("AZURE_STORAGE_SAS_TOKEN", SAS, 1);
	assert_int_equal(find("azure://box/p?account=acct&endpoint=http://far.example", &a), -EINVAL);
	assert_non_null(strstr(last, "clear text"));
	assert_null(strstr(last, "sig="));
	assert_int_equal(find("azure://box/p?account=acct&endpoint=http://localhost.example", &a), -EINVAL);
	assert_int_equal(find("azure://box/p?account=acct&endpoint=ftp://far.example", &a), -EINVAL);
	assert_int_equal(find("azure://box/p?account=acct&endpoint=https:///x", &a), -EINVAL);
	assert_int_equal(find("azure://box/p?account=acct&endpoint=http://[::1]:9", &a), 0);
	azure_account_free(&a);
}

static int open_url(const char *url)
{
	struct store_options opts = { .url = url, .log = &log_to_last };
	struct store *s = NULL;
	int rc = store_azure_open(&opts, &s);

	if (rc == 0)
		store_close(s);
	return rc;
}

static void test_urls(void **state)
{
	(void)state;
	setenv("AZURE_STORAGE_ACCOUNT", "acct", 1);
	setenv("AZURE_STORAGE_KEY", KEY, 1);
	assert_int_equal(open_url("azure://box"), 0);
	assert_int_equal(open_url("azure://box/a/b?tier=archive&rehydrate=high"), 0);
	assert_int_equal(open_url("azure://Box/a"), -EINVAL);
	assert_non_null(strstr(last, "3 to 63 small letters"));
	assert_int_equal(open_url("azure://c/p"), -EINVAL);
	assert_non_null(strstr(last, "3 to 63 small letters"));
	assert_int_equal(open_url("azure://box/a/../b"), -EINVAL);
	assert_int_equal(open_url("azure://box:80/a"), -EINVAL);
	assert_non_null(strstr(last, "azure://container/prefix"));
	assert_int_equal(open_url("azure://box/a?tier=icy"), -EINVAL);
	assert_non_null(strstr(last, "tier"));
	assert_int_equal(open_url("azure://box/a?teer=cool"), -EINVAL);
}

/* --- Refusals ----------------------------------------------------------------------------------------------------- */

static struct store_azure *fake_store(void)
{
	static const struct store_ops none;
	struct store_azure *a = calloc(1, sizeof(*a));

	assert_non_null(a);
	assert_int_equal(store_init(&a->base, &none, &log_to_last, "azure://box/p", NULL), 0);
	return a;
}

/* What the store makes of a reply with these headers and this body. */
static int refused(int status, const char *headers, const char *body, const char *operation)
{
	struct store_azure *a = fake_store();
	struct http_reply r = { .status = status };
	int rc;

	last[0] = '\0';
	assert_int_equal(buf_append(&r.headers, headers, strlen(headers)), 0);
	assert_int_equal(buf_append(&r.error, body, strlen(body)), 0);
	rc = azure_failed(a, 0, &r, operation, "packs/12/34");
	http_reply_free(&r);
	store_destroy(&a->base);
	free(a);
	return rc;
}

#define ERROR(code, rest) \
	"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>" code "</Code><Message>Words.\n" \
	"RequestId:1\nTime:2</Message>" rest "</Error>"

static void test_refusals(void **state)
{
	(void)state;
	assert_int_equal(refused(404, "", ERROR("BlobNotFound", ""), "get"), -ENOENT);
	assert_string_equal(last, "");
	/* The answer to a HEAD has no body. */
	assert_int_equal(refused(404, "x-ms-error-code: BlobNotFound\r\n", "", "stat"), -ENOENT);
	assert_int_equal(refused(404, "", ERROR("ContainerNotFound", ""), "get"), -EIO);
	assert_non_null(strstr(last, "no such container"));
	assert_int_equal(refused(404, "Server: nginx\r\n", "<html>Not found", "get"), -EIO);
	assert_non_null(strstr(last, "none of Azure's"));
	assert_int_equal(refused(403, "", ERROR("AuthorizationPermissionMismatch", ""), "delete"), -EACCES);
	assert_string_equal(last, "azure://box/p/packs/12/34: no permission to delete");
	assert_int_equal(refused(409, "", ERROR("BlobArchived", ""), "get"), -EIO);
	assert_non_null(strstr(last, "rehydrated"));
	assert_int_equal(refused(409, "", ERROR("BlobImmutableDueToPolicy", ""), "delete"), -EACCES);
	assert_int_equal(refused(418, "", ERROR("Teapot", ""), "get"), -EIO);
	assert_string_equal(last, "azure://box/p/packs/12/34: get: the server answered 418: Words. (Teapot)");
}

static void test_transient(void **state)
{
	(void)state;
	assert_int_equal(refused(503, "Retry-After: 7\r\n", ERROR("ServerBusy", ""), "get"), -EAGAIN);
	assert_int_equal(refused(500, "", ERROR("OperationTimedOut", ""), "get"), -EAGAIN);
	assert_int_equal(refused(400, "", ERROR("Md5Mismatch", ""), "put"), -EAGAIN);
	assert_int_equal(refused(502, "", "<html>", "get"), -EAGAIN);
	assert_int_equal(refused(503, "", ERROR("SomethingNew", ""), "get"), -EAGAIN);
	assert_string_equal(last, "");
}

#define DETAIL(text) "<AuthenticationErrorDetail>" text "</AuthenticationErrorDetail>"

static void test_authentication(void **state)
{
	char headers[128], date[AZURE_DATE_SIZE];

	(void)state;
	assert_int_equal(refused(403, "", ERROR("AuthenticationFailed",
	    DETAIL("The MAC signature found in the HTTP request 'abc=' is not the same")), "get"), -EACCES);
	assert_non_null(strstr(last, "key is wrong"));
	assert_null(strstr(last, "abc="));
	assert_int_equal(refused(403, "", ERROR("AuthenticationFailed",
	    DETAIL("Request date header too old: 'Fri, 04 Oct 2019 18:02:12 GMT'")), "get"), -EACCES);
	assert_non_null(strstr(last, "clock is off"));
	assert_int_equal(refused(403, "", ERROR("AuthenticationFailed",
	    DETAIL("Signature not valid in the specified time frame: Start [a] - Expiry [b]")), "get"), -EACCES);
	assert_non_null(strstr(last, "has ended"));
	/* Without a body, the server's own clock tells. */
	azure_date(time(NULL) + 3600, date);
	snprintf(headers, sizeof(headers), "x-ms-error-code: AuthenticationFailed\r\nDate: %s\r\n", date);
	assert_int_equal(refused(403, headers, "", "stat"), -EACCES);
	assert_non_null(strstr(last, "minutes slow"));
}

/* --- Listings ----------------------------------------------------------------------------------------------------- */

struct seen {
	char text[256];
	int end_after;
};

static int see(void *arg, const char *name, uint64_t size)
{
	struct seen *s = arg;
	size_t len = strlen(s->text);

	snprintf(s->text + len, sizeof(s->text) - len, "%s=%llu ", name, (unsigned long long)size);
	return --s->end_after == 0 ? 42 : 0;
}

static const char page[] =
    "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ContainerName=\"box\"><Prefix>p/</Prefix><Blobs>"
    "<Blob><Name>p/config</Name><Properties><Content-Length>500</Content-Length></Properties></Blob>"
    "<Blob><Name>q/config</Name><Properties><Content-Length>1</Content-Length></Properties></Blob>"
    "<Blob><Name>p/No Object</Name><Properties><Content-Length>2</Content-Length></Properties></Blob>"
    "<Blob><Name>p/packs/12/ab</Name><Properties><Content-Length>34567890123</Content-Length></Properties></Blob>"
    "</Blobs><NextMarker>2!next&amp;</NextMarker></EnumerationResults>";

static void test_listing(void **state)
{
	struct seen seen = { "", 0 };
	struct azure_listing l = { .prefix = "p/", .fn = see, .arg = &seen };
	const char *end = "<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>";
	/* No list, not an empty one; and one that does not say whether more comes. */
	static const char *const other[] = { "", "<html>Welcome</html>", "<Error><Code>ServerBusy</Code></Error>",
		"<x><EnumerationResults><NextMarker/></EnumerationResults></x>",
		"<EnumerationResults><Blobs/></EnumerationResults>" };

	(void)state;
	assert_int_equal(azure_read_page(&l, page, sizeof(page) - 1), 0);
	assert_string_equal(seen.text, "config=500 packs/12/ab=34567890123 ");
	assert_string_equal(l.marker, "2!next&");
	assert_int_equal(azure_read_page(&l, end, strlen(end)), 0);
	assert_string_equal(l.marker, "");
	assert_int_equal(azure_read_page(&l, page, sizeof(page) - 20), -EBADMSG);
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		if (azure_read_page(&l, other[i], strlen(other[i])) != -EBADMSG)
			fail_msg("%s", other[i]);
	seen = (struct seen){ "", 1 };
	assert_int_equal(azure_read_page(&l, page, sizeof(page) - 1), 42);
	assert_string_equal(seen.text, "config=500 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_variables, set_up),
		cmocka_unit_test_setup(test_connection_string, set_up),
		cmocka_unit_test_setup(test_no_credentials, set_up),
		cmocka_unit_test_setup(test_urls, set_up),
		cmocka_unit_test_setup(test_refusals, set_up),
		cmocka_unit_test_setup(test_transient, set_up),
		cmocka_unit_test_setup(test_authentication, set_up),
		cmocka_unit_test_setup(test_listing, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
