"""The course of a training as a picture."""

import json
from pathlib import Path

WIDTH, HEIGHT, EDGE = 640, 360, 48


def draw(folder: Path, path: Path) -> None:
    """Loss (orange) and gain over the linear image on held-out families (blue) over steps, as a PNG."""
    from PIL import Image, ImageDraw

    lines = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((EDGE, EDGE, WIDTH - EDGE, HEIGHT - EDGE), outline="black")
    last = max(line["step"] for line in lines)
    for name, colour, unit, side in (("loss", "darkorange", "log10 MSE", 4), ("gain_db", "navy", "dB", 400)):
        values = [line[name] for line in lines]
        low, high = min(values), max(max(values), min(values) + 1e-6)
        points = [
            (
                EDGE + (WIDTH - 2 * EDGE) * line["step"] / last,
                HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (line[name] - low) / (high - low),
            )
            for line in lines
        ]
        pen.line(points, fill=colour, width=2)
        pen.text((EDGE + side, EDGE - 16), f"{name}: {low:.2f} to {high:.2f} {unit}", fill=colour)
    pen.text((EDGE, HEIGHT - EDGE + 6), f"0 to {last} steps", fill="black")
    picture.save(path)
