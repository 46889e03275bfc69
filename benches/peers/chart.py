"""Bar charts in SVG."""

from html import escape

ROW, LEFT, WIDTH, RIGHT, TOP = 24, 210, 430, 240, 84
OURS_COLOUR, COLLECTOR_COLOUR, OTHER_COLOUR = "#c0392b", "#5b6b7b", "#b4bec8"
# A bar longer than so many times ours is cut, that the others can be told apart.
LONGEST = 6


def text(x, y, content, *, size=13, anchor="start", weight="normal", colour="#1b1f23"):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
            f'fill="{colour}">{escape(content)}</text>')


def legend(entries):
    out, x = [], 12
    for colour, label in entries:
        out.append(f'<rect x="{x}" y="54" width="12" height="12" fill="{colour}"/>')
        out.append(text(x + 18, 65, label, size=12))
        x += 34 + 7 * len(label)
    return out


def bars(title, subtitle, rows, ours, entries):
    """A chart of (label, value, colour, note), shortest first; the note stands behind the bar."""
    rows = sorted(rows, key=lambda row: row[1])
    longest = max((value for _, value, _, _ in rows), default=1) or 1
    limit = min(longest, LONGEST * ours) if ours else longest
    width, height = LEFT + WIDTH + RIGHT, TOP + ROW * len(rows) + 10
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="Helvetica, Arial, DejaVu Sans, sans-serif">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        text(12, 22, title, size=15, weight="bold"),
        text(12, 42, subtitle),
        *legend(entries),
    ]
    for index, (label, value, colour, note) in enumerate(rows):
        y = TOP + ROW * index
        length = max(1, WIDTH * min(value, limit) / limit)
        weight = "bold" if colour == OURS_COLOUR else "normal"
        out.append(text(LEFT - 8, y + 13, label, anchor="end", weight=weight))
        out.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="17" fill="{colour}"/>')
        if value > limit * 1.001:
            out.append(f'<path d="M {LEFT + length - 22:.0f} {y + 19} l 8 -21 h 6 l -8 21 z" fill="#ffffff"/>')
        out.append(text(LEFT + length + 7, y + 13, note, weight=weight))
    return "\n".join([*out, "</svg>"]) + "\n"
