"""The table: what was tried, what survived, what was lost."""
import json
import os
import time


class Tally:
    """Counts by name of a part, kept in a file so that a long soak may be run in pieces."""

    def __init__(self, path):
        self.path, self.rows = path, {}
        if path and os.path.exists(path):
            with open(path) as f:
                self.rows = json.load(f)

    def add(self, part, tried=0, survived=0, lost=0, seconds=0.0, **more):
        row = self.rows.setdefault(part, {'tried': 0, 'survived': 0, 'lost': 0, 'seconds': 0.0})
        for key, n in (('tried', tried), ('survived', survived), ('lost', lost), ('seconds', seconds), *more.items()):
            row[key] = round(row.get(key, 0) + n, 1)
        row['date'] = time.strftime('%Y-%m-%d %H:%M')
        if self.path:
            with open(f'{self.path}.new', 'w') as f:
                json.dump(self.rows, f, indent=1)
            os.rename(f'{self.path}.new', self.path)

    def lost(self):
        return sum(row['lost'] for row in self.rows.values())

    def table(self):
        """For people, and as it stands in docs/reliability.md."""
        lines = ['| what | tried | survived | lost | seconds | besides |', '| --- | ---: | ---: | ---: | ---: | --- |']
        plain = ('tried', 'survived', 'lost', 'seconds', 'date')
        for part, row in self.rows.items():
            besides = ', '.join(f'{v:g} {k.replace("_", " ")}' for k, v in row.items() if k not in plain)
            counts = ' | '.join(f'{row[key]:.0f}' for key in plain[:4])
            lines.append(f'| {part} | {counts} | {besides} |')
        return '\n'.join(lines)
