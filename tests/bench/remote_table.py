"""What tests/bench/remote.py measured: the programs side by side, as text and as JSON."""

import json
import os

from report import format_value

COLUMNS = [("s", "s"), ("requests", "requests"), ("down MB", "MB down"), ("up MB", "MB up")]


def show(value):
    """Counts as they are."""
    return str(value) if isinstance(value, int) else format_value(value)


class Table:
    def __init__(self, programs, delay, rate):
        self.programs = programs  # names
        self.delay = delay
        self.rate = rate
        self.rows = {}  # by case, by program: values
        self.missed = {}  # by case: aims of varve

    def add(self, case, program, seconds, requests, **more):
        """${requests}: what went over the network; ${more}: further figures, by name."""
        values = {"s": seconds, "requests": requests.count, "down MB": requests.down / 1e6, "up MB": requests.up / 1e6}
        values.update(more)
        self.rows.setdefault(case, {})[program] = values
        print(f"{case:40} {program:8} " + "  ".join(f"{k} {v:.4g}" for k, v in values.items()), flush=True)

    def aim(self, case, program, text, met):
        """What the project has set itself, and whether it is so."""
        if program == "varve" and not met:
            self.missed.setdefault(case, []).append(text)

    @staticmethod
    def ratio(row, column):
        """varve's value over the other program's; None if there are not both, or there is nothing to divide by."""
        theirs = [values for program, values in row.items() if program != "varve"]
        if "varve" not in row or not theirs or not theirs[0][column]:
            return None
        return row["varve"][column] / theirs[0][column]

    def cells(self, case):
        row = self.rows[case]
        cells = [case]
        for program in self.programs:
            cells += [show(row[program][key]) if program in row else "" for key, _ in COLUMNS]
        if len(self.programs) == 2:
            cells += ["" if r is None else f"{r:.2f}" for r in (self.ratio(row, "s"), self.ratio(row, "requests"))]
        known = {key for key, _ in COLUMNS}
        remarks = []
        for program in row:
            more = ", ".join(f"{k} {show(v)}" for k, v in row[program].items() if k not in known)
            remarks += [more if program == "varve" else f"{program}: {more}"] if more else []
        return cells + ["; ".join(remarks + [f"< aim: {text}" for text in self.missed.get(case, [])])]

    def text(self, machine, versions):
        heads = [""] + [name for _ in self.programs for _, name in COLUMNS]
        above = [""] + [program if i == 0 else "" for program in self.programs for i in range(len(COLUMNS))]
        if len(self.programs) == 2:
            above += ["ratio", ""]
            heads += ["s", "requests"]
        rows = [above + [""], heads + [""]] + [self.cells(case) for case in self.rows]
        widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
        lines = [
            f"{machine['date']}, {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}; "
            + ", ".join(versions.values()),
            f"S3 (s3rver, TLS), a round trip of {self.delay} ms, {self.rate} Mbit/s; one run",
            "",
        ]
        for row in rows:
            line = row[0].ljust(widths[0])
            for i in range(1, len(heads)):
                line += "  " + row[i].rjust(widths[i])
            lines.append((line + "  " + row[-1]).rstrip())
        lines += ["", "ratio: varve's figure divided by the other program's.  link: share of its rate that was used."]
        return "\n".join(lines) + "\n"

    def write(self, out, machine, versions):
        os.makedirs(out, exist_ok=True)
        data = {"machine": machine, "versions": versions, "delay_ms": self.delay, "mbit": self.rate}
        data["rows"] = [
            {"case": case, "missed": self.missed.get(case, []), "programs": row} for case, row in self.rows.items()
        ]
        with open(os.path.join(out, "remote.json"), "w", encoding="utf-8") as f:
            json.dump(data, f, indent=1)
        with open(os.path.join(out, "remote.txt"), "w", encoding="utf-8") as f:
            f.write(self.text(machine, versions))
