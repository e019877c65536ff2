/*
 * URLs of stores, and what the S3 and Azure stores make of theirs.  A newline may divide the URL from an Azure
 * connection string.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/azure/azure_account.h"
#include "repo/store/http/http.h"
#include "repo/store/s3/s3_config.h"
#include "repo/store/store_impl.h"
#include "repo/util/process/argv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool truth)
{
	if (!truth)
		abort();
}

/* What is copied for the program is what was given; what is shown has no password. */
static void check_hidden(const char *url, const struct url *u)
{
	char *arg = strdup(url), *args[2] = { arg, NULL }, **copy, *secret = NULL;

	if (arg == NULL)
		return;
	copy = argv_private(1, args);
	if (copy != NULL)
		need(strcmp(copy[0], url) == 0);
	if (u->password != NULL && u->password[0] != '\0' && asprintf(&secret, ":%s@", u->password) >= 0)
		need(strstr(u->shown, secret) == NULL || strstr(u->path, secret) != NULL);
	free(secret);
	argv_free(copy);
	free(arg);
}

static void read_options(const struct url *u)
{
	static const char *const names[] = { "endpoint", "region", "account", "key", "", NULL };
	char *value;

	url_options_known(u, names, NULL);
	for (size_t i = 0; names[i] != NULL; i++) {
		need(url_option(u, names[i], &value) == 0);
		free(value);
	}
}

static void read_url(const char *text)
{
	struct azure_account account;
	struct url u;
	int rc = url_parse(text, NULL, &u);

	need(rc == 0 || rc == -EINVAL || rc == -ENOMEM);
	if (rc != 0)
		return;
	need(u.scheme != NULL && u.shown != NULL && u.path != NULL && (u.path[0] == '\0' || u.path[0] == '/'));
	check_hidden(text, &u);
	read_options(&u);
	rc = azure_account_find(&u, NULL, &account);
	need(rc == 0 || rc == -EINVAL || rc == -ENOMEM);
	if (rc == 0) {
		need(account.name != NULL && account.endpoint != NULL);
		need((account.key != NULL) != (account.sas != NULL));
		azure_account_free(&account);
	}
	url_free(&u);
}

static void read_s3(const char *text)
{
	struct s3_config c;
	int rc = s3_config_read(text, NULL, &c);

	need(rc == 0 || rc == -EINVAL || rc == -EACCES || rc == -ENOMEM);
	if (rc == 0)
		s3_config_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text, *connection;

	if (size > 4096)
		return 0;
	text = strndup((const char *)data, size);
	if (text == NULL)
		return 0;
	connection = strchr(text, '\n');
	if (connection != NULL)
		*connection++ = '\0';
	if (connection != NULL)
		setenv("AZURE_STORAGE_CONNECTION_STRING", connection, 1);
	else
		unsetenv("AZURE_STORAGE_CONNECTION_STRING");
	read_url(text);
	if (strncmp(text, "s3://", 5) == 0 || strncmp(text, "gs://", 5) == 0)
		read_s3(text);
	http_unescape(text);
	free(text);
	return 0;
}
