"""The cache that knows the future, against a naive one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.engine.features import FutureCache, foretell_misses

PLANS = st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=4, unique=True), max_size=25)


def naive_misses(needs: list[list[int]], capacity: int) -> list[list[int]]:
    """Belady's rule spelled out: after every turn keep the numbers whose next use comes first."""
    kept: set[int] = set()
    misses = []
    for turn, numbers in enumerate(needs):
        misses.append([n for n in numbers if n not in kept])

        def next_use(number: int, after: int = turn) -> int:
            return next((t for t in range(after + 1, len(needs)) if number in needs[t]), len(needs))

        wanted = [n for n in kept | set(numbers) if next_use(n) < len(needs)]
        kept = set(sorted(wanted, key=lambda n: (next_use(n), n))[:capacity])
    return misses


def least_recently_used_misses(needs: list[list[int]], capacity: int) -> int:
    kept: list[int] = []
    count = 0
    for numbers in needs:
        count += sum(n not in kept for n in numbers)
        kept = [n for n in kept if n not in numbers] + numbers
        kept = kept[len(kept) - capacity :] if capacity else []
    return count


def test_the_entry_needed_last_is_dropped_by_hand() -> None:
    needs = [[1], [2], [3], [1], [2], [3]]
    # Room for two: when 3 comes, 3 itself is needed last, so it is not kept; 1 and 2 are.
    assert foretell_misses(needs, 2) == [[1], [2], [3], [], [], [3]]
    assert foretell_misses(needs, 0) == needs
    assert foretell_misses(needs, 3) == [[1], [2], [3], [], [], []]


@settings(max_examples=50, deadline=None)
@given(PLANS, st.integers(0, 8))
def test_as_few_misses_as_the_naive_rule(needs: list[list[int]], capacity: int) -> None:
    ours = foretell_misses(needs, capacity)
    assert sum(map(len, ours)) == sum(map(len, naive_misses(needs, capacity)))
    assert sum(map(len, ours)) <= least_recently_used_misses(needs, capacity)


@settings(max_examples=50, deadline=None)
@given(PLANS, st.integers(0, 40), st.lists(st.integers(1, 20), min_size=8, max_size=8))
def test_the_budget_holds_with_entries_of_any_size(needs: list[list[int]], budget: int, sizes: list[int]) -> None:
    cache: FutureCache[str] = FutureCache(needs, budget)
    for turn, numbers in enumerate(needs):
        missing = []
        for number in numbers:
            assert cache.get(number) in (None, f"entry {number}")
            if number not in cache:
                missing.append(number)
        cache.settle(turn)
        for number in missing:
            cache.put(number, f"entry {number}", sizes[number], turn)
            assert cache.used <= budget
        assert cache.used == sum(sizes[n] for n in range(8) if n in cache)
    assert cache.used == 0  # nothing is kept that is never needed again
