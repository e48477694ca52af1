"""The course of a training as a picture."""

import json
from pathlib import Path
from statistics import fmean

WIDTH, HEIGHT, EDGE = 640, 360, 48


def draw(folder: Path, path: Path) -> None:
    """Loss (orange) and what the model was judged to be (blue), the mean of several, over steps, as a PNG."""
    from PIL import Image, ImageDraw

    lines = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((EDGE, EDGE, WIDTH - EDGE, HEIGHT - EDGE), outline="black")
    last = max(line["step"] for line in lines)
    judged = next(name for name in lines[0] if name not in ("step", "loss"))
    for name, colour, side in (("loss", "darkorange", 4), (judged, "navy", 400)):
        values = [fmean(line[name]) if isinstance(line[name], list) else line[name] for line in lines]
        low, high = min(values), max(max(values), min(values) + 1e-6)
        points = [
            (
                EDGE + (WIDTH - 2 * EDGE) * line["step"] / last,
                HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (value - low) / (high - low),
            )
            for line, value in zip(lines, values, strict=True)
        ]
        pen.line(points, fill=colour, width=2)
        pen.text((EDGE + side, EDGE - 16), f"{name}: {low:.2f} to {high:.2f}", fill=colour)
    pen.text((EDGE, HEIGHT - EDGE + 6), f"0 to {last} steps", fill="black")
    picture.save(path)
