/*
 * Transfers: the thread that runs them all.  See http.h.
 *
 * It is started by the first request, not by http_open(): who opens a store may still fork.  It has all signals
 * blocked, SIGPIPE among them.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "repo/store/http/curl/curl_impl.h"
#include "repo/store/store_impl.h"
#include "repo/util/process/harden.h"

#define ACTIVE_MAX 64     /* requests under way; the others wait for their turn, which costs them no patience */
#define SFTP_MAX 8        /* of them by sftp: OpenSSH turns away more than ten that come at once (MaxStartups) */
#define PATIENCE_MIN_MS 500
#define ACKED_STEP 4096   /* bytes that have arrived and count as a move: more than some answers to keepalives */
#define LOOK_MS 100       /* between looks at what has stalled or is cancelled */
#define REDIRECTS_MAX 5

/* --- The thread --------------------------------------------------------------------------------------------------- */

/* Hand it back to who waits for it. */
static void end(struct transfer *t, int rc)
{
	struct http *h = t->http;

	pthread_mutex_lock(&h->lock);
	t->rc = rc;
	t->done = true;
	pthread_cond_signal(&t->ended);
	pthread_mutex_unlock(&h->lock);
}

/* Take it from the active ones, and end it. */
static void end_active(struct transfer *t, int rc)
{
	struct http *h = t->http;
	struct transfer **at = &h->active;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	h->nactive--;
	h->nsftp -= t->sftp;
	curl_multi_remove_handle(h->multi, t->easy);
	transfer_clean(t);
	end(t, rc);
}

static bool cancelled(const struct http *h)
{
	return h->cancel != NULL && atomic_load_explicit(h->cancel, memory_order_relaxed) != 0;
}

/* Take the first of the queue, if there is one and it may start.  Tells whether the handle is being closed. */
static struct transfer *take_next(struct http *h, bool *closing)
{
	struct transfer *t;

	pthread_mutex_lock(&h->lock);
	*closing = h->closing;
	t = h->queue;
	if (t != NULL && (h->nactive >= ACTIVE_MAX || (t->sftp && h->nsftp >= SFTP_MAX)))
		t = NULL;
	if (t != NULL) {
		h->queue = t->next;
		if (h->queue == NULL)
			h->queue_end = &h->queue;
	}
	pthread_mutex_unlock(&h->lock);
	return t;
}

static void begin(struct transfer *t)
{
	struct http *h = t->http;
	int rc;

	if (cancelled(h)) {
		transfer_cause(t, "cancelled");
		end(t, -ECANCELED);
		return;
	}
	t->moved_ms = t->begun_ms = store_now_ms();
	rc = transfer_setup(t);
	if (rc == 0 && curl_multi_add_handle(h->multi, t->easy) != CURLM_OK) {
		transfer_cause(t, "out of memory");
		rc = -ENOMEM;
	}
	if (rc < 0) {
		transfer_clean(t);
		end(t, rc);
		return;
	}
	t->next = h->active;
	h->active = t;
	h->nactive++;
	h->nsftp += t->sftp;
}

/* End those that curl is done with.  Return whether there were any. */
static bool end_done(struct http *h)
{
	struct transfer *t;
	CURLMsg *m;
	bool any = false;
	CURLcode code;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left)) != NULL) {
		if (m->msg != CURLMSG_DONE)
			continue;
		code = m->data.result; /* gone with the handle */
		if (curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t) != CURLE_OK)
			continue;
		end_active(t, transfer_result(t, code));
		any = true;
	}
	return any;
}

/*
 * Take note of what has moved without our callbacks: of an upload, curl asks only for the next buffer full, and by sftp
 * tells nothing before that has arrived whole.
 */
