"""`python tools/pipeline.py --help`; the command itself lives in sccan/commands/pipeline.py."""

from sccan.commands.entry import run_main
from sccan.commands.pipeline import main

if __name__ == "__main__":
    run_main(main)
