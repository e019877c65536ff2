#!/usr/bin/env python3
"""OpenSSH's sftp-server, with somebody who looks on: sftp_tap.py DIR [ARGUMENT of sftp-server...]

DIR/log gets a line for each request that changes names: "rename OLD NEW", "remove NAME".  One-shot, if the file is there:

    DIR/hang-after   text; once a line that has it has been answered, nothing more is: DIR/hung appears
    DIR/end-after    text; the session ends there
"""
import os
import struct
import subprocess
import sys

REMOVE, RENAME = 13, 18
SERVERS = ['/usr/lib/openssh/sftp-server', '/usr/libexec/openssh/sftp-server', '/usr/lib/ssh/sftp-server',
           '/usr/libexec/sftp-server']


def exactly(n):
    data = b''
    while len(data) < n:
        more = os.read(0, n - len(data))
        if not more:
            return None
        data += more
    return data


def packet():
    """The next one from the client, as it came: type (SSH_FXP_...), id, and what belongs to that."""
    head = exactly(4)
    body = head and exactly(struct.unpack('>I', head)[0])
    return head + body if body else None


def strings(data):
    while len(data) >= 4:
        n = struct.unpack('>I', data[:4])[0]
        yield os.fsdecode(data[4:4 + n])
        data = data[4 + n:]


def line_of(data):
    kind = data[4]
    if kind == RENAME:
        return 'rename ' + ' '.join(strings(data[9:]))
    return 'remove ' + ' '.join(strings(data[9:])) if kind == REMOVE else ''


class Tap:
    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.before = ''

    def due(self, name):
        """Is this to be done now, after the line before?"""
        path = os.path.join(self.folder, name)
        try:
            with open(path) as f:
                text = f.read().strip()
        except FileNotFoundError:
            return False
        if not text or text not in self.before:
            return False
        os.remove(path)
        return True

    def note(self, line):
        self.before = line
        if line:
            with open(os.path.join(self.folder, 'log'), 'a') as f:
                f.write(line + '\n')


def main():
    tap = Tap(sys.argv[1])
    program = next(s for s in SERVERS if os.path.exists(s))
    server = subprocess.Popen([program, *sys.argv[2:]], stdin=subprocess.PIPE)
    while data := packet():
        if tap.due('hang-after'):
            open(os.path.join(tap.folder, 'hung'), 'w').close()
            while os.read(0, 65536):
                pass
            break
        if tap.due('end-after'):
            break
        tap.note(line_of(data))
        server.stdin.write(data)
        server.stdin.flush()
    server.stdin.close()
    server.wait()


main()
