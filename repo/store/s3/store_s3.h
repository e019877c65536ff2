/*
 * Store on an object store that speaks S3: AWS, Ceph RGW, MinIO, Garage and others, and Google Cloud Storage by its XML
 * interface with HMAC keys.
 *
 *   s3://BUCKET[/PREFIX][?OPTION=VALUE&...]     gs://BUCKET[/PREFIX][?...]
 *
 *   endpoint=URL               the server, instead of AWS' ($AWS_ENDPOINT_URL_S3, $AWS_ENDPOINT_URL, configuration
 *   file) region=NAME                ($AWS_REGION, $AWS_DEFAULT_REGION, configuration file; us-east-1)
 *   style=path|host            where the bucket stands: path with an endpoint, host with AWS
 *   profile=NAME               of the credentials file (s3_credentials.h)
 *   storage-class=CLASS        of data packs; storage-class-hot=CLASS of everything else
 *   thaw-tier=TIER             how fast archived packs are to be restored: Bulk, Standard, Expedited
 *   lock=governance|compliance with lock-days=N: Object Lock until N days after an object is written
 *   checksum=sha256|none       none: for servers that do not know x-amz-checksum-sha256
 *   part-size=SIZE             larger objects are sent in parts of this size (64M; at least 5M)
 *
 * Requests are signed (Signature Version 4) with the hash of their body, so that a server that verifies signatures
 * accepts no other bytes; what it says of the stored bytes (x-amz-checksum-sha256, or an ETag that is an MD5) is
 * compared too.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/, https://cloud.google.com/storage/docs/xml-api/overview
 */
#ifndef VARVE_STORE_STORE_S3_H
#define VARVE_STORE_STORE_S3_H

#include "repo/store/store_impl.h"

/**
 * store_s3_open(opts, out):
 * The bare store of an s3: or gs: URL.  Nothing is asked; ${opts->create} makes no bucket.  Return 0; -EINVAL for a
 * malformed URL or option (logged); -ENOENT, -EACCES for ${opts->ca_file}; -ENOMEM.
 */
store_opener store_s3_open;

#endif
