"""The proxy's requests: HTTP/1.1 (RFC 9112) as clients of stores speak it, taken apart, judged, spoilt, passed on."""
import asyncio
import email.utils
import json
import re

CHUNK = 1 << 16
BODY_MAX = 1 << 28


class Message:
    """First line, headers as they came, and the body's way of saying where it ends."""

    def __init__(self, head):
        lines = head.decode('latin-1').split('\r\n')
        self.first = lines[0].split(' ', 2)
        self.headers = [tuple(p.strip() for p in line.split(':', 1)) for line in lines[1:] if line]

    def get(self, name, default=''):
        return next((v for k, v in self.headers if k.lower() == name), default)

    def without(self, *names):
        return [(k, v) for k, v in self.headers if k.lower() not in names]

    def length(self):
        """Bytes of the body; None if it comes in chunks; -1 if nothing says."""
        if 'chunked' in self.get('transfer-encoding').lower():
            return None
        return int(self.get('content-length', '-1'))


def head_of(first, headers):
    return ('\r\n'.join([first, *(f'{k}: {v}' for k, v in headers)]) + '\r\n\r\n').encode('latin-1')


async def read_head(reader):
    head = await reader.readuntil(b'\r\n\r\n')
    return Message(head[:-4])


async def pieces(reader, length):
    """The body, decoded, piece by piece."""
    if length is None:
        while size := int((await reader.readline()).split(b';')[0], 16):
            yield await reader.readexactly(size)
            await reader.readline()
        while await reader.readline() not in (b'\r\n', b''):
            pass
        return
    left = length
    while left:
        data = await reader.read(min(CHUNK, left) if left > 0 else CHUNK)
        if not data:
            if left > 0:
                raise EOFError('the body ends early')
            return
        left -= len(data) if left > 0 else 0
        yield data