static void note_moved(struct transfer *t, int64_t now)
{
	curl_off_t up = 0, down = 0;
	uint64_t arrived;

	(void)curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &up);
	(void)curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
	if (up + down != t->moved) {
		t->moved = up + down;
		t->moved_ms = now;
	}
	if (t->fd < 0)
		return;
	arrived = t->connecting ? socket_moved(t->fd) : socket_acked(t->fd);
	if (arrived < t->arrived + (t->connecting ? 1 : ACKED_STEP))
		return;
	t->arrived = arrived;
	t->moved_ms = now;
	/* Curl's own clock is for all handshakes together. */
	if (t->connecting)
		curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS,
		    (long)(now - t->begun_ms) + t->http->patience_ms * 9 / 10);
}

/* Give up what is cancelled or has not moved for too long.  Return whether there was any: others may have its place. */
static bool look(struct http *h, int64_t now)
{
	bool cancel = cancelled(h), any = false;
	struct transfer *t, *next;

	if (now - h->looked_ms < LOOK_MS)
		return false;
	h->looked_ms = now;
	for (t = h->active; t != NULL; t = next) {
		next = t->next;
		note_moved(t, now);
		if (cancel) {
			transfer_cause(t, "cancelled");
			end_active(t, -ECANCELED);
			any = true;
		} else if (t->held_by == NULL && now - t->moved_ms >= h->patience_ms) {
			transfer_cause(t, "nothing moved for %ld seconds", (h->patience_ms + 500) / 1000);
			end_active(t, -ETIMEDOUT);
			any = true;
		}
	}
	return any;
}

/* Let those go on that a rate has held back; who is first now is last the next time, so that each has its turn. */
static void let_go(struct http *h, int64_t now)
{
	struct transfer *t, **at, *first = h->active;

	if (first == NULL || (h->up.per_s == 0 && h->down.per_s == 0))
		return;
	for (t = first; t != NULL; t = t->next) {
		if (t->held_by == NULL || !rate_open(t->held_by, now))
			continue;
		t->held_by = NULL;
		t->moved_ms = now;
		curl_easy_pause(t->easy, CURLPAUSE_CONT);
	}
	for (at = &h->active; *at != NULL; at = &(*at)->next)
		;
	*at = first;
	h->active = first->next;
	first->next = NULL;
}

/* How long there may be nothing to do, unless something moves. */
static int pause_ms(struct http *h, int64_t now)
{
	int up, down, ms;

	if (h->nactive == 0)
		return 60000;
	up = rate_wait_ms(&h->up, now);
	down = rate_wait_ms(&h->down, now);
	ms = up > 0 && (down == 0 || up < down) ? up : down;
	return ms > 0 && ms < LOOK_MS ? ms : LOOK_MS;
}

static void *run(void *arg)
{
	struct http *h = arg;
	struct transfer *t;
	bool closing;
	int running;
	int64_t now;

	for (;;) {
		while ((t = take_next(h, &closing)) != NULL)
			begin(t);
		if (closing)
			break;
		curl_multi_perform(h->multi, &running);
		if (end_done(h))
			continue;
		now = store_now_ms();
		if (look(h, now))
			continue;
		let_go(h, now);
		curl_multi_poll(h->multi, NULL, 0, pause_ms(h, now), NULL);
	}
	return NULL;
}

/* --- The callers -------------------------------------------------------------------------------------------------- */

/* Under the lock. */
static int start_thread(struct http *h)
{
	sigset_t before;
	int err;

	if (h->started)
		return 0;
	harden_block_signals(&before);
	err = pthread_create(&h->thread, NULL, run, h);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	h->started = err == 0;
	return h->started ? 0 : -ENOMEM;
}

/* Have it done by the thread. */
static int hand_over(struct http *h, struct transfer *t)
{
	int rc;

	pthread_mutex_lock(&h->lock);
	rc = start_thread(h);
	if (rc == 0) {
		t->next = NULL;
		*h->queue_end = t;
		h->queue_end = &t->next;
		curl_multi_wakeup(h->multi);
		while (!t->done)
			pthread_cond_wait(&t->ended, &h->lock);
		rc = t->rc;
	} else {
		transfer_cause(t, "cannot start a thread");
	}
	pthread_mutex_unlock(&h->lock);
	return rc;
}

