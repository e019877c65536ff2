"""A bucket's policy, as S3 evaluates it: who may do what with which objects.

So much of it as the example of docs/stores.md uses; what is not understood is refused when it is read, so that nothing is
taken for allowed by a rule that was passed over.  Sources: "Access policy language overview", "Actions, resources, and
condition keys for Amazon S3", "Policy evaluation logic".
"""
import fnmatch
import json
import re
import urllib.parse

FIELDS = {'Sid', 'Effect', 'Principal', 'Action', 'Resource'}

# What each request is, by its method and the one of these words that its query has.
BUCKET = {('GET', 'list-type'): 's3:ListBucket', ('GET', 'versions'): 's3:ListBucketVersions'}
OBJECT = {
    ('GET', ''): 's3:GetObject', ('HEAD', ''): 's3:GetObject', ('PUT', ''): 's3:PutObject',
    ('DELETE', ''): 's3:DeleteObject', ('POST', 'uploads'): 's3:PutObject', ('PUT', 'uploadId'): 's3:PutObject',
    ('POST', 'uploadId'): 's3:PutObject', ('DELETE', 'uploadId'): 's3:AbortMultipartUpload',
    ('GET', 'retention'): 's3:GetObjectRetention', ('PUT', 'retention'): 's3:PutObjectRetention',
    ('POST', 'restore'): 's3:RestoreObject',
}
WORDS = {word for _, word in BUCKET | OBJECT if word} | {'acl', 'policy', 'versionId', 'tagging', 'legal-hold', 'lifecycle'}


def listed(value):
    return value if isinstance(value, list) else [value]


def actions(method, target, request):
    """The actions that a request is, None among them if it is one that no policy here speaks of; and its resource."""
    path, _, query = target.partition('?')
    bucket, _, key = urllib.parse.unquote(path).lstrip('/').partition('/')
    words = WORDS & {pair.partition('=')[0] for pair in query.split('&')}
    word = words.pop() if len(words) == 1 else '' if not words else None
    wanted = [(OBJECT if key else BUCKET).get((method, word))]
    if key and request.get('x-amz-object-lock-mode'):
        wanted.append('s3:PutObjectRetention')
    return wanted, f'arn:aws:s3:::{bucket}/{key}' if key else f'arn:aws:s3:::{bucket}'


class Policy:
    def __init__(self, path):
        with open(path) as file:
            self.statements = json.load(file)['Statement']
        for s in self.statements:
            if set(s) - FIELDS or s['Effect'] not in ('Allow', 'Deny') or set(s['Principal']) != {'AWS'}:
                raise ValueError(f'{s.get("Sid")}: not understood')

    @staticmethod
    def meets(statement, user, action, resource):
        return (any(re.fullmatch(rf'arn:aws:iam::\d*:user/{re.escape(user)}', p)
                    for p in listed(statement['Principal']['AWS'])) and
                any(fnmatch.fnmatchcase(action, a) for a in listed(statement['Action'])) and
                any(fnmatch.fnmatchcase(resource, r) for r in listed(statement['Resource'])))

    def allows(self, user, method, target, request):
        """May this user (not the bucket's owner, who may do everything) make the request?"""
        wanted, resource = actions(method, target, request)
        for action in wanted:
            effects = {s['Effect'] for s in self.statements if action and self.meets(s, user, action, resource)}
            if effects != {'Allow'}:
                return False
        return True
