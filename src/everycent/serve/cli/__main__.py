"""`python -m everycent.serve.cli` is the `everycent` command."""

from everycent.serve.cli.main import main

main()
