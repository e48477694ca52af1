"""What the steps say of slices, for a reader of one page: the same is said once, with its slices."""

from collections.abc import Iterable


def gathered(said: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    """One sentence for each thing that is said, with the slices of which it is: ``slices 1, 3: no muscle``.

    ``said``: the index of a slice (0 is the basal one) and what is said of it; things keep their order.
    """
    slices: dict[str, list[int]] = {}
    for index, what in said:
        own = slices.setdefault(what, [])
        if index + 1 not in own:
            own.append(index + 1)
    return tuple(
        f"slice{'s' if len(own) > 1 else ''} {', '.join(map(str, own))}: {what}"
        for what, own in slices.items()
    )
