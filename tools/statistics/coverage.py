"""Do the intervals cover as often as they say, and do the tests err as rarely? Measured by simulation.

    python tools/statistics/coverage.py [--times 1000]

Prints the tables of docs/statistics.md as Markdown. All figures but sizes are percentages; accuracies are in points.
"""

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations, product

import numpy as np
from scipy import stats
from simulated import ACCURACY, answers, two_networks

from benchmark.analysis.intervals import accuracy_interval, network_difference_interval, wilson_interval
from benchmark.analysis.significance import discordance, largest_p, mcnemar_exact, smallest_detectable_difference
from benchmark.analysis.variance import crossed_variance, difference_parts, half_width

SIZES, SEEDS, SEED_SDS = (1_000, 25_000), (2, 3, 5), (0.2, 0.5, 1.0)
UNEQUAL = (0.1, 0.2, 0.3, 0.5, 1.0)  # points, of five methods
ALPHA, METHODS, PAIRS = 0.05, 5, 10
MCNEMAR = 5  # every fifth simulation is asked for McNemar's test too
CHEAP = 5  # times as many simulations where only two networks are drawn


def satterthwaite(parts, alpha):
    """What `half_width` is instead of: one t quantile, its degrees of freedom approximated for the whole variance."""
    variance = sum(part.variance for part in parts)
    freedom = variance**2 / max(1e-300, sum(part.variance**2 / part.freedom for part in parts))
    return stats.t.isf(alpha / 2, freedom) * math.sqrt(variance)


def one_network(size, times):
    """Wilson's interval, by accuracy."""
    times, chance, cells = CHEAP * times, drawing(1, size), []
    for accuracy in (0.8, 0.88, 0.95):
        right = chance.binomial(size, accuracy, times)
        intervals = {count: wilson_interval(int(count), size) for count in set(right)}
        cells.append(np.mean([intervals[count].low <= accuracy <= intervals[count].high for count in right]))
    return [f"{size:,}", *map(percent, cells)]


def two_equal_networks(size, share, times):
    """McNemar's false positives, and whether the interval for the difference holds 0 and a true difference."""
    times, chance, positive, held, held_true = CHEAP * times, drawing(2, size, share), 0, 0, 0
    for _ in range(times):
        pair = two_networks(chance, share / 2, share / 2, size)
        positive += mcnemar_exact(*pair) <= ALPHA
        held += within(0, network_difference_interval(*pair))
        held_true += within(
            share / 4, network_difference_interval(*two_networks(chance, *unequal(share, share / 4), size))
        )
    return [f"{size:,}", f"{100 * share:g}", *(percent(count / times) for count in (positive, held, held_true))]


def detectable(size, share, alpha, times):
    """The power that McNemar's test has at the difference that is said to be found with 80 %."""
    times, chance = CHEAP * times, drawing(3, size, share, alpha)
    difference = smallest_detectable_difference(size, share, alpha=alpha)
    pairs = (two_networks(chance, *unequal(share, difference), size) for _ in range(times))
    found = np.mean([mcnemar_exact(*pair) <= alpha for pair in pairs])
    return [f"{size:,}", f"{100 * share:g}", f"{alpha:g}", f"{100 * difference:.2f}", percent(found)]


def method_interval(size, seeds, seed_sd, times):
    """Coverage of a method's accuracy by each way, and the median half-width in points."""
    chance = drawing(4, size, seeds, seed_sd)
    held, widths = {"ours": [], "satterthwaite": []}, {"ours": [], "satterthwaite": []}
    for _ in range(times):
        (correct,) = answers(chance, [ACCURACY], [seed_sd], seeds, size)
        interval, variance = accuracy_interval(correct), crossed_variance(correct)
        half = satterthwaite((variance.seeds, variance.reviews), ALPHA)
        held["ours"].append(within(ACCURACY, interval))
        held["satterthwaite"].append(abs(correct.mean() - ACCURACY) <= half)
        widths["ours"].append((interval.high - interval.low) / 2)
        widths["satterthwaite"].append(half)
    points = [f"{100 * np.median(width):.1f}" for width in widths.values()]
    return [f"{size:,}", str(seeds), f"{seed_sd:g}", *(percent(np.mean(each)) for each in held.values()), *points]


def five_equal_methods(size, seeds, seed_sd, times):
    """False positives of one pair at 5 %, and of the family of ten pairs, where Holm's first step is at 0.5 %."""
    chance = drawing(5, size, seeds, seed_sd or 0)
    first, family = ({"ours": [], "satterthwaite": [], "networks": []} for _ in range(2))
    seed_sds = UNEQUAL if seed_sd is None else [seed_sd] * METHODS
    for time in range(times):
        methods = answers(chance, [ACCURACY] * METHODS, seed_sds, seeds, size)
        pairs = list(combinations(methods, 2))  # the fourth: of the least and the most scattered where they differ
        gaps = [abs(one.mean() - other.mean()) for one, other in pairs]
        parts = [difference_parts(*pair) for pair in pairs]
        for name, width in (("ours", half_width), ("satterthwaite", satterthwaite)):
            first[name].append(gaps[3] >= width(parts[3], ALPHA))
            family[name].append(any(gap >= width(each, ALPHA / PAIRS) for gap, each in zip(gaps, parts, strict=True)))
        if time % MCNEMAR == 0:
            p_values = [mcnemar_exact(one[0], other[0]) for one, other in pairs]
            first["networks"].append(p_values[3] <= ALPHA)
            family["networks"].append(min(p_values) <= ALPHA / PAIRS)
    shown = "0.1 to 1" if seed_sd is None else f"{seed_sd:g}"
    found = [percent(np.mean(each)) for each in (*first.values(), *family.values())]
    return [f"{size:,}", str(seeds), shown, *found]


