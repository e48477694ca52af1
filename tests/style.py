"""The house's own limits: 90 % of all functions have at most 30 lines, no file has more than 400."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("server", "gadgets", "models")


def lengths(path: Path) -> list[int]:
    tree = ast.parse(path.read_text())
    functions = (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return [1 + each.end_lineno - each.lineno for each in functions if each.end_lineno]


def faults(paths: list[Path]) -> list[str]:
    found = [
        f"{path}: {n} lines, at most 400" for path in paths if (n := len(path.read_text().splitlines())) > 400
    ]
    every = sorted(length for path in paths for length in lengths(path))
    p90 = every[int(0.9 * len(every))]
    print(
        f"{len(paths)} files, {len(every)} functions: median {every[len(every) // 2]} lines, p90 {p90} lines"
    )
    return found + ([f"functions' p90 is {p90} lines, at most 30"] if p90 > 30 else [])


if __name__ == "__main__":
    problems = faults([path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))])
    print("\n".join(problems))
    sys.exit(bool(problems))
