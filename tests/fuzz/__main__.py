"""A campaign of any size: python -m tests.fuzz --tries 20 --first 1000 [--only NAME]."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.fuzz.campaign import Fault, campaign, zygote
from tests.fuzz.material import all_cases


def _tell(fault: Fault) -> None:
    print(f"\n== {fault}", flush=True)


if __name__ == "__main__":
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--tries", type=int, default=10, help="of every format")
    command.add_argument("--first", type=int, default=0, help="seed to begin with")
    command.add_argument("--only", default="", help="formats whose name holds this")
    command.add_argument("--seconds", type=float, default=1e9, help="of the tries, after which no other begins")
    args = command.parse_args()
    with tempfile.TemporaryDirectory() as name, zygote() as runner:
        folder = Path(name)
        cases = [case for case in all_cases(folder / "material") if args.only in case.name]
        faults, made = campaign(
            cases, runner, folder, first=args.first, tries=args.tries, seconds=args.seconds, told=_tell
        )
    print(f"{made} tries of {len(cases)} formats, {len(faults)} faults: {dict(Counter(f.name for f in faults))}")
    sys.exit(bool(faults))
