"""The results as a table, as JSON and as a plot."""

import html
import json
import os

MARK_BEHIND = "<"
COLOURS = {"varve": "#1b6ca8", "restic": "#c9772c", "borg": "#5a8f3c", "native": "#8a8a8a"}


def format_value(value):
    if value is None:
        return "failed"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


class Table:
    def __init__(self, cases, columns, medians, runs, versions, machine, facts, requests):
        self.cases = [c for c in cases if c.name in medians]
        self.columns = columns
        self.medians = medians
        self.runs = runs
        self.versions = versions
        self.machine = machine
        self.facts = facts
        self.requests = requests

    def value(self, case, column):
        return self.medians[case.name].get(column)

    def ratio(self, case, column):
        """varve's value over that of ${column}; below 1 varve is ahead (above 1 where more is better)."""
        mine, theirs = self.value(case, "varve"), self.value(case, column)
        return mine / theirs if mine is not None and theirs else None

    def behind(self, case):
        """The peers that varve is not ahead of."""
        worse = []
        for column in self.columns:
            ratio = self.ratio(case, column) if column not in ("varve", "native") else None
            if ratio is not None and (ratio <= 1 if case.more_is_better() else ratio >= 1):
                worse.append(column)
        return worse

    def missed_goals(self, case):
        missed = []
        for column, factor in case.goals:
            ratio = self.ratio(case, column) if column else self.value(case, "varve")
            if ratio is not None and (ratio < factor if case.more_is_better() else ratio > factor):
                missed.append(f"{factor:g} x {column}" if column else f"{factor:g} {case.unit}")
        return missed

    def failed(self):
        return any(value is None for row in self.medians.values() for value in row.values())

    # --- Text ---

    def header(self):
        m = self.machine
        runs = max(len(v) for row in self.runs.values() for v in row.values())
        lines = [
            f"{m['date']}, {m['cpu']}, {m['cores']} cores, {m['memory'] / 2**30:.0f} GiB, Linux {m['kernel']}, "
            f"{m['filesystem']}",
            ", ".join(self.versions.values()) + "; " + ", ".join(m["tools"]),
            f"tree: {self.facts['tree'][0]} entries, {self.facts['tree'][1] / 1e6:.0f} MB; big file: "
            f"{self.facts['big'][1] / 1e6:.0f} MB; subtree: {self.facts['subtree']}; "
            + (f"medians of {runs} runs" if runs > 1 else "one run"),
        ]
        if not m["caches_dropped"]:
            lines.append("not run as root: the page cache was not dropped, cold is not cold")
        return lines

    def cells(self, case):
        cells = [f"{case.title} ({case.unit})"]
        for column in self.columns:
            present = column in self.medians[case.name]
            cells.append(format_value(self.value(case, column)) if present else "")
        for column in self.columns:
            if column != "varve" and "varve" in self.columns:
                ratio = self.ratio(case, column)
                cells.append("" if ratio is None else f"{ratio:.2f}")
        remarks = []
        if self.behind(case):
            remarks.append(f"{MARK_BEHIND} behind " + ", ".join(self.behind(case)))
        if self.missed_goals(case):
            remarks.append("goal " + ", ".join(self.missed_goals(case)))
        return cells + ["; ".join(remarks)]

    def text(self):
        heads = ["case"] + self.columns
        if "varve" in self.columns:
            heads += ["/" + c for c in self.columns if c != "varve"]
        rows = [heads + [""]] + [self.cells(case) for case in self.cases]
        widths = [max(len(row[i]) for row in rows) for i in range(len(heads) + 1)]
        lines = self.header() + [""]
        for row in rows:
            line = row[0].ljust(widths[0])
            for i in range(1, len(heads)):
                line += "  " + row[i].rjust(widths[i])
            lines.append((line + "  " + row[-1]).rstrip())
        lines += ["", "/name: varve's figure divided by that program's.  native: tar, zstd -3 -T2, find, cp -a, cat, squashfs."]
        if "varve" in self.columns:
            behind = [case.name for case in self.cases if self.behind(case)]
            lines.append("not ahead of every peer in: " + ", ".join(behind) if behind else "ahead of every peer in every row")
        return "\n".join(lines + self.request_lines()) + "\n"

    def request_lines(self):
        """What each mount was asked by the kernel, and asked of the store; kinds that never occur are left out."""
        rows = [(case.name, self.requests[case.name]) for case in self.cases if case.name in self.requests]
        kinds = [k for k in (rows[0][1] if rows else {}) if any(counts.get(k) for _, counts in rows)]
        if not rows:
            return []
        width = max(len(name) for name, _ in rows)
        lines = ["", "requests and store reads of varve's mount, from mounting to unmounting:"]
        lines.append("  ".join(["case".ljust(width)] + kinds))
        for name, counts in rows:
            lines.append("  ".join([name.ljust(width)] + [str(counts.get(k, 0)).rjust(len(k)) for k in kinds]))
        return lines

    # --- JSON ---

    def as_dict(self):
        return {
            "machine": self.machine,
            "versions": self.versions,
            "data": self.facts,
            "cases": [
                {
                    "name": case.name,
                    "title": case.title,
                    "unit": case.unit,
                    "median": self.medians[case.name],
                    "runs": self.runs[case.name],
                    "ratio": {c: self.ratio(case, c) for c in self.columns if c != "varve"},
                    "behind": self.behind(case),
                    "missed": self.missed_goals(case),
                    "requests": self.requests.get(case.name, {}),
                }
                for case in self.cases
            ],
        }

    # --- SVG: a group of bars for each case, the longest as wide as the plot ---

    def svg(self):
        bar, gap, left, width = 12, 10, 300, 420
        y = 60
        parts = []
        for i, line in enumerate(self.header()):
            parts.append(f'<text x="10" y="{16 + 13 * i}" fill="#666">{html.escape(line)}</text>')
        for case in self.cases:
            values = [(c, self.value(case, c)) for c in self.columns if self.value(case, c) is not None]
            if not values:
                continue
            longest = max(value for _, value in values)
            better = ", more is better" if case.more_is_better() else ""
            parts.append(f'<text x="{left - 8}" y="{y + bar}" text-anchor="end">{html.escape(case.title + better)}</text>')
            for column, value in values:
                length = max(1.0, width * value / longest)
                parts.append(
                    f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar - 2}" fill="{COLOURS[column]}"/>'
                    f'<text x="{left + length + 5:.1f}" y="{y + bar - 3}">{column} {format_value(value)} '
                    f"{html.escape(case.unit)}</text>"
                )
                y += bar
            y += gap
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 160}" height="{y + 10}" '
            'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
            + "".join(parts)
            + "</svg>\n"
        )

    def write(self, out):
        os.makedirs(out, exist_ok=True)
        for name, text in (
            ("bench.txt", self.text()),
            ("bench.json", json.dumps(self.as_dict(), indent=1) + "\n"),
            ("bench.svg", self.svg()),
        ):
            with open(os.path.join(out, name), "w", encoding="utf-8", errors="replace") as f:
                f.write(text)
