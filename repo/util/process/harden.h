/*
 * What a process that holds keys does for them.
 */
#ifndef VARVE_UTIL_HARDEN_H
#define VARVE_UTIL_HARDEN_H

#include <signal.h>

/**
 * harden_process():
 * Secrets do not go into core dumps, nor can another process of the same user read them (ptrace(2), /proc/PID/mem,
 * /proc/PID/environ): prctl(2), PR_SET_DUMPABLE.  A program that this one becomes or starts is not concerned, but for
 * the limit on core dumps (the soft one).  To be called at the start of main().
 */
void harden_process(void);

/**
 * harden_forget_variable(name):
 * Overwrite the value of an environment variable with zeros, so that it is no longer in /proc/PID/environ either: the
 * variable is empty then.  For the main thread, while nobody uses what getenv() returned of it.
 */
void harden_forget_variable(const char *name);

/**
 * harden_block_signals(before):
 * Block all signals of the calling thread, so that those it makes next start so: the program's signals are for the
 * threads that the program has.  All but SANDBOX_SIGNAL (sandbox.h).  ${before}: to be given back to pthread_sigmask().
 */
void harden_block_signals(sigset_t *before);

#endif
