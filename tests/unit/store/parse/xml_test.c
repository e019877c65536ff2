/*
 * XML of servers: what is found in it, and what is refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/store/parse/xml.h"
#include "repo/util/bytes/buf.h"

/* Elements as lines "path=text". */
static int collect(void *arg, const char *path, const char *text)
{
	return buf_printf(arg, "%s=%s\n", path, text);
}

static void expect(const char *xml, const char *elements)
{
	struct buf out = BUF_INIT;

	assert_int_equal(buf_printf(&out, "%s", ""), 0);
	assert_int_equal(xml_parse(xml, strlen(xml), collect, &out), 0);
	assert_string_equal((const char *)out.data, elements);
	buf_free(&out);
}

static int ignore(void *arg, const char *path, const char *text)
{
	(void)arg;
	(void)path;
	(void)text;
	return 0;
}

static int refused(const char *xml)
{
	return xml_parse(xml, strlen(xml), ignore, NULL);
}

static void test_elements(void **state)
{
	(void)state;
	expect("<a/>", "/a=\n");
	expect("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Key>a/b</Key></Error>\n",
	    "/Error/Code=NoSuchKey\n/Error/Key=a/b\n/Error=\n");
	expect("<L><C><K>1</K></C><C><K>2</K><S/></C></L>",
	    "/L/C/K=1\n/L/C=\n/L/C/K=2\n/L/C/S=\n/L/C=\n/L=\n");
	expect("<a>one<b>two</b>three</a>", "/a/b=two\n/a=onethree\n");
	expect("<a>&lt;&amp;&#x41;&quot;<![CDATA[<x>]]></a>", "/a=<&A\"<x>\n");
	expect("\xef\xbb\xbf<a>x</a>", "/a=x\n");
	expect("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe4</a>", "/a=\xc3\xa4\n");
}

static void test_namespaces(void **state)
{
	(void)state;
	expect("<D:multistatus xmlns:D=\"DAV:\"><D:href>/x</D:href></D:multistatus>",
	    "/multistatus/href=/x\n/multistatus=\n");
	expect("<a xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><u:b>1</u:b></a>", "/a/b=1\n/a=\n");
}

static void test_refused(void **state)
{
	static const char *const cases[] = {
		"", " ", "text", "<a>", "<a></b>", "<a/><b/>", "<a>&none;</a>", "<a", "</a>",
		"<!DOCTYPE a><a/>",
		"<!DOCTYPE a [<!ENTITY x \"xx\">]><a>&x;</a>",
		"<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
		"<a>\xff</a>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (refused(cases[i]) != -EBADMSG)
			fail_msg("\"%s\"", cases[i]);
	assert_int_equal(xml_parse(NULL, 0, ignore, NULL), -EBADMSG);
	assert_int_equal(xml_parse("<a>\0</a>", 8, ignore, NULL), -EBADMSG);
}

static int nested(unsigned depth)
{
	struct buf b = BUF_INIT;
	int rc;

	for (unsigned i = 0; i < depth; i++)
		assert_int_equal(buf_append(&b, "<a>", 3), 0);
	for (unsigned i = 0; i < depth; i++)
		assert_int_equal(buf_append(&b, "</a>", 4), 0);
	rc = xml_parse(b.data, b.len, ignore, NULL);
	buf_free(&b);
	return rc;
}

static void test_depth(void **state)
{
	(void)state;
	assert_int_equal(nested(XML_DEPTH_MAX), 0);
	assert_int_equal(nested(XML_DEPTH_MAX + 1), -EBADMSG);
	assert_int_equal(nested(100000), -EBADMSG);
}

static int take_length(void *arg, const char *path, const char *text)
{
	(void)path;
	*(size_t *)arg = strlen(text);
	return 0;
}

/* Longer than a text may be, and than what expat gets at once. */
static void test_long_text(void **state)
{
	const size_t n = 3 << 20;
	struct buf b = BUF_INIT;
	size_t got = 0;

	(void)state;
	assert_int_equal(buf_reserve(&b, n + 16), 0);
	assert_int_equal(buf_append(&b, "<a>", 3), 0);
	memset(b.data + b.len, 'x', n);
	b.len += n;
	assert_int_equal(buf_append(&b, "</a>", 4), 0);
	assert_int_equal(xml_parse(b.data, b.len, take_length, &got), 0);
	assert_int_equal(got, XML_TEXT_MAX);
	buf_free(&b);
}

static int stop_at_second(void *arg, const char *path, const char *text)
{
	(void)path;
	(void)text;
	return ++*(int *)arg == 2 ? 7 : 0;
}

static void test_stop(void **state)
{
	static const char xml[] = "<a><b/><c/><d/></a>";
	int n = 0;

	(void)state;
	assert_int_equal(xml_parse(xml, sizeof(xml) - 1, stop_at_second, &n), 7);
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
