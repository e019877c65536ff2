/*
 * Progress.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "repo/util/text/when.h"
#include "tools/print/json.h"
#include "tools/print/progress.h"

#define TICK_MS 250
#define LINE_EVERY_S 60

struct progress {
	struct cli *cli;
	const char *what;
	progress_fn *fn;
	void *arg;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop, live;
	double started, last_line;
	double rate; /* bytes a second, smoothed */
	double last_time;
	uint64_t last_bytes;
};

static atomic_int asked; /* by SIGUSR1 */

static void on_usr1(int sig)
{
	(void)sig;
	asked = 1;
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void update_rate(struct progress *p, const struct progress_state *s, double now)
{
	double dt = now - p->last_time, r;

	if (dt < 0.2)
		return;
	r = (double)(s->bytes - p->last_bytes) / dt;
	p->rate = p->last_bytes == 0 ? r : p->rate * 0.8 + r * 0.2;
	p->last_time = now;
	p->last_bytes = s->bytes;
}

static double fraction(const struct progress_state *s)
{
	if (s->total_bytes > 0)
		return (double)s->bytes / (double)s->total_bytes;
	return s->total_items > 0 ? (double)s->items / (double)s->total_items : -1;
}

static void describe(const struct progress *p, const struct progress_state *s, double now, char *out, size_t size)
{
	char bytes[SIZE_TEXT_SIZE], rate[SIZE_TEXT_SIZE], rest[64] = "";
	double f = fraction(s), elapsed = now - p->started;

	if (f > 1)
		f = 1;
	if (f > 0 && elapsed > 1) {
		long eta = (long)(elapsed / f - elapsed);

		snprintf(rest, sizeof(rest), "  %3.0f%%  %ld:%02ld:%02ld left", f * 100, eta / 3600, eta / 60 % 60,
		    eta % 60);
	}
	snprintf(out, size, "%llu %s, %s, %s/s%s%s", (unsigned long long)s->items, p->what,
	    size_format(s->bytes, bytes), size_format((uint64_t)p->rate, rate), rest,
	    s->errors ? "  (with errors)" : "");
}

static void print_json(const struct progress_state *s, double elapsed)
{
	json_value *o = json_new_object();

	json_set_text(o, "type", "progress");
	json_set_u64(o, "items", s->items);
	json_set_u64(o, "bytes", s->bytes);
	json_set_u64(o, "total_items", s->total_items);
	json_set_u64(o, "total_bytes", s->total_bytes);
	json_set_u64(o, "errors", s->errors);
	json_set_real(o, "seconds", elapsed);
	json_print(o);
	fflush(stdout);
}

static void show(struct progress *p)
{
	struct progress_state s = { 0 };
	double now = now_s();
	bool want = atomic_exchange(&asked, 0) != 0;
	char line[256];

	p->fn(p->arg, &s);
	update_rate(p, &s, now);
	if (!p->live && !want && now - p->last_line < LINE_EVERY_S)
		return;
	p->last_line = now;
	if (p->cli->json) {
		print_json(&s, now - p->started);
		return;
	}
	describe(p, &s, now, line, sizeof(line));
	if (p->live)
		fprintf(stderr, "\r\033[K%.78s", line);
	else
		fprintf(stderr, "varve: %s\n", line);
}

static void *run(void *arg)
{
	struct progress *p = arg;
	struct timespec until;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += TICK_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&p->wake, &p->lock, &until);
		if (!p->stop)
			show(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct progress *progress_start(struct cli *c, const char *what, progress_fn *fn, void *arg)
{
	struct sigaction sa = { .sa_handler = on_usr1, .sa_flags = SA_RESTART };
	struct progress *p;

	sigemptyset(&sa.sa_mask);
	sigaction(SIGUSR1, &sa, NULL);
	p = c->quiet ? NULL : calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->cli = c;
	p->what = what;
	p->fn = fn;
	p->arg = arg;
	p->live = isatty(STDERR_FILENO) && !c->json;
	p->started = p->last_line = p->last_time = now_s();
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	if (pthread_create(&p->thread, NULL, run, p) == 0)
		return p;
	free(p);
	return NULL;
}

void progress_stop(struct progress *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	if (p->live)
		fprintf(stderr, "\r\033[K");
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
