/*
 * Credentials from services.  See s3_metadata.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "repo/crypt/crypt.h"
#include "repo/store/http/http.h"
#include "repo/store/http/url.h"
#include "repo/store/parse/json.h"
#include "repo/store/aws/s3_metadata.h"

#define DEADLINE_MS 3000 /* transfers give up after a third of it */
#define REPLY_MAX (32u * 1024)
#define TOKEN_MAX 8192

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

/* A connection to a service, and its last answer. */
struct service {
	struct http *http;
	struct buf reply; /* REPLY_MAX, so that it never moves; with a NUL that is not counted */
	int status;       /* of the last reply */
};

static int service_open(const struct store_options *opts, struct service *s)
{
	const struct store_options o = { .url = opts->url, .deadline_ms = DEADLINE_MS, .cancel = opts->cancel,
		.log = opts->log };

	*s = (struct service){ 0 };
	if (buf_reserve(&s->reply, REPLY_MAX + 1) != 0)
		return -ENOMEM;
	return http_open(&o, &s->http);
}

static void service_close(struct service *s)
{
	http_close(s->http);
	buf_wipe(&s->reply);
}

/*
 * One request with one header.  What is not encrypted is between this machine and the next: no proxy is to see the
 * token and the keys, nor could it reach a service that is only there for this machine.  Return 0 with the status and
 * the reply; what http_perform() says, with ${cause}.
 */
static int ask(struct service *s, const char *method, const char *url, const char *header, char cause[S3_CAUSE_SIZE])
{
	const char *const headers[] = { header, NULL };
	const struct http_body nothing = { .data = "" };
	const struct http_request q = {
		.method = method,
		.url = url,
		.headers = headers,
		.body = strcmp(method, "PUT") == 0 ? &nothing : NULL,
		.direct = strncasecmp(url, "https://", 8) != 0,
		.append = &s->reply,
		.max = REPLY_MAX,
	};
	struct http_reply r = { 0 };
	int rc;

	buf_clear(&s->reply);
	rc = http_perform(s->http, &q, &r);
	s->status = r.status;
	if (rc != 0)
		snprintf(cause, S3_CAUSE_SIZE, "%s", r.cause);
	else if (r.status != 200)
		snprintf(cause, S3_CAUSE_SIZE, "the service answered %d", r.status);
	http_reply_free(&r);
	if (rc == 0)
		s->reply.data[s->reply.len] = '\0';
	return rc;
}

/* "2030-01-31T12:34:56Z". */
static int64_t parse_time(const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	return end != NULL ? timegm(&tm) : INT64_MAX;
}

/* The secrets of a reply, in locked memory. */
struct fields {
	char id[256], secret[256], token[TOKEN_MAX];
};

static int keys_of_reply(const struct service *s, struct s3_keys **out)
{
	const char *json = (const char *)s->reply.data;
	struct fields *f = crypt_secret_alloc(sizeof(*f));
	char expires[64] = "";
	int rc = -ENOMEM;

	if (f == NULL)
		return rc;
	rc = http_json_string(json, s->reply.len, "AccessKeyId", f->id, sizeof(f->id));
	if (rc == 0)
		rc = http_json_string(json, s->reply.len, "SecretAccessKey", f->secret, sizeof(f->secret));
	if (rc == 0)
		rc = http_json_string(json, s->reply.len, "Token", f->token, sizeof(f->token));
	if (rc == 0 && http_json_string(json, s->reply.len, "Expiration", expires, sizeof(expires)) != 0)
		expires[0] = '\0';
	if (rc == 0) {
		*out = s3_keys_new(f->id, f->secret, f->token, parse_time(expires));
		rc = *out != NULL ? 0 : -ENOMEM;
	}
	crypt_secret_free(f);
	return rc;
}

/* What the last request came to: keys, or the cause why not. */
static int take_keys(const struct service *s, int rc, struct s3_keys **out, char cause[S3_CAUSE_SIZE])
{
	if (rc == -ECANCELED || rc == -ENOMEM)
		return rc;
	if (rc != 0 || s->status >= 500 || s->status == 429)
		return -EAGAIN;
	if (s->status != 200)
		return -EACCES;
	rc = keys_of_reply(s, out);
	if (rc == 0 || rc == -ENOMEM)
		return rc;
	snprintf(cause, S3_CAUSE_SIZE, "the service's answer has no credentials in it");
	return -EACCES;
}

/* May the token be shown to this host in the clear?  To one's own machine, and to the services of ECS and EKS. */
static bool host_is_near(const char *url)
{
	static const char *const near[] = { "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]" };
	const char *host = url + strlen("http://");
	size_t len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");

	for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++)
		if (strlen(near[i]) == len && strncasecmp(host, near[i], len) == 0)
			return true;
	return url_host_is_here(host, len);
}

/* The URL to ask (malloc); NULL with 0 if there is none. */
static int container_url(char **out, char cause[S3_CAUSE_SIZE])
{
	const char *relative = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = env("AWS_CONTAINER_CREDENTIALS_FULL_URI");

	*out = NULL;
	if (relative != NULL)
		return asprintf(out, "http://169.254.170.2%s%s", *relative == '/' ? "" : "/", relative) < 0 ?
		    -ENOMEM : 0;
	if (full == NULL)
		return 0;
	if (strncasecmp(full, "https://", 8) != 0 && (strncasecmp(full, "http://", 7) != 0 || !host_is_near(full))) {
		snprintf(cause, S3_CAUSE_SIZE,
		    "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or name this machine");
		return -EACCES;
	}
	*out = strdup(full);
	return *out != NULL ? 0 : -ENOMEM;
}

