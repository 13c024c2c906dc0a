"""A campaign of any size: python -m tests.fuzz --tries 20 --first 1000 [--only NAME]."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.fuzz.campaign import Try, campaign, zygote
from tests.fuzz.material import all_cases


def _tell(one: Try) -> None:
    codes[one.code] += 1
    if one.fault is not None:
        print(f"\n== {one.fault}", flush=True)
    elif told and one.code != 2:
        print(f"-- {one.name}, seed {one.seed}, {one.mutation}: exit {one.code}", flush=True)


if __name__ == "__main__":
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--tries", type=int, default=10, help="of every format")
    command.add_argument("--first", type=int, default=0, help="seed to begin with")
    command.add_argument("--only", default="", help="formats whose name holds this")
    command.add_argument("--seconds", type=float, default=1e9, help="of the tries, after which no other begins")
    command.add_argument("--accepted", action="store_true", help="name what was not refused, too")
    args = command.parse_args()
    codes, told = Counter[int](), args.accepted
    with tempfile.TemporaryDirectory() as name, zygote() as runner:
        folder = Path(name)
        cases = [case for case in all_cases(folder / "material") if args.only in case.name]
        faults, made = campaign(
            cases, runner, folder, first=args.first, tries=args.tries, seconds=args.seconds, told=_tell
        )
    print("by exit code: " + ", ".join(f"{code}: {count}" for code, count in sorted(codes.items())))
    print(f"{made} tries of {len(cases)} formats, {len(faults)} faults: {dict(Counter(f.name for f in faults))}")
    sys.exit(bool(faults))