def network_and_method(size, seeds, seed_sd, times):
    """How often one network is told apart from each of a method's, and from that of its first seed alone."""
    cells = []
    for difference, alpha in ((0, ALPHA), (4, ALPHA / PAIRS)):
        chance, each, first = drawing(8, size, seeds, seed_sd, difference), 0, 0
        for _ in range(times):
            method, networks = answers(chance, [ACCURACY, ACCURACY - difference / 100], [seed_sd, 0], seeds, size)
            pair = sorted((method, networks[:1]), key=np.mean)
            each += largest_p(*reversed(pair)) <= alpha
            first += mcnemar_exact(method[0], networks[0]) <= alpha
        cells.append(f"{percent(each / times)} / {percent(first / times)}")
    return [f"{size:,}", str(seeds), f"{seed_sd:g}", *cells]


def method_power(size, seeds, seed_sd, times):
    """How often a true difference is found: by one pair alone, and as the first of ten."""
    cells = []
    for difference in (1, 2, 4):
        chance, alone, of_ten = drawing(6, size, seeds, seed_sd, difference), 0, 0
        for _ in range(times):
            pair = answers(chance, [ACCURACY, ACCURACY - difference / 100], [seed_sd] * 2, seeds, size)
            gap, parts = abs(pair[0].mean() - pair[1].mean()), difference_parts(*pair)
            alone += gap >= half_width(parts, ALPHA)
            of_ten += gap >= half_width(parts, ALPHA / PAIRS)
        cells.append(f"{100 * alone / times:.0f} / {100 * of_ten / times:.0f}")
    return [f"{size:,}", str(seeds), f"{seed_sd:g}", *cells]


def drawing(*cell):
    """Random numbers of one cell of a table, independent of the others'."""
    return np.random.default_rng([round(1000 * number) for number in cell])


def unequal(share, difference):
    """The shares of reviews that only the first and only the second of two networks labels rightly."""
    return (share + difference) / 2, (share - difference) / 2


def within(value, interval):
    """Whether the interval holds it."""
    return interval.low <= value <= interval.high


def percent(share):
    """For a cell of a table."""
    return f"{100 * share:.1f}"


def disagreement():
    """How often two networks of one method, and of two, disagree here."""
    one, other = answers(drawing(7), [ACCURACY] * 2, [0.5] * 2, 2, 1_000_000)
    return percent(discordance(one[0], one[1])), percent(discordance(one, other))


TABLES = [
    ("One network: coverage of Wilson's interval", one_network, ["N", "80", "88", "95"], [SIZES]),
    (
        "Two networks: false positives of McNemar's test, coverage of the interval where they are equal and are not",
        two_equal_networks,
        ["N", "discordant", "false positives", "coverage, equal", "coverage, a quarter of the discordant apart"],
        [SIZES, (0.02, 0.06, 0.12)],
    ),
    (
        "Two networks: the smallest detectable difference and the power at it",
        detectable,
        ["N", "discordant", "alpha", "difference, points", "power"],
        [SIZES, (0.06, 0.12), (ALPHA, ALPHA / PAIRS)],
    ),
    (
        "One method: coverage, and half-width in points",
        method_interval,
        ["N", "S", "seed sd", "ours", "Satterthwaite", "ours ±", "Satterthwaite ±"],
        [SIZES, SEEDS, SEED_SDS],
    ),
    (
        "Equal methods: false positives of one pair at 5 %, and of the family of ten pairs after Holm",
        five_equal_methods,
        ["N", "S", "seed sd", *("ours", "Satterthwaite", "McNemar, first seeds")]
        + [f"{name}, family" for name in ("ours", "Satterthwaite", "McNemar, first seeds")],
        [SIZES, SEEDS, (*SEED_SDS, None)],
    ),
    (
        "One network and a method: told apart, each of its networks / the first alone",
        network_and_method,
        ["N", "S", "seed sd", "equal in the mean, alone", "4 points apart, first of ten pairs"],
        [SIZES, (2, 3), (0.2, 0.5)],
    ),
    (
        "Two methods: power of the test, alone / as first of ten pairs",
        method_power,
        ["N", "S", "seed sd", *(f"{points} points apart" for points in (1, 2, 4))],
        [SIZES, SEEDS, (0.2, 0.5)],
    ),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=1000, help="simulations behind a figure of methods")
    times = parser.parse_args().times
    say("Two networks of one method disagree about {} % of reviews, of two methods about {} %.".format(*disagreement()))
    with ProcessPoolExecutor(2) as workers:
        for title, measure, columns, values in TABLES:
            rows = workers.map(measure, *zip(*product(*values), strict=True), [times] * math.prod(map(len, values)))
            show(title, columns, list(rows))


def show(title, columns, rows):
    """One table."""
    cells = [columns, ["--:"] * len(columns), *rows]
    say("\n".join([f"\n### {title}\n", *(f"| {' | '.join(each)} |" for each in cells)]))


def say(text):
    """Now, though the next table takes minutes."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
