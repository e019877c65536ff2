"""AWS Signature Version 4, the server's side, as S3's documentation has it.

Sources: "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk" (sig-v4-header-
based-auth), "Common Request Headers", "Error Responses", "Checking object integrity" of the S3 API reference.
"""
import base64
import calendar
import hashlib
import hmac
import re
import time
import urllib.parse

SKEW_MAX = 15 * 60
UNSIGNED = 'UNSIGNED-PAYLOAD'


def encoded(text, safe):
    return urllib.parse.quote(urllib.parse.unquote_to_bytes(text), safe=safe + '-_.~')


def canonical_query(query):
    pairs = [p.partition('=') for p in query.split('&') if p]
    return '&'.join(sorted(f'{encoded(k, "")}={encoded(v, "")}' for k, _, v in pairs))


def canonical_request(method, target, request, signed, payload_hash):
    path, _, query = target.partition('?')
    headers = ''.join(
        f'{name}:{",".join(" ".join(v.split()) for k, v in request.headers if k.lower() == name)}\n' for name in signed)
    return '\n'.join([method, encoded(path, '/'), canonical_query(query), headers, ';'.join(signed), payload_hash])


def signature(secret, date, region, text):
    key = ('AWS4' + secret).encode()
    for part in (date[:8], region, 's3', 'aws4_request'):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class Judge:
    """Of requests to one bucket.  ${credentials} are its owner's, ${users} others': "NAME=ACCESS:SECRET"."""

    def __init__(self, credentials, region, users=()):
        self.known = {}
        for user in (f'={credentials}', *users):
            name, _, keys = user.partition('=')
            access, secret, token = (keys.split(':', 2) + [''])[:3]
            self.known[access] = name, secret, token
        self.region, self.policy = region, None

    def refuses(self, method, target, request, body, now):
        """None if the request is well signed and its body is what its headers say; else status, code and message."""
        return (self.refuses_signature(method, target, request, now) or self.refuses_user(method, target, request) or
                self.refuses_body(request, body))

    def refuses_user(self, method, target, request):
        """Whom the owner's policy does not let do it.  The signature has been found good."""
        name = self.known[re.search(r'Credential=([^/]+)/', request.get('authorization'))[1]][0]
        if not name or self.policy and self.policy.allows(name, method, target, request):
            return None
        return 403, 'AccessDenied', 'Access Denied'

    def refuses_signature(self, method, target, request, now):
        m = re.fullmatch(r'AWS4-HMAC-SHA256 +Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, *'
                         r'SignedHeaders=([a-z0-9;-]+), *Signature=([0-9a-f]{64})', request.get('authorization'))
        if not m:
            if request.get('authorization'):
                return 400, 'AuthorizationHeaderMalformed', 'The authorization header is malformed'
            return 403, 'AccessDenied', 'Access Denied'
        access, day, region, service, signed, given = m.groups()
        signed, date = signed.split(';'), request.get('x-amz-date')
        if access not in self.known:
            return 403, 'InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.'
        _, secret, token = self.known[access]
        if region != self.region or service != 's3':
            return 400, 'AuthorizationHeaderMalformed', (
                f"The authorization header is malformed; the region '{region}' is wrong; expecting '{self.region}'")
        if request.get('x-amz-security-token') != token:
            return 400, 'InvalidToken', 'The provided token is malformed or otherwise invalid.'
        if not request.get('x-amz-content-sha256'):
            return 400, 'InvalidRequest', 'Missing required header for this request: x-amz-content-sha256'
        if not re.fullmatch(r'\d{8}T\d{6}Z', date) or date[:8] != day:
            return 403, 'AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header'
        if abs(calendar.timegm(time.strptime(date, '%Y%m%dT%H%M%SZ')) - now) > SKEW_MAX:
            return 403, 'RequestTimeTooSkewed', (
                'The difference between the request time and the current time is too large.')
        present = {k.lower() for k, _ in request.headers}
        must = {'host'} | {k for k in present if k.startswith('x-amz-')}
        if must - set(signed) or set(signed) - present or signed != sorted(signed):
            return 403, 'AccessDenied', 'There were headers present in the request which were not signed'
        scope = f'{day}/{region}/s3/aws4_request'
        asked = canonical_request(method, target, request, signed, request.get('x-amz-content-sha256'))
        text = '\n'.join(['AWS4-HMAC-SHA256', date, scope, hashlib.sha256(asked.encode()).hexdigest()])
        if not hmac.compare_digest(signature(secret, date, region, text), given):
            return 403, 'SignatureDoesNotMatch', (
                'The request signature we calculated does not match the signature you provided.')
        return None

    @staticmethod
    def refuses_body(request, body):
        said = request.get('x-amz-content-sha256')
        if said != UNSIGNED and said != hashlib.sha256(body).hexdigest():
            return 400, 'XAmzContentSHA256Mismatch', (
                "The provided 'x-amz-content-sha256' header does not match what was computed.")
        for header, kind in (('content-md5', hashlib.md5), ('x-amz-checksum-sha256', hashlib.sha256)):
            said = request.get(header)
            if said and said != base64.b64encode(kind(body).digest()).decode():
                return 400, 'BadDigest', f'The {header} you specified did not match what we received.'
        return None
