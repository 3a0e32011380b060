"""Taking turns, percentiles, and tables."""

import contextlib
import math
import time


def percentile(samples, fraction):
    """The smallest sample that at least this fraction of all does not exceed."""
    return sorted(samples)[math.ceil(len(samples) * fraction) - 1]


def median(samples):
    return percentile(samples, 0.5)


def interleave(operation, places, rounds, batch, seconds, warm_up=2, settle=None):
    """Runs an operation in several places in turn, so that noise hits all alike.

    `operation(place)` is a context manager that yields a function from a running number to nanoseconds. A round is `batch` calls in
    each place, in an order that changes from round to round; `warm_up` rounds more go first and are not counted. It ends early, after
    three rounds at least, when `seconds` are over.

    `settle` is called before each place's turn.

    Returns {place: samples in nanoseconds}.
    """
    samples = {place: [] for place in places}
    with contextlib.ExitStack() as stack:
        steps = {place: stack.enter_context(operation(place)) for place in places}
        end = time.monotonic() + seconds
        number = 0
        for turn in range(-warm_up, rounds):
            if turn >= 3 and time.monotonic() > end:
                break
            shift = turn % len(places)
            order = places[shift:] + places[:shift]
            for place in order if turn % 2 else order[::-1]:
                step = steps[place]
                if settle:
                    settle()
                taken = [step(number + index) for index in range(batch)]
                if turn >= 0:
                    samples[place] += taken
            number += batch
    return samples


def show(value):
    """A figure with three digits that matter."""
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def table(heads, rows):
    """Prints aligned columns, the first to the left; cells are text, numbers or None."""
    cells = [[cell if isinstance(cell, str) else show(cell) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in [heads] + cells) for index in range(len(heads))]
    for row in [heads, ["-" * width for width in widths]] + cells:
        padded = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(padded).rstrip())
    print(flush=True)


def title(text):
    print(f"{text}\n{'=' * len(text)}", flush=True)
