"""Growth as a table, as JSON and as plots on logarithmic scales."""

import html
import json
import math
import os

from report import format_value

COLOURS = ["#1b6ca8", "#c9772c", "#5a8f3c", "#8a4fa0", "#b03a3a", "#3a9a9a", "#8a8a8a", "#a08a2c", "#d070a0", "#404040"]
MARK = "< steeper than it should be"
# Slopes that are still straight, and still flat: caches fill up, files become sparse, machines are busy.
TOLERANCE = 0.25
# Below these nothing is said of a slope: they are the noise of starting a process.
NOISE = {"s": 0.1, "ms": 20, "us": 20, "MB": 10, "bytes": 0, "requests": 4, "kB": 200}


def format_size(n):
    for unit, name in ((1 << 40, "Ti"), (1 << 30, "Gi")):
        if n % unit == 0:
            return f"{n // unit}{name}"
    for unit, name in ((10**6, "M"), (1000, "k")):
        if n % unit == 0:
            return f"{n // unit}{name}"
    return str(n)


def slope(points):
    """Between the two largest sizes; None if there is none."""
    good = [(x, y) for x, y in points if x > 0 and y > 0]
    if len(good) < 2:
        return None
    (x0, y0), (x1, y1) = good[-2:]
    return math.log(y1 / y0) / math.log(x1 / x0)


class Curves:
    def __init__(self, groups, results, machine, version, failed):
        self.groups = groups
        self.results = results
        self.machine = machine
        self.version = version
        self.failed = failed

    def header(self):
        m = self.machine
        return [
            f"{m['date']}, {m['cpu']}, {m['cores']} cores, {m['memory'] / 2**30:.0f} GiB, Linux {m['kernel']}, {m['filesystem']}",
            self.version,
        ]

    @staticmethod
    def steep(line):
        found = slope(line["points"])
        if found is None or line["points"][-1][1] < max(line["bound"], NOISE[line["unit"]]):
            return False
        return found > line["limit"] + TOLERANCE

    # --- Text ---

    def group_rows(self, group):
        lines = self.results[group.name]
        sizes = sorted({x for line in lines.values() for x, _ in line["points"]})
        rows = [[group.title] + [format_size(x) for x in sizes] + ["slope", ""]]
        for name, line in lines.items():
            at = dict(line["points"])
            found = slope(line["points"])
            rows.append(
                [f"{name} ({line['unit']})"]
                + [format_value(at[x]) if x in at else "" for x in sizes]
                + ["" if found is None else f"{found:.2f}", MARK if self.steep(line) else ""]
            )
        return rows

    def text(self):
        out = self.header()
        for group in self.groups:
            rows = self.group_rows(group)
            widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
            out.append("")
            for row in rows:
                cells = [row[0].ljust(widths[0])] + [row[i].rjust(widths[i]) for i in range(1, len(row) - 1)]
                out.append(("  ".join(cells) + "  " + row[-1]).rstrip())
        out += ["", "slope: on logarithmic scales, between the two largest sizes; 1 is a straight line, 0 flat"]
        if self.failed:
            out.append("failed: " + ", ".join(self.failed))
        return "\n".join(out) + "\n"

    # --- SVG ---

    def svg(self, group):
        lines = {k: v for k, v in self.results[group.name].items() if all(y > 0 for _, y in v["points"])}
        width, height, left, top, legend = 330, 240, 50, 30, 290
        xs = [x for line in lines.values() for x, _ in line["points"]]
        ys = [y for line in lines.values() for _, y in line["points"]]
        x0, x1 = math.log10(min(xs)), max(math.log10(max(xs)), math.log10(min(xs)) + 1)
        y0, y1 = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)) + 1e-9)

        def place(x, y):
            return (
                left + (math.log10(x) - x0) / (x1 - x0) * width,
                top + height - (math.log10(y) - y0) / (y1 - y0) * height,
            )

        parts = [f'<text x="{left}" y="18" font-weight="bold">{html.escape(group.title)}</text>']
        for decade in range(y0, y1 + 1):
            y = place(10**x0, 10.0**decade)[1]
            parts.append(f'<path d="M{left} {y:.0f}h{width}" stroke="#ddd"/>')
            parts.append(f'<text x="{left - 5}" y="{y + 4:.0f}" text-anchor="end" fill="#666">{10.0**decade:g}</text>')
        for x in sorted(set(xs)):
            px = place(x, 10.0**y0)[0]
            parts.append(f'<path d="M{px:.0f} {top}v{height}" stroke="#ddd"/>')
            parts.append(f'<text x="{px:.0f}" y="{top + height + 14}" text-anchor="middle" fill="#666">{format_size(x)}</text>')
        for i, (name, line) in enumerate(lines.items()):
            colour = COLOURS[i % len(COLOURS)]
            dash = ' stroke-dasharray="5 3"' if i >= len(COLOURS) else ""
            points = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in line["points"])
            y = top + 10 + 16 * i
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>')
            parts.append(f'<path d="M{left + width + 12} {y - 4}h18" stroke="{colour}" stroke-width="2"{dash}/>')
            text = f"{name} ({line['unit']})"
            parts.append(f'<text x="{left + width + 35}" y="{y}">{html.escape(text)}</text>')
        full = max(top + height + 24, top + 16 * len(lines) + 10)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + legend}" height="{full}" '
            'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
            + "\n".join(parts)
            + "</svg>\n"
        )

    # --- Files ---

    def as_dict(self):
        return {
            "machine": self.machine,
            "version": self.version,
            "failed": self.failed,
            "groups": [
                {
                    "name": group.name,
                    "title": group.title,
                    "lines": [
                        {"name": name, "slope": slope(line["points"]), "steep": self.steep(line), **line}
                        for name, line in self.results[group.name].items()
                    ],
                }
                for group in self.groups
            ],
        }

    def write(self, out, name):
        os.makedirs(out, exist_ok=True)
        files = {f"{name}.txt": self.text(), f"{name}.json": json.dumps(self.as_dict(), indent=1) + "\n"}
        for group in self.groups:
            files[f"{name}-{group.name}.svg"] = self.svg(group)
        for file, text in files.items():
            with open(os.path.join(out, file), "w", encoding="utf-8", errors="replace") as f:
                f.write(text)
        return list(files)
