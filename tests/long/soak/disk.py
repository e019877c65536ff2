"""What a power cut leaves of a directory, by the record of what was done to it (tests/preload/record.c).

Nothing is promised but what POSIX and the makers of filesystems promise: a file's bytes that a completed fsync of the
file came after, and the names of a directory that a completed fsync of that directory came after.  Everything later may
be there or not, each name by itself, in no order; and of a file's later bytes there may be any part, or zeros.
(Filesystems with a journal keep more order than that.)
"""
import os
import struct

HEADER = struct.Struct('<IIQQII')
CREATE, WRITE, SYNC_BEGINS, SYNCED, RENAME, LINK, UNLINK, MKDIR = range(1, 9)
KINDS = ('least', 'most', 'names', 'mixed')


class File:
    """A file's bytes as they were written: [(record, offset, data)]; ${synced}: [(done, up to which record)]."""

    def __init__(self, base=b''):
        self.base, self.writes, self.syncs = base, [], []

    def safe_until(self, cut):
        return max((begun for done, begun in self.syncs if done < cut), default=-1)

    def contents(self, cut, until, rng=None):
        """With all writes before record ${until}; with ${rng} some of the later ones, as a cut may leave them."""
        out = bytearray(self.base)
        for at, offset, data in self.writes:
            if at >= cut:
                break
            if at >= until:
                if rng is None:
                    continue
                data = rng.choice((b'', data[:rng.randrange(len(data) + 1)], bytes(len(data)), data))
            out[len(out):offset] = bytes(max(0, offset - len(out)))
            out[offset:offset + len(data)] = data
        return bytes(out)


class Directory:
    def __init__(self):
        self.syncs = []

    safe_until = File.safe_until


class Recording:
    """All changes to names, in order: (record, directory, name, File or Directory or None)."""

    def __init__(self, base):
        """${base}: the directory as it was, and as it is safe on the disk, before the recording began."""
        self.root, self.changes, self.records, self.cuts, self.marks = Directory(), [], 0, [], []
        self.now = {'': self.root}  # path -> what is there now
        self.by_ino, self.begun = {}, {}
        for at, dirs, files in os.walk(base):
            where = os.path.relpath(at, base)
            where = '' if where == '.' else where + '/'
            for d in dirs:
                self.name(-1, where + d, Directory())
            for f in files:
                with open(f'{at}/{f}', 'rb') as data:
                    self.name(-1, where + f, File(data.read()))

    def name(self, at, path, what):
        parent, _, name = path.rpartition('/')
        self.changes.append((at, self.now[parent], name, what))
        if what is None:
            self.now.pop(path, None)
        else:
            self.now[path] = what

    def read(self, path):
        """Go on with a log, from its beginning."""
        with open(path, 'rb') as f:
            while head := f.read(HEADER.size):
                event, thread, ino, offset, path_len, rest_len = HEADER.unpack(head)
                name = os.fsdecode(f.read(path_len))
                self.take(event, thread, ino, offset, name, f.read(rest_len))
                self.records += 1

    def take(self, event, thread, ino, offset, path, rest):
        at = self.records
        if event == CREATE:
            # An object that was open before is not made anew.
            if path not in self.now:
                self.by_ino[ino] = File()
                self.name(at, path, self.by_ino[ino])
        elif event == WRITE:
            self.by_ino[ino].writes.append((at, offset, rest))
        elif event == SYNC_BEGINS:
            self.begun[thread, ino] = at, self.now.get(path)
        elif event == SYNCED:
            begun, what = self.begun.pop((thread, ino))
            if what is not None:
                what.syncs.append((at, begun))
            self.cuts.append(at + 1)
        elif event == MKDIR:
            self.name(at, path, Directory())
        elif event in (RENAME, LINK):
            what = self.now[path]
            if event == RENAME:
                self.name(at, path, None)
            self.name(at, os.fsdecode(rest), what)
        elif event == UNLINK:
            self.name(at, path, None)

    def mark(self, what):
        """What is said to be done by now."""
        self.marks.append((self.records, what))

    def done(self, cut):
        return [what for at, what in self.marks if at <= cut]

    # --- After the cut ------------------------------------------------------------------------------------------------

    def happens(self, at, directory, cut, kind, rng):
        if at >= cut:
            return False
        if at < directory.safe_until(cut) or kind in ('most', 'names'):
            return True
        return kind == 'mixed' and rng.random() < 0.5

    def write_state(self, cut, kind, rng, to):
        """Make ${to} as a cut before record ${cut} may leave it."""
        names = {}
        for at, directory, name, what in self.changes:
            if at < 0 or self.happens(at, directory, cut, kind, rng):
                entries = names.setdefault(id(directory), {})
                if what is None:
                    entries.pop(name, None)
                else:
                    entries[name] = what
        todo = [(self.root, to)]
        while todo:
            directory, path = todo.pop()
            os.makedirs(path, exist_ok=True)
            for name, what in names.get(id(directory), {}).items():
                if isinstance(what, Directory):
                    todo.append((what, f'{path}/{name}'))
                else:
                    with open(f'{path}/{name}', 'wb') as f:
                        f.write(self.contents(what, cut, kind, rng))

    @staticmethod
    def contents(what, cut, kind, rng):
        if kind == 'most':
            return what.contents(cut, cut)
        return what.contents(cut, what.safe_until(cut), rng if kind != 'least' else None)
