/*
 * For tests: SANITIZED is 1 where a sanitizer makes all slower, and wants all addresses to itself.
 */
#ifndef VARVE_TEST_SANITIZED_H
#define VARVE_TEST_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef SANITIZED
#define SANITIZED 1
#endif
#endif

#endif
