#!/usr/bin/env python3
"""Say something to a proxy that runs: tell.py SOCKET WORD...  (see proxy.py); or ask for one of its counts:
tell.py SOCKET count KEY, where KEY may be requests for all of them, and requests.METHOD."""
import json
import socket
import sys


def tell(path, *words):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall((' '.join(words) + '\n').encode())
        verdict, _, answer = s.makefile().readline().strip().partition(' ')
    if verdict != 'ok':
        sys.exit(f'proxy: {answer or "gone"}')
    return answer


def count(answer, key):
    key, _, method = key.partition('.')
    value = json.loads(answer)[key]
    if method:
        return value.get(method, 0)
    return sum(value.values()) if key == 'requests' else value


if sys.argv[2] == 'count' and len(sys.argv) > 3:
    print(count(tell(*sys.argv[1:3]), sys.argv[3]))
elif said := tell(*sys.argv[1:]):
    print(said)
