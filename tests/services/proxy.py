#!/usr/bin/env python3
"""A network, and a server's bad days, between a client and a server on loopback.

    proxy.py [--listen PORT] --target PORT --control SOCKET [option...]

It carries bytes, or, with --http, requests of HTTP/1.1 (over TLS with --tls, and to a server over TLS with --target-tls).
"ready PORT" on stdout says that it listens, and where.

The network is one link each way that all connections share.  Every byte arrives half a round trip after it was sent, and
a connection's first bytes one round trip later, for the handshake of TCP; that of TLS comes by itself, except with --tls
(put one proxy before another then).  Slow start and loss are not modelled.

What it is told (tell.py) takes effect at once:

    set delay_ms=20 rate=200M         round trip, and bits a second each way (0: no limit)
    set refuse=1                      connections are refused, and those there are reset; refuse=0: no more
    set gone=1                        nothing arrives any more, in either direction; gone=0: all goes on
    set skew=SECONDS                  its clock is off: the Date of answers, and what signatures are judged by
    rule ACTION [method=PUT] [path=TEXT] [nth=N | every=K] [times=T]
                                      from now on: to requests with that method and that text in their target, to the
                                      Nth, to every Kth or to all, but T times at most.  ACTION is one of
        status=503 [retry_after=2] [code=SlowDown]     the answer; the server is not asked
        truncate=BYTES                the connection ends after so many bytes of the answer's body
        corrupt=OFFSET                this byte of the answer's body has a bit turned
        stall=SECONDS                 the answer's body stops half way for so long
        delay=SECONDS                 the answer comes so much later
        header=NAME:VALUE             the answer has this header besides (no blanks in it)
        reset=1                       the connection is reset, the request may have come through
                                      and without --http (nth and every count connections):
        drop=BYTES                    the connection is reset after so many bytes of the server
        stall=SECONDS [after=BYTES]   nothing for so long after so many bytes of the server
    clear                             no rules any more
    policy FILE                       what others than the bucket's owner may do, from now on (policy.py)
    zero                              all counts are 0
    count                             prints them: {"connections": 1, "requests": {"GET": 7}, "up_bytes": ...,
                                      "down_bytes": ..., "ranges": 5, "range_bytes": ..., "faults": 0}

With --log FILE each request is a line of JSON: n, method, target, range ([offset, length], from the answer), status,
up, down (bytes of bodies), ms, fault, from.
"""
import argparse
import asyncio
import collections
import errno
import json
import os
import random
import signal
import socket
import ssl
import struct
import sys
import time

sys.dont_write_bytecode = True
import policy
import proxy_http
import sigv4

CHUNK = 1 << 16


class Link:
    """One direction of the network: bytes leave it one after the other."""

    def __init__(self):
        self.bytes_per_second = 0.0
        self.free_at = 0.0

    def departure(self, size, now):
        if not self.bytes_per_second:
            return now
        self.free_at = max(self.free_at, now) + size / self.bytes_per_second
        return self.free_at


class Pipe:
    """A connection's bytes on one link: what is put in at one end is delivered when it arrives at the other."""

    def __init__(self, proxy, link, deliver, handshake):
        self.proxy, self.link, self.deliver = proxy, link, deliver
        # The first bytes leave when the connection stands, ${handshake} round trips after it was asked for.
        self.not_before = asyncio.get_running_loop().time() + handshake * proxy.trip()
        self.queue, self.held = collections.deque(), 0
        self.wake, self.room = asyncio.Event(), asyncio.Event()

    async def put(self, data):
        loop, trip = asyncio.get_running_loop(), self.proxy.trip()
        # What fits in the network, and some more.
        limit = 4 * CHUNK + int(2 * trip * (self.link.bytes_per_second or 1e9 / 8))
        while self.held > limit:
            self.room.clear()
            await self.room.wait()
        due = self.link.departure(len(data), max(loop.time(), self.not_before)) + trip / 2
        self.held += len(data)
        self.queue.append((due, data))
        self.wake.set()

    async def run(self):
        loop = asyncio.get_running_loop()
        while True:
            while not self.queue:
                self.wake.clear()
                await self.wake.wait()
            due, data = self.queue[0]
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            await self.proxy.reachable.wait()
            await self.deliver(data)
            self.queue.popleft()
            self.held -= len(data)
            self.room.set()
            if not data:
                return


