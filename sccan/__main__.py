"""`python -m sccan` is the `sccan` command."""

from sccan.commands.main import console

if __name__ == "__main__":
    console()
