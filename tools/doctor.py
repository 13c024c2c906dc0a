"""`python tools/doctor.py --help`; the command itself lives in sccan/commands/doctor.py."""

from sccan.commands.doctor import main
from sccan.commands.entry import run_main

if __name__ == "__main__":
    run_main(main)