class Client:
    """A client's connection, seen from the far side of the network: ${reader}, and write()."""

    def __init__(self, proxy, reader, writer):
        self.proxy, self.near_reader, self.near_writer = proxy, reader, writer
        self.reader = asyncio.StreamReader(limit=1 << 18)
        self.number = proxy.count['connections']
        self.up = Pipe(proxy, proxy.up, self.arrived, 1)
        self.down = Pipe(proxy, proxy.down, self.returned, 1.5)
        self.tasks = [asyncio.create_task(t) for t in (self.take(), self.up.run(), self.down.run())]

    async def take(self):
        try:
            while data := await self.near_reader.read(CHUNK):
                self.proxy.count['up_bytes'] += len(data)
                await self.up.put(data)
            await self.up.put(b'')
        except OSError:
            await self.up.put(b'')

    async def arrived(self, data):
        if data:
            self.reader.feed_data(data)
            while len(self.reader._buffer) > 16 * CHUNK:
                await asyncio.sleep(0.001)
        else:
            self.reader.feed_eof()

    async def returned(self, data):
        try:
            if data:
                self.near_writer.write(data)
                await self.near_writer.drain()
            else:
                self.near_writer.close()
        except OSError:
            self.near_writer.transport.abort()

    async def write(self, data):
        """Send to the client; nothing more, and the end of it, for b''."""
        for i in range(0, len(data), CHUNK):
            if self.near_writer.is_closing():
                raise ConnectionResetError
            part = data[i:i + CHUNK]
            self.proxy.count['down_bytes'] += len(part)
            await self.down.put(bytes(part))
        if not data:
            await self.down.put(b'')
            await self.tasks[2]

    def reset(self):
        raw = self.near_writer.transport.get_extra_info('socket')
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.near_writer.transport.abort()

    def close(self):
        for task in self.tasks:
            task.cancel()
        self.near_writer.transport.abort()


class Rule:
    """One thing that goes wrong, and with what."""

    ACTIONS = {False: {'drop', 'stall'}, True: {'status', 'truncate', 'corrupt', 'stall', 'delay', 'reset', 'header'}}
    DETAILS = {'retry_after', 'code', 'after', 'method', 'path', 'nth', 'every', 'times'}

    def __init__(self, words, http):
        self.options = words
        actions = set(words) - self.DETAILS
        if len(actions) != 1 or actions - self.ACTIONS[http]:
            raise ValueError(f'one of {", ".join(sorted(self.ACTIONS[http]))} is wanted here')
        self.seen = self.done = 0

    def number(self, name, default=0):
        return float(self.options.get(name, default))

    def meets(self, method, target):
        """Is it for this request (or connection)?  Counts it."""
        o = self.options
        if o.get('method', method) != method or o.get('path', '') not in target:
            return False
        self.seen += 1
        if 'nth' in o and self.seen != int(o['nth']) or 'every' in o and self.seen % int(o['every']):
            return False
        if 'times' in o and self.done >= int(o['times']):
            return False
        self.done += 1
        return True


