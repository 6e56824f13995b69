"""Takes the picture of the viewer that the documentation shows: a real screen, under real load, as SVG.

  python3 tests/screen/capture.py [--out docs/top.svg] [--server stock|clearwing] [--view connections] [--size 100x30]

Colours come from the terminal's own escapes. Blocks, braille and lines are drawn as shapes, so that the picture looks
the same whatever font shows it.
"""
import argparse
import contextlib
import html
import math
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests.screen.tmux import TOP, Terminal  # noqa: E402
from tests.screen.traffic import Traffic, client  # noqa: E402
from tests.support.server import ROOT, Server  # noqa: E402

CELL_WIDTH, CELL_HEIGHT, FONT_SIZE, MARGIN, TITLE_BAR = 8.4, 18, 14, 14, 34
BACKGROUND, FOREGROUND = "#12161d", "#d5dae3"
BASIC = ["#1c2028", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d5dae3"]


def palette(index):
    if index < 16:
        return BASIC[index % 8]
    if index >= 232:
        level = 8 + (index - 232) * 10
        return f"#{level:02x}{level:02x}{level:02x}"
    index -= 16
    levels = [0, 95, 135, 175, 215, 255]
    return "#" + "".join(f"{levels[part]:02x}" for part in (index // 36, index // 6 % 6, index % 6))


class Style:
    def __init__(self):
        self.foreground, self.background, self.bold, self.dim, self.reverse = None, None, False, False, False

    def apply(self, codes):
        codes = [int(code or 0) for code in codes.split(";")]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.__init__()
            elif code == 1:
                self.bold = True
            elif code == 2:
                self.dim = True
            elif code == 22:
                self.bold = self.dim = False
            elif code in (7, 27):
                self.reverse = code == 7
            elif code in (38, 48) and codes[:1] == [5]:
                color = palette(codes[1])
                del codes[:2]
                self.foreground, self.background = (color, self.background) if code == 38 else (self.foreground, color)
            elif 30 <= code <= 37:
                self.foreground = BASIC[code - 30]
            elif code == 39:
                self.foreground = None
            elif 40 <= code <= 47:
                self.background = BASIC[code - 40]
            elif code == 49:
                self.background = None

    def colors(self):
        pair = (self.foreground or FOREGROUND, self.background)
        return (pair[1] or BACKGROUND, pair[0]) if self.reverse else pair


def cells(line):
    """(character, foreground, background, bold, dim) of each cell; the style carries on from the line before."""
    for part in re.split(r"(\x1b\[[0-9;]*m|\x1b\(B|\x0e|\x0f)", line):
        if part.startswith("\x1b["):
            cells.style.apply(part[2:-1])
        elif part and part[0] not in "\x1b\x0e\x0f":
            for character in part:
                yield (character, *cells.style.colors(), cells.style.bold, cells.style.dim)


def rectangle(x, y, width, height, color, round_by=0):
    corner = f' rx="{round_by}"' if round_by else ""
    return f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" fill="{color}"{corner}/>'


def number(value):
    return f"{value:.1f}".removesuffix(".0")


def square(x, y, width, height):
    """A rectangle as a piece of a path: a thousand dots of one colour make one element."""
    return f"M{number(x)} {number(y)}h{number(width)}v{number(height)}h{number(-width)}z"


def braille(code, x, y):
    places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]
    return "".join(square(x + column * CELL_WIDTH / 2 + 0.5, y + row * CELL_HEIGHT / 4 + 0.6, 3.2, 3.4)
                   for bit, (column, row) in enumerate(places) if code & 1 << bit)


def shape(character, x, y):
    """The path of a character that is drawn rather than written, or None."""
    code = ord(character)
    middle_x, middle_y, half = x + CELL_WIDTH / 2, y + CELL_HEIGHT / 2, 0.5
    if 0x2800 <= code <= 0x28FF:
        return braille(code - 0x2800, x, y)
    if 0x2581 <= code <= 0x2588:
        height = (CELL_HEIGHT - 4) * (code - 0x2580) / 8
        return square(x + 0.5, y + CELL_HEIGHT - 2 - height, CELL_WIDTH - 1, height)
    if character == "─":
        return square(x, middle_y - half, CELL_WIDTH, 1)
    if character == "│":
        return square(middle_x - half, y, 1, CELL_HEIGHT)
    corners = {"╭": (1, 1), "╮": (-1, 1), "╰": (1, -1), "╯": (-1, -1)}
    if character in corners:
        right, down = corners[character]
        across = square(min(middle_x, middle_x + right * CELL_WIDTH / 2), middle_y - half, CELL_WIDTH / 2, 1)
        return across + square(middle_x - half, min(middle_y, middle_y + down * CELL_HEIGHT / 2), 1, CELL_HEIGHT / 2)
    return None


def runs(line):
    """Neighbouring cells of one look, cut where a cell is drawn as a shape."""
    run = None
    for column, (character, *look) in enumerate(line):
        drawn = shape(character, 0, 0) is not None
        if run and not drawn and not run[3] and run[2] == look:
            run[1] += character
        else:
            if run:
                yield run
            run = [column, character, look, drawn]
    if run:
        yield run


def svg(lines, title):
    cells.style = Style()
    grid = [list(cells(line)) for line in lines]
    width = max(len(line) for line in grid) * CELL_WIDTH + 2 * MARGIN
    height = len(grid) * CELL_HEIGHT + TITLE_BAR + MARGIN
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
           f'height="{height:.0f}" font-family="\'JetBrains Mono\',\'DejaVu Sans Mono\',Menlo,Consolas,monospace" '
           f'font-size="{FONT_SIZE}">',
           f"<title>{html.escape(title)}</title>",
           rectangle(0, 0, width, height, BACKGROUND, 10)]
    for place, color in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        out.append(f'<circle cx="{20 + 20 * place}" cy="{TITLE_BAR / 2:.0f}" r="6" fill="{color}"/>')
    out.append(f'<text x="{width / 2:.0f}" y="{TITLE_BAR / 2 + 5:.0f}" fill="#7d8590" text-anchor="middle">'
               f'{html.escape(title)}</text>')
    paths = {}
    for row, line in enumerate(grid):
        y = TITLE_BAR + row * CELL_HEIGHT
        for column, text, (foreground, background, bold, dim), drawn in runs(line):
            x = MARGIN + column * CELL_WIDTH
            if background:
                out.append(rectangle(x, y, len(text) * CELL_WIDTH + 0.1, CELL_HEIGHT + 0.1, background))
            if drawn:
                paths[foreground] = paths.get(foreground, "") + shape(text, x, y)
            elif text.strip():
                lead = len(text) - len(text.lstrip())
                text, x = text.strip(), x + lead * CELL_WIDTH
                look = (' font-weight="bold"' if bold else "") + (' opacity="0.6"' if dim else "")
                out.append(f'<text x="{x:.2f}" y="{y + CELL_HEIGHT - 4.5:.2f}" fill="{foreground}"{look} xml:space="preserve" '
                           f'textLength="{len(text) * CELL_WIDTH:.2f}">{html.escape(text)}</text>')
    out += [f'<path fill="{color}" d="{path}"/>' for color, path in paths.items()]
    return "\n".join(out + ["</svg>"]) + "\n"


def swell(period, depth, phase=0.0):
    return lambda t: (1 + depth * math.sin(2 * math.pi * t / period + phase)
                      + depth / 3 * math.sin(2 * math.pi * t / (period / 4.7) + phase))


@contextlib.contextmanager
def busy(server):
    """A shop: orders fan out, telemetry streams in, payments are few, some clients only wait."""
    with contextlib.ExitStack() as stack:
        for subject, names, rate, size, readers, wave in (
                ("orders.created", ("checkout", "shipping-{1}"), 4200, 240, 4, swell(23, 0.45)),
                ("telemetry.cpu", ("node-agent", "metrics-sink-{1}"), 9000, 96, 2, swell(31, 0.3, 2.0)),
                ("payments.settled", ("payments", "ledger-{1}"), 900, 512, 1, swell(13, 0.6, 1.0)),
                ("inventory.changed", ("warehouse", "search-index-{1}"), 350, 1024, 2, swell(17, 0.5, 4.0))):
            stack.enter_context(Traffic(server, [subject], rate, size, readers, wave=wave, names=names))
        for name in ("mailer", "audit", "admin-console"):
            raw = stack.enter_context(contextlib.closing(client(server, name)))
            raw.send(f"SUB {name}.> 1\r\n")
        yield


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=ROOT / "docs" / "top.svg", type=pathlib.Path)
    parser.add_argument("--server", default="clearwing")
    parser.add_argument("--size", default="100x30")
    parser.add_argument("--seconds", default=45.0, type=float)
    parser.add_argument("--keys", nargs="*", default=[], help="typed before the picture is taken, as tmux names them")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    with Server(arguments.server, "--name", "shop-1") as server, busy(server), \
            Terminal(TOP, server.monitor, "--interval", "0.5", width=width, height=height) as terminal:
        time.sleep(arguments.seconds)
        for key in arguments.keys:
            terminal.type(key)
            time.sleep(0.7)
        lines = [re.sub(r"127\.0\.0\.1:\d+  ", f"127.0.0.1:8222{' ' * (2 + len(str(server.monitor)) - 21)}", line)
                 if row == 0 else line for row, line in enumerate(terminal.screen(colors=True))]
    arguments.out.write_text(svg(lines, "clearwing top"))


if __name__ == "__main__":
    main()