/* One line of a file, without what ends it. */
static int read_token(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;
	int rc = n < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	if (rc == 0) {
		out[n] = '\0';
		out[strcspn(out, "\r\n")] = '\0';
	}
	return rc;
}

/* "Authorization: token", or "" if there is none; ${out} has TOKEN_MAX bytes. */
static int authorization(char *out, char cause[S3_CAUSE_SIZE])
{
	const char *path = env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	static const char name[] = "Authorization: ";
	int rc;

	*out = '\0';
	if (path != NULL) {
		memcpy(out, name, sizeof(name));
		rc = read_token(path, out + sizeof(name) - 1, TOKEN_MAX - sizeof(name));
		if (rc < 0)
			snprintf(cause, S3_CAUSE_SIZE, "%s: read: %s", path, ERR(rc));
		return rc < 0 ? -EACCES : 0;
	}
	if (token != NULL)
		snprintf(out, TOKEN_MAX, "%s%.*s", name, (int)strcspn(token, "\r\n"), token);
	return 0;
}

int s3_metadata_container(const struct store_options *opts, struct s3_keys **out, char cause[S3_CAUSE_SIZE])
{
	struct service s = { 0 };
	char *header = NULL, *url = NULL;
	int rc;

	rc = container_url(&url, cause);
	if (rc != 0 || url == NULL)
		return rc != 0 ? rc : -ENOENT;
	header = crypt_secret_alloc(TOKEN_MAX);
	rc = header != NULL ? authorization(header, cause) : -ENOMEM;
	if (rc == 0)
		rc = service_open(opts, &s);
	if (rc != 0)
		goto out;
	rc = ask(&s, "GET", url, *header != '\0' ? header : NULL, cause);
	rc = take_keys(&s, rc, out, cause);
out:
	service_close(&s);
	crypt_secret_free(header);
	free(url);
	return rc;
}

/* Where EC2's service is, without a "/" at its end. */
static int machine_endpoint(char *out, size_t size)
{
	const char *endpoint = env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	size_t len;

	if (endpoint == NULL)
		endpoint = mode != NULL && strcasecmp(mode, "IPv6") == 0 ? "http://[fd00:ec2::254]" :
		    "http://169.254.169.254";
	len = strlen(endpoint);
	while (len > 0 && endpoint[len - 1] == '/')
		len--;
	return (size_t)snprintf(out, size, "%.*s", (int)(len < size ? len : size), endpoint) < size ? 0 : -EINVAL;
}

/*
 * Three steps: a token for the session, the name of the role, its credentials.  Who does not answer the first is not
 * the service, and who has no role has no credentials: -ENOENT.
 */
static int ask_machine(struct service *s, const char *endpoint, char *header, struct s3_keys **out,
    char cause[S3_CAUSE_SIZE])
{
	static const char path[] = "/latest/meta-data/iam/security-credentials/";
	struct buf url = BUF_INIT;
	int rc;

	rc = buf_printf(&url, "%s/latest/api/token", endpoint);
	if (rc == 0)
		rc = ask(s, "PUT", (const char *)url.data, "X-aws-ec2-metadata-token-ttl-seconds: 21600", cause);
	if (rc != 0 || s->status != 200) {
		rc = rc == -ECANCELED || rc == -ENOMEM ? rc : -ENOENT;
		goto out;
	}
	snprintf(header, TOKEN_MAX, "X-aws-ec2-metadata-token: %.*s", (int)strcspn((char *)s->reply.data, "\r\n"),
	    (char *)s->reply.data);
	buf_clear(&url);
	rc = buf_printf(&url, "%s%s", endpoint, path);
	if (rc == 0)
		rc = ask(s, "GET", (const char *)url.data, header, cause);
	if (rc == 0 && s->status == 404)
		rc = -ENOENT;
	if (rc != 0 || s->status != 200) {
		rc = rc == -ECANCELED || rc == -ENOMEM || rc == -ENOENT ? rc : -EAGAIN;
		goto out;
	}
	s->reply.data[strcspn((char *)s->reply.data, "\r\n")] = '\0';
	rc = http_escape(&url, (const char *)s->reply.data, "");
	if (rc == 0)
		rc = buf_append(&url, "", 1);
	if (rc == 0)
		rc = ask(s, "GET", (const char *)url.data, header, cause);
	rc = take_keys(s, rc, out, cause);
out:
	buf_free(&url);
	return rc;
}

int s3_metadata_machine(const struct store_options *opts, struct s3_keys **out, char cause[S3_CAUSE_SIZE])
{
	const char *disabled = env("AWS_EC2_METADATA_DISABLED");
	struct service s = { 0 };
	char endpoint[256], *header = NULL;
	int rc;

	if (disabled != NULL && strcasecmp(disabled, "true") == 0)
		return -ENOENT;
	if (machine_endpoint(endpoint, sizeof(endpoint)) != 0)
		return -ENOENT;
	header = crypt_secret_alloc(TOKEN_MAX);
	rc = header != NULL ? service_open(opts, &s) : -ENOMEM;
	if (rc == 0)
		rc = ask_machine(&s, endpoint, header, out, cause);
	service_close(&s);
	crypt_secret_free(header);
	return rc;
}