class Proxy:
    def __init__(self, options):
        self.options = options
        self.settings = {'delay_ms': 0.0, 'rate': 0.0, 'refuse': 0.0, 'gone': 0.0, 'skew': 0.0}
        self.up, self.down, self.rules = Link(), Link(), []
        self.reachable = asyncio.Event()
        self.reachable.set()
        self.clients, self.server = set(), None
        self.log = open(options.log, 'a', buffering=1) if options.log else None
        self.locks = collections.defaultdict(asyncio.Lock)
        self.judge = sigv4.Judge(options.sigv4, options.region, options.user) if options.sigv4 else None
        self.zero()
        for name in ('delay_ms', 'rate'):
            if getattr(options, name):
                self.set(name, getattr(options, name))

    def zero(self):
        self.count = collections.Counter(connections=0, up_bytes=0, down_bytes=0, ranges=0, range_bytes=0, faults=0)
        self.requests = collections.Counter()

    def rule_for(self, method, target):
        met = [r for r in self.rules if r.meets(method, target)]
        self.count['faults'] += bool(met)
        return met[0] if met else None

    def trip(self):
        return self.settings['delay_ms'] / 1000

    def now(self):
        return time.time() + self.settings['skew']

    def set(self, name, text):
        if name not in self.settings:
            raise ValueError(f'nothing is called {name}')
        scale = {'K': 1e3, 'M': 1e6, 'G': 1e9}.get(text[-1:], 1)
        self.settings[name] = float(text.rstrip('KMG')) * scale
        self.up.bytes_per_second = self.down.bytes_per_second = self.settings['rate'] / 8

    async def applied(self):
        if self.settings['gone']:
            self.reachable.clear()
        else:
            self.reachable.set()
        if self.settings['refuse'] and self.server:
            self.server.close()
            self.server = None
            for client in list(self.clients):
                client.reset()
        elif not self.settings['refuse'] and not self.server:
            await self.listen()

    async def choose_port(self):
        """A free one, below those that the kernel gives to outgoing connections."""
        while not self.server:
            try:
                self.options.listen = random.randrange(12000, 32000)
                await self.listen()
            except OSError as e:
                if e.errno != errno.EADDRINUSE:
                    raise

    async def listen(self):
        tls = None
        if self.options.tls:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(*self.options.tls)
            tls.set_alpn_protocols(['http/1.1'])
        self.server = await asyncio.start_server(self.accept, '127.0.0.1', self.options.listen, ssl=tls, backlog=128,
                                                 reuse_address=True)

    async def connect(self):
        tls = None
        if self.options.target_tls:
            tls = ssl.create_default_context()
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        return await asyncio.open_connection('127.0.0.1', self.options.target, ssl=tls, limit=1 << 18)

    async def accept(self, reader, writer):
        self.count['connections'] += 1
        client = Client(self, reader, writer)
        self.clients.add(client)
        try:
            await (proxy_http.serve(self, client) if self.options.http else self.carry(client))
        except (OSError, EOFError, ValueError) as e:
            if self.log:
                self.log.write(json.dumps({'connection': client.number, 'ended': repr(e)}) + '\n')
        finally:
            client.close()
            self.clients.discard(client)

    async def carry(self, client):
        """Bytes, both ways, until one side is done."""
        rule = self.rule_for('', '')
        reader, writer = await self.connect()

        async def up():
            while data := await client.reader.read(CHUNK):
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()

        sending = asyncio.create_task(up())
        try:
            sent, stalled = 0, False
            while data := await reader.read(CHUNK):
                if rule and 'drop' in rule.options and sent + len(data) > rule.number('drop'):
                    await client.write(data[:int(rule.number('drop')) - sent])
                    await asyncio.sleep(0.05)
                    client.reset()
                    return
                if rule and 'stall' in rule.options and not stalled and sent + len(data) > rule.number('after'):
                    stalled = True
                    await asyncio.sleep(rule.number('stall'))
                await client.write(data)
                sent += len(data)
            await client.write(b'')
        finally:
            sending.cancel()
            writer.transport.abort()

    async def told(self, reader, writer):
        """One line of the control socket."""
        answer = ''
        try:
            verb, *words = (await reader.readline()).decode().split()
            pairs = dict(w.split('=', 1) for w in words if verb != 'policy')
            if verb == 'set':
                for name, text in pairs.items():
                    self.set(name, text)
                await self.applied()
            elif verb == 'rule':
                self.rules.append(Rule(pairs, self.options.http))
            elif verb == 'policy' and self.judge and len(words) == 1:
                self.judge.policy = policy.Policy(words[0])
            elif verb == 'clear':
                self.rules.clear()
            elif verb == 'zero':
                self.zero()
            elif verb == 'count':
                answer = json.dumps({**self.count, 'requests': self.requests})
            else:
                raise ValueError(f'{verb}: nobody understands that')
            writer.write(f'ok {answer}\n'.encode())
        except (ValueError, KeyError, OSError) as e:
            writer.write(f'no {e}\n'.encode())
        await writer.drain()
        writer.close()

    async def run(self):
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await (self.listen() if self.options.listen else self.choose_port())
        await asyncio.start_unix_server(self.told, self.options.control)
        print('ready', self.options.listen, flush=True)
        await ended.wait()


async def run(options):
    await Proxy(options).run()
    # Connections that are still open are not waited for.
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--listen', type=int, metavar='PORT')
    parser.add_argument('--target', type=int, metavar='PORT', required=True)
    parser.add_argument('--control', metavar='SOCKET', required=True)
    parser.add_argument('--http', action='store_true')
    parser.add_argument('--tls', nargs=2, metavar=('CERTIFICATE', 'KEY'), help='what clients connect to is TLS')
    parser.add_argument('--target-tls', action='store_true', help='the server speaks TLS; who it is is not verified')
    parser.add_argument('--log', metavar='FILE')
    parser.add_argument('--delay-ms', metavar='MS')
    parser.add_argument('--rate', metavar='BITS')
    parser.add_argument('--sigv4', metavar='ACCESS:SECRET[:TOKEN]', help='judge signatures and checksums as S3 does')
    parser.add_argument('--user', metavar='NAME=ACCESS:SECRET', action='append', default=[],
                        help='somebody else, who may do what the policy says')
    parser.add_argument('--region', default='us-east-1')
    asyncio.run(run(parser.parse_args()))


main()
