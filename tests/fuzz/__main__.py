"""A campaign of any size: python -m tests.fuzz --tries 20 --first 1000 [--only NAME]."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.fuzz.campaign import campaign, zygote
from tests.fuzz.material import all_cases

if __name__ == "__main__":
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--tries", type=int, default=10, help="of every format")
    command.add_argument("--first", type=int, default=0, help="seed to begin with")
    command.add_argument("--only", default="", help="formats whose name holds this")
    args = command.parse_args()
    with tempfile.TemporaryDirectory() as name, zygote() as runner:
        folder = Path(name)
        cases = [case for case in all_cases(folder / "material") if args.only in case.name]
        faults, made = campaign(cases, runner, folder, first=args.first, tries=args.tries)
    for fault in faults:
        print(f"\n== {fault.name}, seed {fault.seed}, {fault.mutation}: {fault.why}\n{fault.said}")
    print(f"{made} tries of {len(cases)} formats, {len(faults)} faults: {dict(Counter(f.name for f in faults))}")
    sys.exit(bool(faults))