/* One request and its answer.  ${*redirect} is where it points to, if it may be followed (malloc). */
static int perform_once(struct http *h, const struct http_request *q, const char *url, struct http_reply *r,
			char **redirect)
{
	struct transfer t = { .http = h, .q = q, .r = r, .url = url, .fd = -1 };
	size_t before = q->append != NULL ? q->append->len : 0;
	int rc;

	t.sftp = strncasecmp(url, "sftp:", 5) == 0;
	pthread_cond_init(&t.ended, NULL);
	rc = hand_over(h, &t);
	pthread_cond_destroy(&t.ended);
	if (rc < 0 && q->append != NULL)
		q->append->len = before;
	if (rc == 0 && t.redirect != NULL && url_may_follow(url, t.redirect)) {
		*redirect = t.redirect;
		t.redirect = NULL;
	}
	free(t.redirect);
	return rc;
}

int http_perform(struct http *h, const struct http_request *q, struct http_reply *r)
{
	bool may = strcmp(q->method, "GET") == 0 || strcmp(q->method, "HEAD") == 0;
	char *url = NULL, *redirect;
	int rc;

	for (unsigned n = 0;; n++) {
		redirect = NULL;
		rc = perform_once(h, q, url != NULL ? url : q->url, r, &redirect);
		if (redirect == NULL || !may || n == REDIRECTS_MAX)
			break;
		free(url);
		url = redirect;
		buf_clear(&r->headers);
		buf_clear(&r->error);
	}
	free(redirect);
	free(url);
	return rc;
}

/* --- Open and close ----------------------------------------------------------------------------------------------- */

static int check_ca_file(const struct store_options *opts)
{
	int rc;

	if (opts->ca_file == NULL || access(opts->ca_file, R_OK) == 0)
		return 0;
	rc = -errno;
	log_error(opts->log, "%s: read the trusted certificates: %m", opts->ca_file);
	/* -ENOENT would be that there is no repository. */
	return rc == -EACCES ? rc : -EINVAL;
}

int http_open(const struct store_options *opts, struct http **out)
{
	unsigned deadline = opts->deadline_ms != 0 ? opts->deadline_ms : STORE_DEADLINE_DEFAULT_MS;
	struct http *h;
	int rc;

	rc = check_ca_file(opts);
	if (rc < 0)
		return rc;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return -ENOMEM;
	h->log = opts->log;
	h->cancel = opts->cancel;
	h->ca_file = opts->ca_file;
	h->patience_ms = deadline / 3 > PATIENCE_MIN_MS ? deadline / 3 : PATIENCE_MIN_MS;
	h->queue_end = &h->queue;
	pthread_mutex_init(&h->lock, NULL);
	rate_init(&h->up, opts->upload_rate, store_now_ms());
	rate_init(&h->down, opts->download_rate, store_now_ms());
	/* Counted and thread-safe in any curl of today. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		pthread_mutex_destroy(&h->lock);
		free(h);
		return -ENOMEM;
	}
	h->multi = curl_multi_init();
	h->share = curl_share_init();
	if (h->multi == NULL || h->share == NULL ||
	    curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK) {
		http_close(h);
		return -ENOMEM;
	}
	curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
	/* Curl's own bound follows what is under way: after each burst most connections would be closed. */
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)ACTIVE_MAX);
	*out = h;
	return 0;
}

void http_close(struct http *h)
{
	if (h == NULL)
		return;
	pthread_mutex_lock(&h->lock);
	h->closing = true;
	pthread_mutex_unlock(&h->lock);
	if (h->started) {
		curl_multi_wakeup(h->multi);
		pthread_join(h->thread, NULL);
	}
	if (h->multi != NULL)
		curl_multi_cleanup(h->multi);
	if (h->share != NULL)
		curl_share_cleanup(h->share);
	curl_global_cleanup();
	pthread_mutex_destroy(&h->lock);
	free(h);
}
