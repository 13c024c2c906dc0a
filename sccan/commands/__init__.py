"""One module per command, each `main(argv) -> exit code`."""
