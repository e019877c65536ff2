#!/usr/bin/env python3
"""A reader of varve repositories, written from varve-format(5) and from nothing else, to prove that the page suffices.

usage: reader.py KEY-FILE REPOSITORY snapshots
       reader.py KEY-FILE REPOSITORY list SNAPSHOT
       reader.py KEY-FILE REPOSITORY cat SNAPSHOT PATH
       reader.py KEY-FILE REPOSITORY extract SNAPSHOT DIR
       reader.py KEY-FILE REPOSITORY verify
       reader.py KEY-FILE REPOSITORY example PAGE

The repository is a directory, SNAPSHOT the beginning of an id or "latest".  KEY-FILE may be "-"; a passphrase is taken
from $PASSPHRASE.  "verify" looks at everything: names, packs against index, ids, signatures, and that contents and
directories are cut where the page says.  "example" compares the repository with what the page shows of it.

Its order is that of the page.  Needs libsodium and libzstd, and no packages of Python's.
Exit status: 0, 1 for anything that is not as the page says, 77 if a library is not there.
"""
import ctypes
import hashlib
import os
import re
import stat
import struct
import sys

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class Damaged(Exception):
    pass


class Newer(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Damaged(what)


class Bytes:
    """A cursor that does not go beyond its end."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, n):
        need(n <= self.left(), "cut off")
        self.at += n
        return self.data[self.at - n:self.at]

    def le(self, n):
        return int.from_bytes(self.take(n), "little")

    def zero(self, n):
        need(not any(self.take(n)), "not zero")

    def magic(self, text):
        need(self.take(len(text)) == text, "no magic")

    def end(self):
        need(self.left() == 0, "too long")


# --- STORE ------------------------------------------------------------------------------------------------------------

class Store:
    """In a directory."""

    def __init__(self, root):
        self.root = root

    def get(self, name, offset=0, length=None):
        with open(os.path.join(self.root, name), "rb") as f:
            f.seek(offset)
            data = f.read() if length is None else f.read(length)
        need(length is None or len(data) == length, f"{name}: too short")
        return data

    def ids(self, prefix):
        pattern = {"packs": "[0-9a-f]{2}/([0-9a-f]{64})", "trees": "[0-9a-f]{2}/([0-9a-f]{64})"}
        found = []
        top = os.path.join(self.root, prefix)
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), top)
                match = re.fullmatch(pattern.get(prefix, "([0-9a-f]{64})"), path)
                if match:
                    found.append(bytes.fromhex(match[1]))
        return sorted(found)


def pack_name(kind, pack_id):
    return f"{'packs' if kind == 1 else 'trees'}/{pack_id.hex()[:2]}/{pack_id.hex()}"


# --- PRIMITIVES -------------------------------------------------------------------------------------------------------

def load(*names):
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            pass
    print(f"{names[0]} is not there")
    sys.exit(77)


sodium = load("libsodium.so.23", "libsodium.so.26", "libsodium.so")
zstd = load("libzstd.so.1", "libzstd.so")
need(sodium.sodium_init() >= 0, "libsodium does not start")
zstd.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
zstd.ZSTD_findFrameCompressedSize.restype = ctypes.c_size_t
zstd.ZSTD_decompress.restype = ctypes.c_size_t

XCHACHA, AES = 1, 2


def H(m):
    return hashlib.blake2b(m, digest_size=32).digest()


def MAC(k, m):
    return hashlib.blake2b(m, digest_size=32, key=k).digest()


def derive(k, purpose):
    return MAC(k, purpose.encode())


def unseal(cipher, k, p, a, sealed):
    need(len(sealed) >= 16, "too short for a tag")
    out = ctypes.create_string_buffer(max(len(sealed) - 16, 1))
    nonce = p.to_bytes(8, "little") + bytes(16)
    if cipher == XCHACHA:
        decrypt = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt
    else:
        need(sodium.crypto_aead_aes256gcm_is_available(), "no AES here")
        decrypt = sodium.crypto_aead_aes256gcm_decrypt
    rc = decrypt(out, None, None, sealed, ctypes.c_ulonglong(len(sealed)), a, ctypes.c_ulonglong(len(a)), nonce, k)
    need(rc == 0, "does not authenticate")
    return out.raw[:len(sealed) - 16]


def public_of(sk):
    pk = ctypes.create_string_buffer(32)
    need(sodium.crypto_scalarmult_base(pk, sk) == 0, "no public key")
    return pk.raw


def unwrap(sk, wrapped):
    k = ctypes.create_string_buffer(32)
    rc = sodium.crypto_box_seal_open(k, wrapped, ctypes.c_ulonglong(80), public_of(sk), sk)
    need(rc == 0, "a key does not unwrap")
    return k.raw


def sign_public_of(seed):
    pk, sk = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
    sodium.crypto_sign_seed_keypair(pk, sk, seed)
    return pk.raw


def verify(pk, context, m, signature):
    digest = H(context.encode() + b"\0" + m)
    rc = sodium.crypto_sign_verify_detached(signature, digest, ctypes.c_ulonglong(32), pk)
    need(rc == 0, f"{context}: wrong signature")


# --- FIELDS -----------------------------------------------------------------------------------------------------------

def fields(data, known, mandatory, repeat=()):
    """{tag: value}, or a list of values for tags that repeat.  known: {tag: length or None}."""
    out, last, b = {tag: [] for tag in repeat}, 0, Bytes(data)
    while b.left():
        tag, length = b.le(2), b.le(4)
        value = b.take(length)
        need(tag >= last, "fields are not in order")
        last = tag
        if tag not in known:
            if tag < 0x8000:
                raise Newer(f"field {tag}")
            continue
        need(known[tag] in (None, length), f"field {tag} has {length} bytes")
        if tag in repeat:
            out[tag].append(value)
        else:
            need(tag not in out, f"field {tag} twice")
            out[tag] = value
    for tag in mandatory:
        need(tag in out, f"no field {tag}")
    return out


def le(value):
    return int.from_bytes(value, "little")


def time_of(value):
    return int.from_bytes(value, "little", signed=True)


# --- CONFIG -----------------------------------------------------------------------------------------------------------

class Config:
    TAGS = {1: 16, 2: 4, 3: 32, 4: 32, 5: 32, 6: 8, 7: 4, 8: 4, 9: 4, 10: 4}

    def __init__(self, data):
        b = Bytes(data)
        b.magic(b"VARVECF1")
        self.version = b.le(4)
        need(self.version > 0, "version 0")
        if self.version > 1:
            raise Newer(f"format {self.version}")
        need(len(data) <= 16 * KIB, "config too long")
        raw = b.take(b.le(4))
        signature = b.take(64)
        b.end()
        owner = re.search(rb"\x03\x00\x20\x00\x00\x00(.{32})", raw, re.S)
        need(owner, "config without owner")
        verify(owner[1], "varve config", data[:-64], signature)
        f = fields(raw, self.TAGS, range(1, 10))
        need(f[3] == owner[1], "config: two owners")
        self.repository, self.owner, self.metadata, self.data, self.created = f[1], f[3], f[4], f[5], time_of(f[6])
        self.cipher, self.chunk, self.segment, self.pack = le(f[2]), le(f[7]), le(f[8]), le(f[9])
        self.grace = le(f[10]) if 10 in f else 86400
        if self.cipher not in (XCHACHA, AES):
            raise Newer(f"cipher {self.cipher}")
        need(16 * KIB <= self.chunk <= 2 * MIB and self.chunk & self.chunk - 1 == 0, "average chunk")
        need(4 * KIB <= self.segment <= MIB and MIB <= self.pack <= 256 * MIB, "sizes")
        need(1 <= self.grace <= 366 * 86400, "grace")


# --- SECRETS, KEYSLOTS ------------------------------------------------------------------------------------------------

ROLES = {1: {4, 5, 6, 7, 8}, 2: {4, 5, 7}, 3: {4, 5, 6}, 4: {5}}


def open_certificate(data, owner):
    need(64 <= len(data) <= 4 * KIB, "certificate's length")
    verify(owner, "varve certificate", data[:-64], data[-64:])
    f = fields(data[:-64], {1: 32, 2: 8, 3: 8, 4: None, 5: None, 6: None}, (1, 2, 3, 4), repeat=(5, 6))
    need(len(f[5]) <= 64 and len(f[6]) <= 64, "certificate's lists")
    for text in [f[4]] + f[5] + f[6]:
        need(1 <= len(text) <= 255 and b"\0" not in text, "certificate's texts")
    return f


def covers(certificate, time, host, tags):
    expires, hosts, only = time_of(certificate[3]), certificate[5], certificate[6]
    need(expires == 0 or time <= expires, "certificate expired")
    patterns = [re.escape(p).replace(rb"\*", b".*").replace(rb"\?", b".") for p in hosts]
    need(not hosts or any(re.fullmatch(p, host, re.S) for p in patterns), "certificate for other hosts")
    need(not only or tags and set(tags) <= set(only), "certificate for other tags")


def open_grant(data, repository, owner):
    need(64 <= len(data) <= KIB, "grant's length")
    verify(owner, "varve grant", repository + data[:-64], data[-64:])
    f = fields(data[:-64], {1: 4, 2: 32, 3: 32, 4: None}, (1, 2, 4))
    need(le(f[1]) in ROLES and (3 in f) == (7 in ROLES[le(f[1])]), "grant's role")
    need(len(f[4]) <= 255 and b"\0" not in f[4], "grant's name")
    return f


class Keys:
    """To open what is sealed in a generation."""

    def __init__(self, metadata, data, data_mix):
        self.metadata, self.data, self.data_mix = metadata, data, data_mix
        self.metadata_mix = derive(metadata, "varve metadata mix")


class Secrets:
    TAGS = {1: 4, 2: 16, 3: 32, 4: 32, 5: 32, 6: 32, 7: 32, 8: 32, 9: None, 10: 32, 11: None, 12: None}

    def __init__(self, data):
        f = fields(data, self.TAGS, (1, 2, 3), repeat=(12,))
        self.role = le(f[1])
        if self.role not in ROLES:
            raise Newer(f"role {self.role}")
        need({t for t in f if 4 <= t <= 8} == ROLES[self.role] and (9 in f) == (7 in f), "not what the role has")
        self.repository, self.owner = f[2], f[3]
        self.object_id, self.metadata, self.data = f.get(4), f.get(5), f.get(6)
        if 8 in f:
            need(sign_public_of(f[8]) == self.owner, "owner's seed is another's")
        if 7 in f:
            need(open_certificate(f[9], self.owner)[1] == sign_public_of(f[7]), "another's certificate")
        self.renewal = f.get(10)
        need((10 in f) == (11 in f), "grant and renewal secret")
        if 11 in f:
            grant = open_grant(f[11], self.repository, self.owner)
            need(le(grant[1]) == self.role and grant[2] == public_of(self.renewal), "another's grant")
            need(7 not in f or grant[3] == sign_public_of(f[7]), "grant for another key")
        self.tree_id = derive(self.metadata, "varve tree id")
        self.time_mask = derive(self.metadata, "varve snapshot time")
        self.data_mix = derive(self.object_id, "varve data mix") if self.object_id else None
        self.generations = {(0, bytes(32)): Keys(self.metadata, self.data, self.data_mix)}
        for value in f[12]:
            b = Bytes(value)
            key = b.le(4), b.take(32)
            need(key > max(self.generations), "generations are not in order")
            metadata, data_public = b.take(32), b.take(32)
            data = b.take(32) if self.data else None
            b.end()
            need(data is None or public_of(data) == data_public, "generation's data secret")
            self.add(key, metadata, data)

    def add(self, key, metadata, data):
        mix = MAC(self.data_mix, derive(metadata, "varve data mix")) if self.object_id else None
        self.generations[key] = Keys(metadata, data, mix)

    def unwrap_any(self, wrapped, secret):
        """A key, and of which generation it is, which is not told but by trying."""
        for g in reversed(list(self.generations.values())):
            try:
                return unwrap(secret(g), wrapped), g
            except Damaged:
                pass
        raise Damaged("a key does not unwrap")

    def unwrap_metadata(self, wrapped):
        return self.unwrap_any(wrapped, lambda g: g.metadata)

    def metadata_key(self, wrapped):
        k, g = self.unwrap_metadata(wrapped)
        return MAC(g.metadata_mix, k)

    def data_key(self, wrapped):
        k, g = self.unwrap_any(wrapped, lambda g: g.data)
        return MAC(g.data_mix, k)

    def take_generation(self, data, gid):
        """What a generation has for this key."""
        need(H(data) == gid and len(data) <= 4 * MIB, "generation's name")
        b = Bytes(data)
        b.magic(b"VARVEGN1")
        b.zero(8)
        raw = b.take(b.left() - 64)
        verify(self.owner, "varve generation", self.repository + raw, b.take(64))
        f = fields(raw, {1: 4, 2: 8, 3: 32, 4: 32, 5: None}, (1, 2, 3, 4), repeat=(5,))
        key = le(f[1]), gid
        need(1 <= key[0] <= 1000000 and all(len(e) in (160, 192) for e in f[5]), "generation")
        mine = [e for e in f[5] if self.renewal and e[:32] == public_of(self.renewal)]
        if not mine:
            return
        secrets = unseal(XCHACHA, unwrap(self.renewal, mine[0][32:112]), 0, data[:16], mine[0][112:])
        need(len(secrets) == (64 if self.data else 32), "secrets of a generation")
        need(public_of(secrets[:32]) == f[3] and (not self.data or public_of(secrets[32:]) == f[4]),
             "generation's public keys")
        if key not in self.generations:
            self.add(key, secrets[:32], secrets[32:] or None)
            self.generations = dict(sorted(self.generations.items()))


def argon2id(passphrase, salt, passes, memory):
    out = ctypes.create_string_buffer(32)
    rc = sodium.crypto_pwhash_argon2id(out, ctypes.c_ulonglong(32), passphrase, ctypes.c_ulonglong(len(passphrase)),
                                       salt, ctypes.c_ulonglong(passes), ctypes.c_size_t(memory * KIB), 2)
    need(rc == 0, "no memory for Argon2id")
    return out.raw


class Credentials:
    """What one brings: None for what one has not."""

    def __init__(self, key_file=None, passphrase=None):
        self.key_file, self.passphrase = key_file, passphrase


def open_keyslot(data, have):
    """The bundle, or None if the keyslot is not for what one has."""
    need(len(data) <= 64 * KIB, "keyslot too long")
    b = Bytes(data)
    b.magic(b"VARVEKS1")
    kind = b.le(1)
    if not 1 <= kind <= 4:
        raise Newer(f"keyslot kind {kind}")
    b.zero(3)
    passes, memory = b.le(4), b.le(4)
    need(kind in (1, 3) or passes == memory == 0, "Argon2id without passphrase")
    salt, label, bundle = b.take(32), b.le(4), b.le(4)
    b.take(label)
    before = b.data[:b.at]
    sealed = b.take(bundle)
    b.end()
    if kind in (1, 3) and not (1 <= passes <= 64 and 8 <= memory <= MIB):
        raise Newer("Argon2id's parameters")
    if kind in (1, 3) and have.passphrase is None or kind != 1 and have.key_file is None:
        return None
    try:
        if kind == 4:
            recipient = derive(H(have.key_file), "varve recipient")
            need(public_of(recipient) == salt, "for another recipient")
            k, sealed = unwrap(recipient, sealed[:80]), sealed[80:]
        else:
            A = argon2id(have.passphrase, salt[:16], passes, memory) if kind != 2 else b""
            k = MAC(salt, b"varve keyslot" + bytes([kind]) + A + (H(have.key_file) if kind != 1 else b""))
        plain = unseal(XCHACHA, k, 0, before, sealed)
    except Damaged:
        return None
    return Secrets(plain)


def open_label(data, config, secrets):
    label = data[60:60 + le(data[52:56])]
    plain = unseal(config.cipher, secrets.unwrap_metadata(label[:80])[0], 0, data[:60], label[80:])
    f = fields(plain, {1: 4, 2: None, 3: 8, 4: None, 5: None}, (1, 2, 3))
    if 4 in f:
        open_certificate(f[4], config.owner)
    if 5 in f:
        open_grant(f[5], config.repository, config.owner)
    return f


# --- SEALING ----------------------------------------------------------------------------------------------------------

def open_blob(config, secrets, a, blob):
    key = secrets.metadata_key(blob[:80])
    return unseal(config.cipher, key, 0, a, blob[80:])


# --- REVOCATIONS ------------------------------------------------------------------------------------------------------

class Revocation:
    def __init__(self, config, secrets, data, rid):
        need(len(data) <= 16 * MIB and H(data) == rid and data[:7] == b"VARVERV", "not what its name says")
        if data[7:8] != b"1":
            raise Newer("revocation")
        need(data[8:16] == bytes(8), "not zero")
        plain = open_blob(config, secrets, data[:16], data[16:])
        raw, signature = plain[:-64], plain[-64:]
        verify(secrets.owner, "varve revocation", config.repository + raw, signature)
        f = fields(raw, {1: 32, 2: 8, 3: None, 4: None}, (1, 2, 3))
        need(1 <= len(f[3]) <= 255 and b"\0" not in f[3], "revocation's name")
        ids = f.get(4, b"")
        need(len(ids) % 32 == 0, "revocation's ids")
        self.key, self.time, self.name = f[1], time_of(f[2]), f[3]
        self.keeps = [ids[i:i + 32] for i in range(0, len(ids), 32)]
        need(all(a < b for a, b in zip(self.keeps, self.keeps[1:])), "ids are not in order")


# --- OBJECTS ----------------------------------------------------------------------------------------------------------

class Chunker:
    def __init__(self, object_id, average):
        self.average, n, g = average, average.bit_length() - 1, derive(object_id, "varve gear table")
        table = b"".join(MAC(g, bytes([i])) for i in range(64))
        self.small = (1 << 64) - (1 << 62 - n)
        self.large = (1 << 64) - (1 << 66 - n)
        self.gear = [x ^ 1 << 63 if -x & self.large == 0 else x for x in struct.unpack("<256Q", table)]

    def cut(self, b):
        """Lengths of the chunks of b."""
        least, most, normal = self.average // 4, 4 * self.average, self.average // 16 * 13
        lengths, start = [], 0
        while start < len(b):
            end = min(start + most, len(b))
            length = end - start
            h, mask = 0, self.small
            for at in range(start + least - 64, end):
                h = (h << 1) + self.gear[b[at]] & 0xffffffffffffffff
                L = at + 1 - start
                if L <= least:
                    continue
                if h & (self.small if L <= normal else self.large) == 0:
                    length = L
                    break
            lengths.append(length)
            start += length
        return lengths


class Place:
    def __init__(self, b, segment):
        self.offset, self.length, self.own = b.le(4), b.le(3), b.le(1)
        need(1 <= self.length <= 8 * MIB and self.own <= 64, "place")
        if self.own == 0:
            self.boxes, self.shared, self.skip = [b.le(3)], b.le(3), b.le(3)
            need(self.shared <= segment and self.skip + self.length <= self.shared, "place in a shared segment")
            self.plain = [self.shared]
        else:
            need(self.own == -(-self.length // segment), "number of segments")
            self.boxes, self.skip = [b.le(3) for _ in range(self.own)], 0
            self.plain = [segment] * (self.own - 1) + [self.length - segment * (self.own - 1)]
        need(all(18 <= box <= plain + 17 for box, plain in zip(self.boxes, self.plain)), "box")
        need(self.offset + sum(self.boxes) < 4 * GIB, "beyond the pack")

    def key(self):
        return self.offset, self.length, self.own, tuple(self.boxes), self.skip


def expand(sealed, length):
    codec, body = sealed[0], sealed[1:]
    if codec == 0:
        need(len(body) == length, "raw segment")
        return body
    if codec != 1:
        raise Newer(f"codec {codec}")
    need(body[:4] == b"\x28\xb5\x2f\xfd", "no zstd frame")
    need(zstd.ZSTD_getFrameContentSize(body, ctypes.c_size_t(len(body))) == length, "frame's size")
    need(zstd.ZSTD_findFrameCompressedSize(body, ctypes.c_size_t(len(body))) == len(body), "more than a frame")
    out = ctypes.create_string_buffer(max(length, 1))
    n = zstd.ZSTD_decompress(out, ctypes.c_size_t(length), body, ctypes.c_size_t(len(body)))
    need(n == length, "zstd")
    return out.raw[:length]


# --- PACKS ------------------------------------------------------------------------------------------------------------

def open_box(config, fixed, key, p, box, length):
    a = fixed + b"S" + p.to_bytes(8, "little")
    return expand(unseal(config.cipher, key, p, a, box), length)


def pack_fixed(config, kind):
    return b"VARVEPK1" + bytes([kind, config.cipher]) + bytes(6)


def open_table(config, secrets, pack):
    """[(id, Place)] of a whole pack."""
    need(pack[-8:] == b"VPKEND1\n", "pack's end")
    offset, length = le(pack[-16:-12]), le(pack[-12:-8])
    need(96 <= offset and offset + length + 16 == len(pack) and 96 <= length <= 64 * MIB + 96, "where the table is")
    b = Bytes(open_blob(config, secrets, pack[:96] + b"T", pack[offset:offset + length]))
    out = []
    while b.left():
        out.append((b.take(32), Place(b, config.segment)))
        need(96 <= out[-1][1].offset and out[-1][1].offset + sum(out[-1][1].boxes) <= offset, "box in the table")
    return out


# --- INDEX RUNS -------------------------------------------------------------------------------------------------------

class Run:
    def __init__(self, config, secrets, data):
        self.config, self.data = config, data
        b = Bytes(data)
        need(b.take(7) == b"VARVEIX", "run's magic")
        if b.take(1) != b"1":
            raise Newer("run")
        b.zero(8)
        need(data[-4:] == b"VIX1", "run's end")
        self.key = secrets.metadata_key(data[-96:-16])
        at, length = le(data[-16:-8]), le(data[-8:-4])
        need(at + length + 96 == len(data) and length <= 256 * MIB + 16, "where the footer is")
        self.footer(Bytes(self.box("F", at, length)), at)

    def box(self, letter, at, length):
        a = self.data[:16] + letter.encode() + at.to_bytes(8, "little")
        return unseal(self.config.cipher, self.key, at, a, self.data[at:at + length])

    def footer(self, b, end):
        objects, packs, nobject, npack, nreplaced = b.le(8), b.le(4), b.le(4), b.le(4), b.le(4)
        object_blocks = [(b.take(16), b.le(8), b.le(4), b.le(4)) for _ in range(nobject)]
        pack_blocks = [(b.le(8), b.le(4), b.le(4)) for _ in range(npack)]
        self.replaced = [b.take(32) for _ in range(nreplaced)]
        b.end()
        need(all(16 <= at and at + n <= end for at, n, _ in [x[1:] for x in object_blocks] + pack_blocks), "blocks")
        self.packs = [p for block in pack_blocks for p in self.pack_block(*block)]
        need(len(self.packs) == packs and all(n == 512 for _, _, n in pack_blocks[:-1]), "number of packs")
        self.objects, last = {}, b""
        for prefix, at, n, count in object_blocks:
            for oid, number, place in self.object_block(prefix, at, n, count):
                need(oid > last and number < packs, "order of objects")
                self.objects[oid], last = (self.packs[number], place), oid
        need(len(self.objects) == objects, "number of objects")

    def pack_block(self, at, n, count):
        b = Bytes(self.box("P", at, n))
        for _ in range(count):
            pack = b.take(32), b.le(1)
            b.zero(3)
            need(pack[1] in (1, 2), "kind of pack")
            yield pack + (b.le(4), b.take(80))
        b.end()

    def object_block(self, prefix, at, n, count):
        need(n <= 256 * KIB + 16, "block of objects")
        b = Bytes(self.box("C", at, n))
        need(b.data[:16] == prefix, "prefix")
        for _ in range(count):
            yield b.take(32), b.le(4), Place(b, self.config.segment)
        b.end()


# --- DIRECTORIES ------------------------------------------------------------------------------------------------------

def valid_name(name):
    return 1 <= len(name) <= 255 and b"/" not in name and b"\0" not in name and name not in (b".", b"..")


def xattrs_of(data):
    b, out, last = Bytes(data), [], b""
    while b.left():
        n, length = b.le(2), b.le(4)
        name, value = b.take(n), b.take(length)
        need(1 <= n <= 255 and b"\0" not in name and name > last, "xattr's name")
        last = name
        out.append((name, value))
    return out


class Entry:
    FIXED = "<BBHHBBIIIIIIIIqqqQQQQQQHHIII"
    MODES = {1: stat.S_IFIFO, 2: stat.S_IFCHR, 4: stat.S_IFDIR, 6: stat.S_IFBLK, 8: stat.S_IFREG, 10: stat.S_IFLNK,
             12: stat.S_IFSOCK}

    def __init__(self, record):
        b = Bytes(record)
        (self.type, self.flags, self.mode, n, user, group, self.uid, self.gid, self.nlink, self.major, self.minor,
         mtime_ns, ctime_ns, btime_ns, mtime, ctime, btime, self.size, self.data, self.dev, self.ino, self.below,
         self.before, target, zero1, xattrs, spans, zero2) = struct.unpack(self.FIXED, b.take(128))
        need(self.type in self.MODES and self.flags < 16 and self.mode <= 0o7777 and zero1 == zero2 == 0, "entry")
        need(max(mtime_ns, ctime_ns, btime_ns) < 10 ** 9 and self.size < 1 << 63, "entry's times or size")
        need(target <= 4095 and xattrs <= 1024 and spans <= 8, "entry's lengths")
        self.mtime = mtime * 10 ** 9 + mtime_ns
        self.name, self.user, self.group, self.target = b.take(n), b.take(user), b.take(group), b.take(target)
        need(valid_name(self.name) and b"\0" not in self.user + self.group + self.target, "entry's names")
        self.xattrs_id = b.take(32) if self.flags & 2 else None
        need(not self.xattrs_id or xattrs == 0, "xattrs twice")
        self.xattrs = xattrs_of(b.take(xattrs)) if not self.xattrs_id else None
        self.child = b.take(32) if self.flags & 1 else None
        self.spans = [Span(b) for _ in range(spans)]
        b.end()
        directory, regular = self.type == 4, self.type == 8
        need(not self.child or directory or regular, "child")
        need((self.child is not None) == (self.below > 0) if directory else self.below == 0, "below")
        need(not self.target or self.type == 10, "target")
        need(not self.spans or regular and not self.child, "spans")
        need(not regular or self.data <= self.size, "data beyond the size")
        check_spans(self.spans, self.size)


class Reference:
    def __init__(self, record):
        b = Bytes(record)
        n = b.le(2)
        b.zero(6)
        self.before, self.id, self.name = b.le(8), b.take(32), b.take(n)
        need(valid_name(self.name), "reference's name")
        b.end()


class Page:
    def __init__(self, data):
        need(len(data) <= 512 * KIB, "page too long")
        b = Bytes(data)
        b.magic(b"VTP1")
        self.level = b.le(1)
        b.zero(3)
        count = b.le(4)
        b.zero(4)
        self.total, self.direct = b.le(8), b.le(8)
        need(self.level <= 8 and 1 <= count <= len(data) // 4 and self.direct <= self.total <= 1 << 40, "page")
        offsets = [b.le(4) for _ in range(count)] + [len(data)]
        need(offsets[0] == b.at, "first record")
        self.ends = offsets[1:]
        self.records = []
        for begin, end in zip(offsets, offsets[1:]):
            need(begin < end <= len(data), "offsets")
            self.records.append((Reference if self.level else Entry)(data[begin:end]))
        names = [r.name for r in self.records]
        need(all(a < b for a, b in zip(names, names[1:])), "order of names")
        if self.level == 0:
            need(self.direct == count, "direct entries")
            sizes = [1 + e.below for e in self.records]
        else:
            nexts = [r.before for r in self.records[1:]] + [self.total]
            sizes = [after - r.before for r, after in zip(self.records, nexts)]
            need(min(sizes) > 0, "before")
        self.sizes, at = sizes, 0
        for r, size in zip(self.records, sizes):
            need(r.before == at, "before")
            at += size
        need(at == self.total, "total")


def fnv(name):
    h = 0xcbf29ce484222325
    for c in name:
        h = (h ^ c) * 0x100000001b3 & 0xffffffffffffffff
    return h


def page_is_cut(page, i):
    """Does the page end after record i?"""
    n, F = i + 1, fnv(page.records[i].name)
    # What it would be with these records alone.
    size = page.ends[i] - 4 * (len(page.records) - n)
    if n == 4096 or size >= 192 * KIB:
        return True
    return n >= 64 and F >> 9 & 127 == 0 if page.level else n >= 256 and F & 511 == 0


# --- SPAN LISTS -------------------------------------------------------------------------------------------------------

class Span:
    def __init__(self, b):
        self.offset, self.length, self.id = b.le(8), b.le(4), b.take(32)


def check_spans(spans, size):
    end = 0
    for s in spans:
        need(1 <= s.length <= 8 * MIB and s.offset >= end and s.offset + s.length <= size, "span")
        end = s.offset + s.length


class SpanPage:
    def __init__(self, data):
        need(len(data) <= 512 * KIB, "page too long")
        b = Bytes(data)
        b.magic(b"VSP1")
        self.level = b.le(1)
        b.zero(3)
        count = b.le(4)
        b.zero(4)
        self.first, self.end = b.le(8), b.le(8)
        need(self.level <= 6 and count >= 1 and self.end < 1 << 63, "span page")
        if self.level == 0:
            self.records = [Span(b) for _ in range(count)]
            check_spans(self.records, self.end)
            need(self.records[-1].offset + self.records[-1].length == self.end, "end")
        else:
            self.records = [SpanReference(b) for _ in range(count)]
            offsets = [r.offset for r in self.records]
            need(all(a < b for a, b in zip(offsets, offsets[1:])) and offsets[-1] < self.end, "order")
        need(self.records[0].offset == self.first, "first")
        b.end()


class SpanReference:
    def __init__(self, b):
        self.offset, self.id = b.le(8), b.take(32)


def span_page_is_cut(page, i):
    n, bits = i + 1, le(page.records[i].id[:2])
    return n == 4096 or (n >= 64 and bits & 127 == 0 if page.level else n >= 256 and bits & 511 == 0)


# --- SNAPSHOTS --------------------------------------------------------------------------------------------------------

class Snapshot:
    TAGS = {1: 8, 2: 4, 3: None, 4: None, 5: None, 6: None, 7: None, 8: 32, 9: 32, 10: None, 11: None, 12: 8, 13: 8,
            14: 8, 15: 8, 16: 8, 17: 8, 18: 8, 19: 8, 20: None, 0x8001: None, 0x8002: 4}

    def __init__(self, config, secrets, data, sid):
        self.id = sid
        need(len(data) <= MIB and data[:7] == b"VARVESN" and H(data)[:24] == sid[:24], "not what its name says")
        if data[7:8] != b"1":
            raise Newer("manifest")
        need(data[8:16] == bytes(8), "not zero")
        plain = open_blob(config, secrets, data[:16], data[16:])
        raw, signature = plain[:-64], plain[-64:]
        f = fields(raw, self.TAGS, (1, 3, 11, 20), repeat=(5, 6))
        self.time, self.host, self.paths, self.tags, self.fields = time_of(f[1]), f[3], f[5], f[6], f
        need(snapshot_time(secrets, sid) == self.time, "another time than its name says")
        certificate = open_certificate(f[20], secrets.owner)
        covers(certificate, self.time, self.host, self.tags)
        verify(certificate[1], "varve snapshot", config.repository + raw, signature)
        self.writer = certificate[1]
        page = Page(f[11])
        need(page.level == 0 and len(page.records) == 1, "root")
        self.root = page.records[0]
        need(self.root.name == b"root" and self.root.type == 4, "root")
        if 0x8001 in f:
            hint = Bytes(f[0x8001])
            self.hint = hint.take(32), hint.take(80), Place(hint, config.segment)
            hint.end()


def snapshot_time(secrets, sid):
    mask = MAC(secrets.time_mask, sid[:24])[:8]
    return int.from_bytes(bytes(a ^ b for a, b in zip(sid[24:], mask)), "big", signed=True)


# --- READING ----------------------------------------------------------------------------------------------------------

class Repository:
    def __init__(self, root, have):
        self.store = Store(root)
        self.config = Config(self.store.get("config"))
        slots = {i: self.store.get(f"keys/{i.hex()}") for i in self.store.ids("keys")}
        for i, slot in slots.items():
            need(H(slot) == i, "keyslot's name")
        opened = [(s, secrets) for s in slots.values() if (secrets := open_keyslot(s, have))]
        need(opened, "no keyslot opens")
        self.secrets = opened[0][1]
        need(self.secrets.repository == self.config.repository and self.secrets.owner == self.config.owner and
             public_of(self.secrets.metadata) == self.config.metadata, "config is not that of the keyslot")
        for i in self.store.ids("generations"):
            self.secrets.take_generation(self.store.get(f"generations/{i.hex()}"), i)
        self.label = open_label(opened[0][0], self.config, self.secrets)
        self.revocations = [Revocation(self.config, self.secrets, self.store.get(f"revoked/{i.hex()}"), i)
                            for i in self.store.ids("revoked")]
        self.runs = {}
        for i in self.store.ids("index"):
            data = self.store.get(f"index/{i.hex()}")
            need(H(data) == i, "run's name")
            self.runs[i] = Run(self.config, self.secrets, data)
        replaced = {i for run in self.runs.values() for i in run.replaced}
        self.index = {}
        for i, run in self.runs.items():
            if i not in replaced:
                self.index.update(run.objects)
        self.pages, self.box, self.keys = {}, (None, None), {}

    def snapshots(self):
        ids = sorted(self.store.ids("snapshots"), key=lambda i: (snapshot_time(self.secrets, i), i))
        all_of = [Snapshot(self.config, self.secrets, self.store.get(f"snapshots/{i.hex()}"), i) for i in ids]
        return [s for s in all_of if not self.revoked(s)]

    def revoked(self, snapshot):
        return any(r.key == snapshot.writer and snapshot.id not in r.keeps for r in self.revocations)

    def snapshot(self, text):
        found = [s for s in self.snapshots() if text == "latest" or s.id.hex().startswith(text)]
        need(found, f"no snapshot {text}")
        return found[-1]

    def key_of(self, kind, wrapped):
        if wrapped not in self.keys:
            self.keys[wrapped] = self.secrets.data_key(wrapped) if kind == 1 else self.secrets.metadata_key(wrapped)
        return self.keys[wrapped]

    def segment(self, pack, offset, box, length):
        """The segment opened last is kept, as neighbours share it."""
        pack_id, kind, _, wrapped = pack
        if self.box[0] != (pack_id, offset):
            sealed = self.store.get(pack_name(kind, pack_id), offset, box)
            plain = open_box(self.config, pack_fixed(self.config, kind), self.key_of(kind, wrapped), offset, sealed,
                             length)
            self.box = (pack_id, offset), plain
        return self.box[1]

    def object(self, oid, kind):
        need(oid in self.index, f"object {oid.hex()} is in no run")
        pack, place = self.index[oid]
        need(pack[1] == kind, "in a pack of the other kind")
        plain, at = b"", place.offset
        for box, length in zip(place.boxes, place.plain):
            plain += self.segment(pack, at, box, length)
            at += box
        plain = plain[place.skip:place.skip + place.length]
        key = self.secrets.object_id if kind == 1 else self.secrets.tree_id
        need(MAC(key, plain) == oid, f"object {oid.hex()} has another id")
        return plain

    def page(self, oid):
        return Page(self.object(oid, 2))

    def entries(self, directory):
        """Entries of a directory in order of name, with their numbers relative to it."""
        if directory.child is None:
            return
        root = self.page(directory.child)
        need(root.total == directory.below, "root page's total")
        stack = [(root, 0, 0, None)]
        while stack:
            page, i, base, limit = stack.pop()
            if i == len(page.records):
                continue
            stack.append((page, i + 1, base, limit))
            r = page.records[i]
            if page.level == 0:
                yield r, 1 + base + r.before
                continue
            child = self.page(r.id)
            upper = page.records[i + 1].name if i + 1 < len(page.records) else limit
            need(child.level == page.level - 1 and child.total == page.sizes[i] and
                 child.records[0].name == r.name, "not what the reference says")
            need(upper is None or child.records[-1].name < upper, "reaches into the next one")
            stack.append((child, 0, base + r.before, upper))

    def find(self, snapshot, path):
        entry = snapshot.root
        for name in filter(None, os.fsencode(path).split(b"/")):
            entry = next((e for e, _ in self.entries(entry) if e.name == name), None)
            need(entry, f"no {path}")
        return entry

    def spans(self, entry):
        if entry.child is None:
            return list(entry.spans)
        root = SpanPage(self.object(entry.child, 2))
        need(root.end <= entry.size, "spans behind the file")
        out, stack = [], [(root, root.end)]
        while stack:
            page, limit = stack.pop()
            need(page.end <= limit, "spans behind the next page")
            if page.level == 0:
                out += page.records
                continue
            limits = [r.offset for r in page.records[1:]] + [limit]
            for r, upper in reversed(list(zip(page.records, limits))):
                child = SpanPage(self.object(r.id, 2))
                need(child.level == page.level - 1 and child.first == r.offset, "not what the reference says")
                stack.append((child, upper))
        return out

    def chunk(self, span):
        data = self.object(span.id, 1)
        need(len(data) == span.length, "span of another length than its chunk")
        return data

    def xattrs(self, entry):
        return xattrs_of(self.object(entry.xattrs_id, 2)) if entry.xattrs_id else entry.xattrs


# --- What is done with it ---------------------------------------------------------------------------------------------

def show_snapshots(repo):
    for s in repo.snapshots():
        print(s.id.hex(), s.time, s.host.decode(errors="replace"),
              " ".join(p.decode(errors="replace") for p in s.paths))


def list_tree(repo, directory, prefix=b""):
    for e, _ in repo.entries(directory):
        mode = stat.filemode(Entry.MODES[e.type] | e.mode)
        line = f"{mode} {e.nlink} {e.uid} {e.gid} {e.size} {e.mtime} ".encode() + prefix + e.name
        sys.stdout.buffer.write(line + b"\n")
        if e.type == 4:
            list_tree(repo, e, prefix + e.name + b"/")


def cat(repo, entry):
    at = 0
    for s in repo.spans(entry) + [None]:
        end = s.offset if s else entry.size
        sys.stdout.buffer.write(bytes(end - at))
        if s:
            sys.stdout.buffer.write(repo.chunk(s))
            at = s.offset + s.length


class Extract:
    """Entries made below an open directory, so that paths may be of any length."""

    def __init__(self, repo, entry, target):
        self.repo, self.links = repo, {}
        os.mkdir(target)
        self.root = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
        self.fill(entry, self.root, ())
        self.attributes(entry, self.root, b".")
        os.close(self.root)

    def fill(self, directory, fd, path):
        for e, _ in self.repo.entries(directory):
            self.make(e, fd, path + (e.name,))
            if e.type == 4:
                below = self.enter(fd, e.name)
                self.fill(e, below, path + (e.name,))
                os.close(below)
                self.attributes(e, fd, e.name)

    @staticmethod
    def enter(fd, name):
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)

    def link(self, path, fd, name):
        at = os.dup(self.root)
        for step in path[:-1]:
            above, at = at, self.enter(at, step)
            os.close(above)
        os.link(path[-1], name, src_dir_fd=at, dst_dir_fd=fd, follow_symlinks=False)
        os.close(at)

    def make(self, e, fd, path):
        group = (e.dev, e.ino)
        if e.type != 4 and e.nlink > 1 and e.ino:
            if group in self.links:
                self.link(self.links[group], fd, e.name)
                return
            self.links[group] = path
        if e.type == 4:
            os.mkdir(e.name, 0o700, dir_fd=fd)
            return
        if e.type == 8:
            self.contents(e, fd)
        elif e.type == 10:
            os.symlink(e.target, e.name, dir_fd=fd)
        else:
            os.mknod(e.name, Entry.MODES[e.type] | 0o600, os.makedev(e.major, e.minor), dir_fd=fd)
        self.attributes(e, fd, e.name)

    def contents(self, e, dirfd):
        fd = os.open(e.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=dirfd)
        os.ftruncate(fd, e.size)
        for s in self.repo.spans(e):
            os.pwrite(fd, self.repo.chunk(s), s.offset)
        os.close(fd)

    def attributes(self, e, fd, name):
        if os.geteuid() == 0:
            os.chown(name, e.uid, e.gid, dir_fd=fd, follow_symlinks=False)
        if e.type != 10:
            os.chmod(name, e.mode, dir_fd=fd)
        for key, value in self.repo.xattrs(e):
            os.setxattr(b"/proc/self/fd/%d/" % fd + name, key, value, follow_symlinks=False)
        os.utime(name, ns=(e.mtime, e.mtime), dir_fd=fd, follow_symlinks=False)


# --- Everything -------------------------------------------------------------------------------------------------------

class Verify:
    CUT_MAX = 2 * MIB  # bytes of a file; Python is slow

    def __init__(self, repo):
        self.repo, self.counts = repo, dict.fromkeys(("packs", "objects", "pages", "span pages", "files", "cut"), 0)
        self.chunker = Chunker(repo.secrets.object_id, repo.config.chunk)
        self.seen = set()
        for kind, prefix in ((1, "packs"), (2, "trees")):
            for pack_id in repo.store.ids(prefix):
                self.pack(kind, pack_id)
        for s in repo.snapshots():
            if hasattr(s, "hint"):
                pack, place = repo.index[s.root.child]
                need(s.hint[:2] == (pack[0], pack[3]) and s.hint[2].key() == place.key(), "hint")
            self.numbers(s.root)
            self.tree(s.root)
        print(", ".join(f"{n} {what}" for what, n in self.counts.items()))

    def pack(self, kind, pack_id):
        repo = self.repo
        data = repo.store.get(pack_name(kind, pack_id))
        need(H(data) == pack_id, "pack's name")
        need(data[:16] == pack_fixed(repo.config, kind), "pack's header")
        begin = end = 96
        for oid, place in open_table(repo.config, repo.secrets, data):
            need(oid in repo.index, "object of a table is in no run")
            # The box of the object before, which is shared, or the next one.
            need(place.offset in (begin, end), "boxes do not follow each other")
            begin, end = place.offset, place.offset + sum(place.boxes)
            info, indexed = repo.index[oid]
            if info[0] == pack_id:
                need(indexed.key() == place.key() and info[1:] == (kind, len(data), data[16:96]), "table and index")
            repo.object(oid, kind)
            self.counts["objects"] += 1
        need(end == le(data[-16:-12]), "something between boxes and table")
        self.counts["packs"] += 1

    def numbers(self, root):
        """Entries are numbered in preorder."""
        count = 0
        stack = [iter([(root, 0)])]
        bases = [0]
        while stack:
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
                bases.pop()
                continue
            e, relative = step
            need(bases[-1] + relative == count, "number")
            count += 1
            bases.append(bases[-1] + relative)
            stack.append(self.repo.entries(e) if e.type == 4 else iter(()))
        need(count == 1 + root.below, "number of entries")

    def tree(self, directory):
        if directory.child in self.seen or directory.child is None:
            return
        self.seen.add(directory.child)
        self.cuts(directory.child, self.repo.page, page_is_cut, "pages")
        for e, _ in self.repo.entries(directory):
            if e.type == 4:
                self.tree(e)
            elif e.type == 8:
                self.file(e)
            self.repo.xattrs(e)

    def cuts(self, root, read, is_cut, what):
        """Pages of each level, from left to right, end where the rule says, and nowhere else."""
        level = [read(root)]
        need(level[0].level == 0 or len(level[0].records) > 1, "a root with a single reference")
        while True:
            self.counts[what] += len(level)
            for page in level:
                n = len(page.records)
                need(not any(is_cut(page, i) for i in range(n - 1)), "a page that should have ended before")
                need(page is level[-1] or is_cut(page, n - 1), "a page that should not have ended")
            if level[0].level == 0:
                return
            level = [read(r.id) for page in level for r in page.records]

    def file(self, e):
        spans = self.repo.spans(e)
        self.counts["files"] += 1
        if e.child and e.child not in self.seen:
            self.seen.add(e.child)
            self.cuts(e.child, lambda i: SpanPage(self.repo.object(i, 2)), span_page_is_cut, "span pages")
        need(e.child is None or len(spans) > 8, "a short list in pages")
        need(sum(s.length for s in spans) == e.data, "bytes that are not in holes")
        if e.data > self.CUT_MAX or tuple(s.id for s in spans) in self.seen:
            return
        self.seen.add(tuple(s.id for s in spans))
        for length, data in self.runs(spans):
            need(self.chunker.cut(data) == length, f"{e.name}: cut elsewhere")
            self.counts["cut"] += len(length)

    def runs(self, spans):
        """Lengths of spans, and bytes, of each run between holes."""
        lengths, data, end = [], b"", 0
        for s in spans:
            if s.offset != end and lengths:
                yield lengths, data
                lengths, data = [], b""
            lengths.append(s.length)
            data += self.repo.chunk(s)
            end = s.offset + s.length
        if lengths:
            yield lengths, data


# --- EXAMPLES ---------------------------------------------------------------------------------------------------------

def dumps(lines):
    """Bytes of each dump: lines of "offset  bytes  what it is"."""
    out = []
    for line in lines:
        match = re.match(r"([0-9a-f]{4})  ((?:[0-9a-f]{2} ?){1,8})(?:  |$)", line)
        if not match:
            continue
        if match[1] == "0000":
            out.append(b"")
        need(len(out[-1]) == int(match[1], 16), f"the dump's offset {match[1]}")
        out[-1] += bytes.fromhex(match[2])
    return out


def example(page, repo):
    """Is what the page shows what the repository is?"""
    with open(page, encoding="ascii") as f:
        text = f.read()
    snapshot = repo.snapshot("latest")
    tree, s = repo.page(snapshot.root.child), repo.secrets
    pack, _ = repo.index[tree.records[0].spans[0].id]
    data = repo.store.get(pack_name(1, pack[0]))
    table = open_blob(repo.config, s, data[:96] + b"T", data[le(data[-16:-12]):-16])
    need(dumps(text.splitlines()) == [repo.store.get("config"), table, repo.object(snapshot.root.child, 2)], "dumps")

    shown = dict(re.findall(r"^([a-z][a-z -]{10})([0-9a-f]{64})$", text, re.M))
    want = {"object-id": s.object_id, "metadata": s.metadata, "data": s.data, "tree ids": s.tree_id,
            "gear": derive(s.object_id, "varve gear table"), "data mix": s.data_mix,
            "meta mix": s.generations[0, bytes(32)].metadata_mix,
            "times": s.time_mask, "chunk": tree.records[0].spans[0].id, "page": snapshot.root.child,
            "snapshot": snapshot.id}
    need({name.strip(): value for name, value in shown.items()} == {n: v.hex() for n, v in want.items()}, "keys")
    need(snapshot.time == 1704119400 * 10 ** 9, "time")

    chunker = Chunker(s.object_id, 64 * KIB)
    lengths = chunker.cut(b"".join(H(i.to_bytes(8, "little")) for i in range(1 << 15)))
    need(f"gear[0]       {chunker.gear[0]:016x}\ngear[255]     {chunker.gear[255]:016x}\n" in text, "gear")
    match = re.search(r"^chunks((?:\s+\d+)+)$", text, re.M)
    need(match and [int(n) for n in match[1].split()] == lengths, "chunks")


def credentials(key_file):
    key, passphrase = None, os.environb.get(b"PASSPHRASE")
    if key_file != "-":
        with open(key_file, "rb") as f:
            key = f.read()
    return Credentials(key, passphrase)


def main(args):
    if len(args) >= 3:
        repo = Repository(args[1], credentials(args[0]))
        if args[2:] == ["snapshots"]:
            show_snapshots(repo)
        elif len(args) == 4 and args[2] == "example":
            example(args[3], repo)
        elif args[2:] == ["verify"]:
            Verify(repo)
        elif len(args) == 4 and args[2] == "list":
            list_tree(repo, repo.snapshot(args[3]).root)
        elif len(args) == 5 and args[2] == "cat":
            cat(repo, repo.find(repo.snapshot(args[3]), args[4]))
        elif len(args) == 5 and args[2] == "extract":
            Extract(repo, repo.snapshot(args[3]).root, args[4])
        else:
            sys.exit(__doc__)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Damaged, Newer) as e:
        sys.exit(f"{type(e).__name__.lower()}: {e}")