class Exchange:
    """One request and its answer."""

    def __init__(self, proxy, client, request):
        self.proxy, self.client, self.request = proxy, client, request
        self.method, self.target = request.first[:2]
        self.body = bytearray()
        self.status = self.down = 0
        self.range = self.fault = None
        self.stalled = self.cut = False
        self.keep = request.get('connection').lower() != 'close'
        self.started = asyncio.get_running_loop().time()

    async def take_body(self):
        length = self.request.length()
        if length == -1:
            return
        if self.request.get('expect').lower() == '100-continue':
            await self.client.write(b'HTTP/1.1 100 Continue\r\n\r\n')
        async for data in pieces(self.client.reader, length):
            self.body += data
            if len(self.body) > BODY_MAX:
                raise ValueError('a body of that size')

    async def answer(self, status, code='', message='', headers=()):
        """An answer of our own, in the way of S3 and Azure."""
        body = b''
        if self.method != 'HEAD' and status >= 400:
            body = (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>'
                    '<RequestId>proxy</RequestId></Error>').encode()
        self.status, self.down = status, len(body)
        await self.client.write(head_of(f'HTTP/1.1 {status} {code or "Made-up"}', [
            ('Date', email.utils.formatdate(self.proxy.now(), usegmt=True)), ('Content-Type', 'application/xml'),
            ('Content-Length', str(len(body))), *([('x-ms-error-code', code)] if code else []), *headers,
            *([] if self.keep else [('Connection', 'close')])]) + body)

    async def ask(self, upstream, method=None):
        """Send the request on (or another about the same thing), and return its answer's head."""
        reader, writer = upstream
        headers = self.request.without('connection', 'expect', 'transfer-encoding', 'content-length')
        if self.proxy.judge:
            # Who asks has been judged here; the server knows others.
            headers = [(k, v) for k, v in headers if k.lower() not in ('authorization', 'x-amz-security-token')]
        if method:
            headers = [(k, v) for k, v in headers if k.lower() == 'host']
        elif self.body or self.request.length() != -1:
            headers.append(('Content-Length', str(len(self.body))))
        writer.write(head_of(f'{method or self.method} {self.target} HTTP/1.1', headers))
        if not method:
            writer.write(self.body)
        await writer.drain()
        while True:
            reply = await read_head(reader)
            if int(reply.first[1]) >= 200:
                return reply

    async def ask_kept(self, upstream):
        """As ask(), over the connection that is left from before, if there is one that still works.  Return both."""
        if upstream:
            try:
                return upstream, await self.ask(upstream)
            except (OSError, EOFError):
                upstream[1].transport.abort()
        upstream = await self.proxy.connect()
        return upstream, await self.ask(upstream)

    def body_length(self, reply):
        if self.method == 'HEAD' or int(reply.first[1]) in (204, 304):
            return 0
        return reply.length()

    def note_range(self, reply):
        m = re.fullmatch(r'bytes (\d+)-(\d+)/.*', reply.get('content-range'))
        if m:
            self.range = [int(m[1]), int(m[2]) - int(m[1]) + 1]
            self.proxy.count['ranges'] += 1
            self.proxy.count['range_bytes'] += self.range[1]

    async def pass_on(self, reader, reply, rule):
        """The answer, with what the rule does to it.  Return whether the server's connection can be used again."""
        length = self.body_length(reply)
        headers = reply.without('connection', 'keep-alive', 'transfer-encoding', 'date')
        headers.append(('Date', email.utils.formatdate(self.proxy.now(), usegmt=True)))
        if self.proxy.judge and self.method == 'PUT' and self.request.get('x-amz-checksum-sha256'):
            headers.append(('x-amz-checksum-sha256', self.request.get('x-amz-checksum-sha256')))
        if length is None or length < 0:
            headers.append(('Transfer-Encoding', 'chunked'))
        if not self.keep:
            headers.append(('Connection', 'close'))
        self.status = int(reply.first[1])
        self.note_range(reply)
        if rule and 'header' in rule.options:
            headers.append(tuple(rule.options['header'].split(':', 1)))
        if rule and 'delay' in rule.options:
            await asyncio.sleep(rule.number('delay'))
        await self.client.write(head_of(' '.join(reply.first), headers))
        async for data in pieces(reader, length):
            await self.send(await self.spoil(data, rule, length), length)
            if self.cut:
                self.keep = False
                return False
        if length is None or length < 0:
            await self.client.write(b'0\r\n\r\n')
        return length != -1 and reply.get('connection').lower() != 'close'

    async def send(self, data, length):
        self.down += len(data)
        if data:
            await self.client.write(data if length is not None and length >= 0 else b'%x\r\n%s\r\n' % (len(data), data))

    async def spoil(self, data, rule, length):
        """What is left of a piece of the body when the rule has been at it."""
        options = rule.options if rule else {}
        if 'corrupt' in options:
            at = int(rule.number('corrupt')) - self.down
            if 0 <= at < len(data):
                data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
        half = max(0, length or 0) // 2
        if 'stall' in options and not self.stalled and self.down + len(data) > half:
            self.stalled = True
            first = max(0, half - self.down)
            await self.send(data[:first], length)
            await asyncio.sleep(rule.number('stall'))
            data = data[first:]
        if 'truncate' in options and self.down + len(data) > rule.number('truncate'):
            data = data[:int(rule.number('truncate')) - self.down]
            self.cut = True
        return data

    async def judged(self):
        """Answer what S3 would refuse.  Return whether it has."""
        refusal = self.proxy.judge and self.proxy.judge.refuses(self.method, self.target, self.request, self.body,
                                                               self.proxy.now())
        if refusal:
            await self.answer(*refusal)
        return bool(refusal)

    async def taken(self):
        """A conditional put of what is there already: answer so.  Return whether it has."""
        if not self.proxy.judge or self.method != 'PUT' or self.request.get('if-none-match') != '*':
            return False
        upstream = await self.proxy.connect()
        reply = await self.ask(upstream, 'HEAD')
        upstream[1].transport.abort()
        if reply.first[1] != '200':
            return False
        await self.answer(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold')
        return True

    async def refused_by(self, rule):
        """The answer that a rule makes up."""
        # A client that waits to be asked for the body is not asked for it.
        self.keep = self.keep and self.request.get('expect') == ''
        if self.keep:
            await self.take_body()
        wait = rule.options.get('retry_after')
        await self.answer(int(rule.options['status']), rule.options.get('code', ''), 'made up by a test',
                          [('Retry-After', wait)] if wait else [])

    async def run(self, upstream):
        """Return the server's connection if it can be used again."""
        rule = self.proxy.rule_for(self.method, self.target)
        self.fault = ' '.join(f'{k}={v}' for k, v in rule.options.items()) if rule else None
        if rule and 'status' in rule.options:
            await self.refused_by(rule)
            return upstream
        await self.take_body()
        if await self.judged():
            return upstream
        # One at a time with a name, so that a condition holds until it is made use of.
        async with self.proxy.locks[self.target]:
            if await self.taken():
                return upstream
            upstream, reply = await self.ask_kept(upstream)
        if rule and 'reset' in rule.options:
            self.keep = False
            self.client.reset()
        elif await self.pass_on(upstream[0], reply, rule):
            return upstream
        upstream[1].transport.abort()
        return None

    def tell(self):
        self.proxy.requests[self.method] += 1
        if self.proxy.log:
            self.proxy.log.write(json.dumps({
                'n': sum(self.proxy.requests.values()), 'method': self.method, 'target': self.target,
                'range': self.range, 'status': self.status, 'up': len(self.body), 'down': self.down,
                'ms': round((asyncio.get_running_loop().time() - self.started) * 1000, 1), 'fault': self.fault,
                'from': self.client.number}) + '\n')


async def serve(proxy, client):
    """A client's connection, request after request."""
    upstream = None
    try:
        while True:
            try:
                request = await read_head(client.reader)
            except asyncio.IncompleteReadError:
                break
            exchange = Exchange(proxy, client, request)
            try:
                upstream = await exchange.run(upstream)
            except (OSError, EOFError):
                if exchange.status:
                    raise
                exchange.keep = False
                await exchange.answer(502, 'BadGateway', 'the server behind the proxy is down')
            finally:
                exchange.tell()
            if not exchange.keep:
                break
        await client.write(b'')
    finally:
        if upstream:
            upstream[1].transport.abort()
