/*
 * The one way to libfuse's headers: the API version that all files are built for.
 */
#ifndef VARVE_FS_FUSE_H
#define VARVE_FS_FUSE_H

#define FUSE_USE_VERSION 312

#include <fuse_lowlevel.h>

#endif
